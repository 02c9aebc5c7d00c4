// SPDX-License-Identifier: Apache-2.0

internal import BerthRPC
internal import BerthSchema
internal import NIOCore
internal import Synchronization

/// One connection, and whether it still works.
final class Line: Sendable {
    let rpc: ClientConnection
    private let watch: LineWatch
    /// Whether the server was asked if it is alive. On the loop.
    private let hasAsked: NIOLoopBoundBox<Bool>

    private init(_ rpc: ClientConnection, _ watch: LineWatch) {
        self.rpc = rpc
        self.watch = watch
        hasAsked = NIOLoopBoundBox.makeBoxSendingValue(false, eventLoop: rpc.eventLoop)
    }

    /// Whether the connection is lost. This is true before any call on it has failed, so that the next call does not use it.
    var isOver: Bool { watch.isOver.load(ordering: .acquiring) }

    /// The error of each call after the connection was lost, if none is opened again.
    var loss: BerthError {
        let words = watch.failure.withLock { $0 }
        return BerthError(.unavailable, words.map { "the connection failed: \($0)" } ?? "the connection has ended")
    }

    static func open(
        to address: ServerAddress, on eventLoop: any EventLoop, timeout: Duration,
        _ configuration: BerthClient.Configuration
    ) async throws(RPCError) -> Line {
        let keepalive = configuration.keepalive
        let credentials = configuration.credentials ?? .fromEnvironment()
        let authorization = try credentials.authorization(for: address)
        let limit = TimeAmount.milliseconds(Int64(timeout.milliseconds))
        let watch = LineWatch()
        let rpc =
            switch address {
            case .tcp(let host, let port):
                try await ClientConnection.connect(
                    host: host, port: port, group: eventLoop, timeout: limit, watch: watch)
            case .tls(let host, let port):
                try await ClientConnection.connect(
                    host: host, port: port, tls: try credentials.tls(), group: eventLoop, timeout: limit, watch: watch)
            case .unix(let path):
                try await ClientConnection.connect(unixSocket: path, group: eventLoop, timeout: limit, watch: watch)
            }
        let line = Line(rpc, watch)
        if let authorization {
            // Before any call: all that follow on this connection are then made by the token's tenant. A wrong token makes
            // them fail, so nobody waits for this answer.
            rpc.unary(
                PoolService.hello, HelloRequest(client: BerthClient.name),
                metadata: [KeyValue(key: "authorization", value: authorization)]
            ) { _ in }
        } else if configuration.reconnects {
            // Who calls, for the server's log.
            rpc.unary(PoolService.hello, HelloRequest(client: BerthClient.name)) { _ in }
        }
        line.looks(every: .milliseconds(Int64(max(1, keepalive.milliseconds / 2))), keepalive)
        return line
    }

    private func looks(every half: TimeAmount, _ keepalive: Duration) {
        let task = rpc.eventLoop.scheduleRepeatedTask(initialDelay: half, delay: half) { [weak self] _ in
            self?.look(keepalive)
        }
        rpc.onClose.whenComplete { _ in task.cancel() }
    }

    /// Asks a server that has sent nothing for half of the keepalive time whether it is alive, and gives the connection up if
    /// nothing arrives after that.
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

/// The first handler of the connection's channel, and so the first to notice that the connection is lost.
private final class LineWatch: ChannelDuplexHandler, Sendable {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer

    let isOver = Atomic(false)
    /// Whether anything has arrived since the last look.
    let hasHeard = Atomic(true)
    /// Why reading or writing failed, if it did. It is set before `isOver`.
    let failure = Mutex<String?>(nil)

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        failure.withLock { $0 = $0 ?? systemWords(error) }
        context.fireErrorCaught(error)
    }

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
