// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import NIOHTTP1

/// Answers the requests of one connection. Confined to its event loop.
final class MonitoringHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    /// For a whole request, from the connection's begin and from the answer before.
    private static let firstRequestTime = TimeAmount.seconds(10)
    private static let nextRequestTime = TimeAmount.seconds(60)

    private let names: HostNames
    private let figures: MonitoringServer.Figures
    private var head: HTTPRequestHead?
    private var hasBody = false
    private var timer: Scheduled<Void>?

    init(names: HostNames, figures: @escaping MonitoringServer.Figures) {
        self.names = names
        self.figures = figures
    }

    func channelActive(context: ChannelHandlerContext) {
        expectRequest(within: Self.firstRequestTime, context)
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        timer?.cancel()
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            self.head = head
            hasBody = false
        case .body: hasBody = true
        case .end:
            guard let head else { return }
            self.head = nil
            send(answer(to: head), to: head, context)
        }
    }

    private func expectRequest(within time: TimeAmount, _ context: ChannelHandlerContext) {
        timer?.cancel()
        let channel = context.channel
        timer = context.eventLoop.scheduleTask(in: time) { channel.close(promise: nil) }
    }

    private func answer(to head: HTTPRequestHead) -> Answer {
        let hosts = head.headers["host"]
        guard hosts.count == 1, names.contain(hosts[0]) else {
            return Answer(
                .misdirectedRequest, "this address answers for its own host only: use 127.0.0.1 or localhost\n")
        }
        guard head.method == .GET || head.method == .HEAD else {
            return Answer(.methodNotAllowed, "only GET and HEAD are known here\n", allow: "GET, HEAD")
        }
        guard !hasBody else { return Answer(.badRequest, "a request has no body here\n") }
        switch head.uri.prefix(while: { $0 != "?" }) {
        case "/metrics": return Answer(.ok, figures().metrics, type: "text/plain; version=0.0.4; charset=utf-8")
        case "/livez": return Answer(.ok, "alive\n")
        case "/readyz":
            let now = figures()
            return Answer(now.isReady ? .ok : .serviceUnavailable, now.verdict)
        default: return Answer(.notFound, "known paths: /metrics, /livez, /readyz\n")
        }
    }

    private func send(_ answer: Answer, to request: HTTPRequestHead, _ context: ChannelHandlerContext) {
        let body = context.channel.allocator.buffer(string: answer.text)
        // A body was not wanted, so what follows on this connection is not trusted.
        let isKept = request.isKeepAlive && !hasBody
        var headers = HTTPHeaders([
            ("Content-Type", answer.type), ("Content-Length", "\(body.readableBytes)"), ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"), ("Content-Security-Policy", "default-src 'none'"),
            ("Connection", isKept ? "keep-alive" : "close"),
        ])
        if let allow = answer.allow { headers.add(name: "Allow", value: allow) }
        let head = HTTPResponseHead(version: request.version, status: answer.status, headers: headers)
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        if request.method != .HEAD { context.write(wrapOutboundOut(.body(.byteBuffer(body))), promise: nil) }
        expectRequest(within: Self.nextRequestTime, context)
        let end = context.eventLoop.makePromise(of: Void.self)
        if !isKept {
            let channel = context.channel
            end.futureResult.whenComplete { _ in channel.close(promise: nil) }
        }
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: end)
    }
}

private struct Answer {
    var status: HTTPResponseStatus
    var text: String
    var type: String
    var allow: String?

    init(
        _ status: HTTPResponseStatus, _ text: String, type: String = "text/plain; charset=utf-8", allow: String? = nil
    ) {
        self.status = status
        self.text = text
        self.type = type
        self.allow = allow
    }
}
