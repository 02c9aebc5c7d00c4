// SPDX-License-Identifier: Apache-2.0

internal import BerthRPC
internal import BerthSchema
internal import NIOCore
internal import Synchronization

/// One connection, and what a client must know of it at once.
final class Line: Sendable {
    let rpc: ClientConnection
    private let watch: LineWatch
    /// The server was asked whether it is there. On the loop.
    private let hasAsked: NIOLoopBoundBox<Bool>

    private init(_ rpc: ClientConnection, _ watch: LineWatch) {
        self.rpc = rpc
        self.watch = watch
        hasAsked = NIOLoopBoundBox.makeBoxSendingValue(false, eventLoop: rpc.eventLoop)
    }

    /// True before any of its calls has failed of it: what is called next does not go there.
    var isOver: Bool { watch.isOver.load(ordering: .acquiring) }

    static func open(
        to address: ServerAddress, on eventLoop: any EventLoop, timeout: Duration, keepalive: Duration
    ) async throws(RPCError) -> Line {
        let limit = TimeAmount.milliseconds(Int64(timeout.milliseconds))
        let watch = LineWatch()
        let rpc =
            switch address {
            case .tcp(let host, let port):
                try await ClientConnection.connect(
                    host: host, port: port, group: eventLoop, timeout: limit, watch: watch)
            case .unix(let path):
                try await ClientConnection.connect(unixSocket: path, group: eventLoop, timeout: limit, watch: watch)
            }
        let line = Line(rpc, watch)
        line.looks(every: .milliseconds(Int64(max(1, keepalive.milliseconds / 2))), keepalive)
        return line
    }

    private func looks(every half: TimeAmount, _ keepalive: Duration) {
        let task = rpc.eventLoop.scheduleRepeatedTask(initialDelay: half, delay: half) { [weak self] _ in
            self?.look(keepalive)
        }
        rpc.onClose.whenComplete { _ in task.cancel() }
    }

    /// A server that has said nothing for half of what is allowed is asked whether it is there, and given up if it goes on
    /// saying nothing.
    private func look(_ keepalive: Duration) {
        let hasHeard = watch.hasHeard.exchange(false, ordering: .relaxed)
        guard !hasHeard, rpc.hasCalls else {
            hasAsked.value = false
            return
        }
        if hasAsked.value {
            rpc.fail("the server has said nothing for \(keepalive), and did not answer a Hello")
        } else {
            hasAsked.value = true
            rpc.unary(PoolService.hello, HelloRequest(client: BerthClient.name)) { _ in }
        }
    }
}

/// Stands before the connection in its channel, and so knows first what becomes of it.
private final class LineWatch: ChannelDuplexHandler, Sendable {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer

    let isOver = Atomic(false)
    /// Something has come since the last look.
    let hasHeard = Atomic(true)

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        hasHeard.store(true, ordering: .relaxed)
        context.fireChannelRead(data)
    }

    func channelInactive(context: ChannelHandlerContext) {
        isOver.store(true, ordering: .releasing)
        context.fireChannelInactive()
    }

    func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        isOver.store(true, ordering: .releasing)
        context.close(mode: mode, promise: promise)
    }
}
