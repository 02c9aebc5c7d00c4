// SPDX-License-Identifier: Apache-2.0

internal import BerthRPC
internal import BerthSchema
package import NIOCore

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#elseif canImport(Darwin)
    internal import Darwin
#endif

extension BerthClient {
    /// The loop of its connections: channels for `relay` have to be on it.
    package var eventLoop: any EventLoop { connector.eventLoop }

    /// Connects to what listens in a container, and passes bytes between that and `channel` until both directions have ended
    /// or one side breaks it off. Everything is done on the one loop, and what comes from the container is not copied.
    /// - Parameters:
    ///   - channel: on `eventLoop`, allows half-closure and does not read by itself; it is closed in the end. As the
    ///     container breaks a connection off, it is broken off here.
    ///   - target: where to, in the container.
    ///   - wait: how long to wait until somebody listens there.
    /// - Throws: why the connection can't be made, or how it ended, if that is not how both sides wanted it.
    package func relay(
        _ channel: any Channel, to target: ConnectionTarget, in lease: Lease, wait: Duration
    ) async throws(BerthError) {
        let rpc: ClientConnection
        do throws(BerthError) {
            rpc = try await connector.line().rpc
        } catch {
            channel.close(promise: nil)
            throw error
        }
        precondition(channel.eventLoop === rpc.eventLoop, "a relay's channel is on the client's loop")
        let error = await withTaskCancellationHandler {
            await withCheckedContinuation { (continuation: CheckedContinuation<BerthError?, Never>) in
                channel.eventLoop.execute {
                    ConnectionRelay(channel, rpc, lease.token, continuation).start(target, wait)
                }
            }
        } onCancel: {
            channel.close(promise: nil)
        }
        if let error { throw error }
    }
}

/// What listens in a container.
package enum ConnectionTarget: Sendable {
    /// A TCP port of its loopback.
    case port(Int)
    /// The path of a unix socket.
    case path(SystemString)
}

/// A connection in a container, and the channel whose bytes it passes on. On their loop alone, hence unchecked.
private final class ConnectionRelay: ChannelInboundHandler, @unchecked Sendable {
    typealias InboundIn = ByteBuffer

    /// Bytes from the container that may wait to be written here; the server's ring for them is as large.
    private static let window = 1 << 20
    /// Outputs after which credit is due, however short: a server never has more than 60 unacknowledged.
    private static let outputsPerCredit = 30
    /// Maximum bytes of one output: the most that a server sends.
    private static let maxPiece: UInt32 = 64 << 10

    private let channel: any Channel
    private let rpc: ClientConnection
    private let lease: String
    private var continuation: CheckedContinuation<BerthError?, Never>?
    private let arena = Arena()

    /// Nil until it has started.
    private var identity: StreamIdentity?

    // From here to there.
    private var pending = ByteBuffer()
    private var offset: UInt64 = 0
    /// An `Input` has not been answered yet.
    private var isSending = false
    /// The channel was asked to read, and has not.
    private var isReading = false
    /// The channel gives no more; and there, that is known.
    private var hasRead = false
    private var hasSentEnd = false

    // From there to here.
    private var unwritten = 0
    /// What was given to the channel since it was last flushed.
    private var unflushed = Piece()
    private var isFlushing = false
    private lazy var options = channel.syncOptions
    private var written: UInt64 = 0
    private var unacknowledged = (bytes: 0, outputs: 0)
    /// There is no more output.
    private var isOutputOver = false
    private var isOutputClosed = false
    /// The execution has ended, and with what, if not as both sides wanted.
    private var isOver = false
    private var failure: BerthError?

    private struct Piece {
        var bytes = 0
        var outputs = 0
        /// The offset after it.
        var end: UInt64 = 0
    }

    init(
        _ channel: any Channel, _ rpc: ClientConnection, _ lease: String,
        _ continuation: CheckedContinuation<BerthError?, Never>
    ) {
        self.channel = channel
        self.rpc = rpc
        self.lease = lease
        self.continuation = continuation
    }

    func start(_ target: ConnectionTarget, _ wait: Duration) {
        do {
            try channel.pipeline.syncOperations.addHandler(self)
        } catch {
            // It is closed already.
            return finish(nil)
        }
        var request = ConnectRequest(lease: lease, waitMilliseconds: wait.milliseconds)
        request.windowBytes = UInt64(ConnectionRelay.window)
        request.maxPieceBytes = ConnectionRelay.maxPiece
        switch target {
        case .port(let port): request.port = UInt32(clamping: port)
        case .path(let path): request.path = path
        }
        rpc.stream(PoolService.connect, request) { event in
            switch event {
            case .message(let bytes): self.take(bytes)
            case .end(let error): self.streamEnded(error)
            }
        }
    }

    /// Once, whatever comes after it.
    private func finish(_ error: BerthError?) {
        guard let continuation = continuation.take() else { return }
        continuation.resume(returning: error)
        channel.close(promise: nil)
        if !isOver { kill() }
    }

    private func kill() {
        guard let identity else { return }
        rpc.unary(PoolService.signal, SignalRequest(lease: lease, execution: identity.execution, signal: 9)) { _ in }
    }

    // MARK: What comes from the container

