// SPDX-License-Identifier: Apache-2.0

import AgentSchema
import BerthSchema
import BerthWire
import NIOCore
import NIOEmbedded
import Synchronization
import Testing

@testable import BerthRPC

/// When a write counts as done: on a socket, and with handlers that hold writes back from the socket, as TLS does.
@Suite struct FrameOutputTests {
    @Test("below other handlers, what they hold is not written, and nothing more is written meanwhile")
    func held() throws {
        let holder = Holder()
        let (channel, output) = try channel(over: .handlers, holder)
        let written = Mutex(0)
        output.onWritten = { written.withLock { $0 += 1 } }
        output.add(1, 100)
        output.flush()
        #expect(output.pendingBytes == 110)
        #expect(written.withLock { $0 } == 0)
        output.add(3, 50)
        output.flush()
        #expect(output.pendingBytes == 170 && holder.held.count == 1)
        #expect(written.withLock { $0 } == 0)
        holder.release()
        // The second write went out when the first was done.
        #expect(output.pendingBytes == 60)
        holder.release()
        #expect(output.pendingBytes == 0)
        #expect(written.withLock { $0 } == 1)
        var bytes = 0
        while let piece = try channel.readOutbound(as: ByteBuffer.self) { bytes += piece.readableBytes }
        #expect(bytes == 170)
        _ = try channel.finish()
    }

    @Test("large messages between small ones are done when the last of them is", arguments: [true, false])
    func pieces(endsWithLarge: Bool) throws {
        let holder = Holder()
        let (channel, output) = try channel(over: .handlers, holder)
        output.append(
            .data, [], streamID: 1, headSize: 0, { _ in }, tail: ByteBuffer(repeating: 1, count: 10_000))
        output.append(
            .data, [], streamID: 1, headSize: 0, { _ in }, tail: ByteBuffer(repeating: 1, count: 10_000))
        if !endsWithLarge { output.add(1, 10) }
        output.flush()
        #expect(holder.held.count { $0.promise != nil } == 1 && holder.held.last?.promise != nil)
        holder.release()
        #expect(output.pendingBytes == 0)
        _ = try channel.finish()
    }

    @Test("a write that fails closes the connection: what follows it could not be understood")
    func failed() throws {
        let holder = Holder()
        let (channel, output) = try channel(over: .handlers, holder)
        output.add(1, 10)
        output.flush()
        holder.fail()
        #expect(!channel.isActive)
        _ = try? channel.finish()
    }

    @Test("over a socket, a write is done as soon as the socket holds none of it")
    func socket() throws {
        let (channel, output) = try channel(over: .socket, nil)
        let written = Mutex(0)
        output.onWritten = { written.withLock { $0 += 1 } }
        output.add(1, 100)
        #expect(output.pendingBytes == 110)
        output.flush()
        #expect(output.pendingBytes == 0 && written.withLock { $0 } == 1)
        _ = try channel.finish()
    }

    @Test(
        "a client whose handlers below hold its requests, as TLS does before its handshake, takes no more than its bound"
    )
    func clientBound() throws {
        let holder = Holder()
        let channel = EmbeddedChannel(handler: holder)
        try channel.connect(to: SocketAddress(unixDomainSocketPath: "/x")).wait()
        var limits = ClientConnection.Limits()
        limits.maxPendingBytes = 64 << 10
        let adopted = Mutex<ClientConnection?>(nil)
        ClientConnection.adopt(channel, limits: limits).whenSuccess { client in adopted.withLock { $0 = client } }
        let client = try #require(adopted.withLock { $0 })
        let refused = Mutex<[RPCError]>([])
        for _ in 0..<100 {
            client.unary(
                service: "s", method: "m", Agent.PingResponse(version: String(repeating: "x", count: 2000), pid: 1)
            ) { answer in
                if case .failure(let error) = answer { refused.withLock { $0.append(error) } }
            }
            channel.embeddedEventLoop.run()
        }
        let errors = refused.withLock { $0 }
        #expect(errors.count > 60, "\(errors.count) of 100 were refused")
        #expect(errors.allSatisfy { $0.code == .resourceExhausted })
        _ = try? channel.finish()
    }

    private func channel(
        over below: FrameOutput.Below, _ holder: Holder?
    ) throws -> (EmbeddedChannel, FrameOutput) {
        let channel = EmbeddedChannel()
        if let holder { try channel.pipeline.syncOperations.addHandler(holder) }
        let output = FrameOutput(eventLoop: channel.eventLoop)
        try channel.pipeline.syncOperations.addHandler(Attacher(output, below))
        try channel.connect(to: SocketAddress(unixDomainSocketPath: "/x")).wait()
        return (channel, output)
    }
}

/// Holds writes back until it is released, as TLS does until its handshake is over, without informing the channel.
private final class Holder: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private(set) var held: [(data: NIOAny, promise: EventLoopPromise<Void>?)] = []
    private var context: ChannelHandlerContext?

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }
    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }
    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        held.append((data, promise))
    }
    func flush(context: ChannelHandlerContext) {}
    func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        for (_, promise) in held { promise?.fail(ChannelError.ioOnClosedChannel) }
        held = []
        context.close(mode: mode, promise: promise)
    }

    func release() {
        let now = held
        held = []
        for (data, promise) in now { context?.write(data, promise: promise) }
        context?.flush()
    }

    func fail() {
        let now = held
        held = []
        for (_, promise) in now { promise?.fail(ChannelError.outputClosed) }
    }
}

private final class Attacher: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    private let output: FrameOutput
    private let below: FrameOutput.Below

    init(_ output: FrameOutput, _ below: FrameOutput.Below) {
        self.output = output
        self.below = below
    }

    func handlerAdded(context: ChannelHandlerContext) { output.attach(context, over: below) }
    func channelInactive(context: ChannelHandlerContext) { output.detach() }
}

extension FrameOutput {
    fileprivate func add(_ id: UInt32, _ size: Int) {
        append(.data, [], streamID: id, size: size) { $0.initializeMemory(as: UInt8.self, repeating: 7) }
    }
}
