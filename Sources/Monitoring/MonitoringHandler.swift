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
    /// For a client to take an answer.
    private static let answerTime = TimeAmount.seconds(30)

    private let names: HostNames
    private let sources: MonitoringServer.Sources
    private let sampler: Sampler
    private var head: HTTPRequestHead?
    /// Of `/events`, once it was asked for: no other answer follows on this connection.
    private var listener: EventListener?
    private var hasBody = false
    private var timer: Scheduled<Void>?

    init(names: HostNames, sources: MonitoringServer.Sources, sampler: Sampler) {
        self.names = names
        self.sources = sources
        self.sampler = sampler
    }

    func channelActive(context: ChannelHandlerContext) {
        closeUnlessDone(within: Self.firstRequestTime, context.channel)
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        timer?.cancel()
        if let listener { sampler.remove(listener) }
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
            guard listener == nil else { return }
            if let refusal = refusal(of: head) { return send(refusal, to: head, context) }
            guard head.path == "/events", head.method == .GET else { return send(answer(to: head), to: head, context) }
            listen(head, context)
        }
    }

    private func closeUnlessDone(within time: TimeAmount, _ channel: any Channel) {
        timer?.cancel()
        timer = channel.eventLoop.scheduleTask(in: time) { channel.close(promise: nil) }
    }

    private func refusal(of head: HTTPRequestHead) -> Answer? {
        let hosts = head.headers["host"]
        guard hosts.count == 1, names.contain(hosts[0]) else {
            return Answer(
                .misdirectedRequest, "this address answers for its own host only: use 127.0.0.1 or localhost\n")
        }
        guard head.method == .GET || head.method == .HEAD else {
            return Answer(.methodNotAllowed, "only GET and HEAD are known here\n", headers: [("Allow", "GET, HEAD")])
        }
        guard !hasBody else { return Answer(.badRequest, "a request has no body here\n") }
        // A page from elsewhere could not read the answer, but it could take the places of those who may.
        let site = head.headers.first(name: "sec-fetch-site") ?? "none"
        guard !["/events", "/history"].contains(head.path) || ["none", "same-origin"].contains(site) else {
            return Answer(.forbidden, "pages of other sites get no answer here\n")
        }
        return nil
    }

    private func answer(to head: HTTPRequestHead) -> Answer {
        switch head.path {
        case "/":
            let page = DashboardPage()
            return Answer(
                .ok, page.text, type: "text/html; charset=utf-8",
                headers: [
                    ("Content-Security-Policy", page.policy), ("Referrer-Policy", "no-referrer"),
                    ("Cross-Origin-Opener-Policy", "same-origin"), ("X-Frame-Options", "DENY"),
                ])
        case "/events": return Answer(.ok, "", type: "text/event-stream")
        case "/history": return Answer(.ok, sampler.history, type: "application/json")
        case "/metrics":
            return Answer(.ok, sources.figures().metrics(), type: "text/plain; version=0.0.4; charset=utf-8")
        case "/livez": return Answer(.ok, "alive\n")
        case "/readyz":
            let now = sources.figures()
            return Answer(now.isReady ? .ok : .serviceUnavailable, now.verdict)
        default:
            return Answer(.notFound, "known paths: / (the dashboard), /events, /history, /metrics, /livez, /readyz\n")
        }
    }

    /// Begins an answer that has an event each second, and no end.
    private func listen(_ request: HTTPRequestHead, _ context: ChannelHandlerContext) {
        let listener = EventListener(context.channel)
        // Its events are sent in later turns of this event loop, after the head.
        guard sampler.add(listener) else {
            let answer = Answer(
                .serviceUnavailable, "\(Sampler.maxListeners) pages are open already: close one\n",
                headers: [("Retry-After", "5")])
            return send(answer, to: request, context)
        }
        self.listener = listener
        timer?.cancel()
        let headers = HTTPHeaders([
            ("Content-Type", "text/event-stream"), ("Cache-Control", "no-store"), ("X-Accel-Buffering", "no"),
            ("X-Content-Type-Options", "nosniff"), ("Content-Security-Policy", Answer.strictest),
        ])
        let head = HTTPResponseHead(version: request.version, status: .ok, headers: headers)
        context.writeAndFlush(wrapOutboundOut(.head(head)), promise: nil)
    }

    private func send(_ answer: Answer, to request: HTTPRequestHead, _ context: ChannelHandlerContext) {
        let body = context.channel.allocator.buffer(string: answer.text)
        // A body was not wanted, so what follows on this connection is not trusted.
        let isKept = request.isKeepAlive && !hasBody
        var headers = HTTPHeaders([
            ("Content-Type", answer.type), ("Content-Length", "\(body.readableBytes)"), ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"), ("Content-Security-Policy", Answer.strictest),
            ("Connection", isKept ? "keep-alive" : "close"),
        ])
        for (name, value) in answer.headers { headers.replaceOrAdd(name: name, value: value) }
        let head = HTTPResponseHead(version: request.version, status: answer.status, headers: headers)
        closeUnlessDone(within: Self.answerTime, context.channel)
        let taken = context.eventLoop.makePromise(of: Void.self)
        taken.futureResult.assumeIsolated().whenSuccess { [channel = context.channel] in
            self.finish(isKept: isKept, channel)
        }
        guard request.method != .HEAD else {
            return context.writeAndFlush(wrapOutboundOut(.head(head)), promise: taken)
        }
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        context.writeAndFlush(wrapOutboundOut(.body(.byteBuffer(body))), promise: taken)
    }

    /// Ends an answer that the kernel has taken; only then is the next request of this connection read. So a client that
    /// asks and asks without reading has one answer waiting; and in a turn of its own, so others are answered in between.
    private func finish(isKept: Bool, _ channel: any Channel) {
        channel.eventLoop.assumeIsolated().execute {
            guard channel.isActive else { return }
            guard isKept else { return channel.close(promise: nil) }
            self.closeUnlessDone(within: Self.nextRequestTime, channel)
            channel.writeAndFlush(HTTPServerResponsePart.end(nil), promise: nil)
        }
    }
}

extension HTTPRequestHead {
    fileprivate var path: Substring { uri.prefix { $0 != "?" } }
}

private struct Answer {
    /// Of what is no page.
    static let strictest = "default-src 'none'"

    var status: HTTPResponseStatus
    var text: String
    var type: String
    var headers: [(name: String, value: String)]

    init(
        _ status: HTTPResponseStatus, _ text: String, type: String = "text/plain; charset=utf-8",
        headers: [(name: String, value: String)] = []
    ) {
        self.status = status
        self.text = text
        self.type = type
        self.headers = headers
    }
}