    private func take(_ bytes: ByteBuffer) {
        var range = 0..<0
        let head = bytes.withUnsafeReadableBytes { OutputHead(reading: $0, data: &range) }
        if let head {
            guard let data = bytes.getSlice(at: bytes.readerIndex + range.lowerBound, length: range.count) else {
                return
            }
            return write(data, upTo: head.offset + UInt64(head.count))
        }
        let decoded = bytes.withUnsafeReadableBytes { raw in
            Result { () throws(SchemaError) in try ExecuteEvent(decoding: raw, arena: arena) }
        }
        switch decoded {
        case .success(.started(let started)):
            identity = StreamIdentity(execution: started.execution, watcher: started.watcher)
            if continuation == nil { return kill() }
            read()
        case .success(.outputEnded):
            isOutputOver = true
            endIfWritten()
        case .success(.ended(let ended)):
            (isOver, isOutputOver) = (true, true)
            failure = BerthError(connectionEnd: ended)
            endIfWritten()
        case .success: break
        case .failure(let error):
            finish(BerthError(.internal, "the server sent \(error)"))
        }
    }

    private func streamEnded(_ error: RPCError?) {
        guard !isOver else { return }
        (isOver, isOutputOver) = (true, true)
        failure = error.map { BerthError($0) } ?? BerthError(.internal, "the server ended the stream without its end")
        // Without a connection there, nothing is broken off here.
        if identity == nil { return finish(failure) }
        endIfWritten()
    }

    private func write(_ data: ByteBuffer, upTo end: UInt64) {
        guard continuation != nil else { return }
        unwritten += 1
        unflushed.bytes += data.readableBytes
        unflushed.outputs += 1
        unflushed.end = end
        channel.write(data, promise: nil)
        guard !isFlushing else { return }
        // Once for all that has come in this turn of the loop.
        isFlushing = true
        channel.eventLoop.execute {
            self.isFlushing = false
            self.flush()
        }
    }

    /// What the socket takes at once, which is mostly all, needs no promise.
    private func flush() {
        let piece = unflushed
        unflushed = Piece()
        channel.flush()
        guard (try? options?.getOption(.bufferedWritableBytes)) != 0 else { return didWrite(piece, .success(())) }
        // Writes end in their order: that of nothing ends after those before it.
        channel.writeAndFlush(ByteBuffer()).whenComplete { self.didWrite(piece, $0) }
    }

    private func didWrite(_ piece: Piece, _ result: Result<Void, any Error>) {
        unwritten -= piece.outputs
        // The local side has broken it off.
        guard case .success = result else { return finish(nil) }
        written = piece.end
        unacknowledged.bytes += piece.bytes
        unacknowledged.outputs += piece.outputs
        if unacknowledged.bytes * 4 >= ConnectionRelay.window
            || unacknowledged.outputs >= ConnectionRelay.outputsPerCredit
        {
            acknowledge()
        }
        endIfWritten()
    }

    private func acknowledge() {
        guard let identity, !isOver else { return }
        unacknowledged = (0, 0)
        rpc.unary(
            PoolService.acknowledge,
            AcknowledgeRequest(
                lease: lease, execution: identity.execution, watcher: identity.watcher, stdoutOffset: written)
        ) { _ in }
    }

    /// Passes on the end of what has come, once that is written.
    private func endIfWritten() {
        guard unwritten == 0, isOutputOver, continuation != nil else { return }
        if let failure { return breakOff(failure) }
        if !isOutputClosed {
            isOutputClosed = true
            channel.close(mode: .output, promise: nil)
        }
        // What this side still sends is answered there, or is refused.
        if isOver, hasRead { finish(nil) }
    }

    /// As it broke there it breaks here: an end of stream would say that all has come.
    private func breakOff(_ error: BerthError) {
        _ = (channel as? any SocketOptionProvider)?.setSoLinger(linger(l_onoff: 1, l_linger: 0))
        finish(error)
    }

    // MARK: What comes from here

    /// More is read as long as little waits to be taken there. Asked again before a read has ended, the channel need not be
    /// taken out of the kernel's list of what is waited for and put there again.
    private func read() {
        guard identity != nil, !hasRead, !isReading, pending.readableBytes < InputWriter.maxPiece else { return }
        isReading = true
        channel.read()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        if pending.readableBytes == 0 { pending = bytes } else { pending.writeBuffer(&bytes) }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        isReading = false
        send()
        read()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard case .inputClosed? = event as? ChannelEvent else { return context.fireUserInboundEventTriggered(event) }
        hasRead = true
        send()
        endIfWritten()
    }

    func channelInactive(context: ChannelHandlerContext) { finish(nil) }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { finish(nil) }

    /// Sends what has been read, one `Input` after another: its answer says that the other side has room for more.
    private func send() {
        guard let identity, !isSending, continuation != nil else { return }
        let count = min(pending.readableBytes, InputWriter.maxPiece)
        let isEnd = hasRead && !hasSentEnd && count == pending.readableBytes
        guard count > 0 || isEnd else { return read() }
        let data = pending.readBytes(length: count) ?? []
        if pending.readableBytes == 0 { pending = ByteBuffer() }
        isSending = true
        if isEnd { hasSentEnd = true }
        let request = InputRequest(
            lease: lease, execution: identity.execution, offset: offset, data: data, isEnd: isEnd)
        offset += UInt64(count)
        rpc.unary(PoolService.input, request) { self.answered(count, $0) }
    }

    private func answered(_ count: Int, _ answer: Result<ByteBuffer, RPCError>) {
        isSending = false
        // The end of what has been sent is nothing that it could miss.
        if case .failure(let error) = answer, count > 0, continuation != nil { return breakOff(BerthError(error)) }
        send()
        read()
    }
}
