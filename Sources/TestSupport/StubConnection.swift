// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import NIOHTTP1
internal import Synchronization

/// A connection to the stub engine.
final class StubConnection: ChannelInboundHandler, @unchecked Sendable {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let engine: StubEngine.Weak
    private var head: HTTPRequestHead?
    private var body: [UInt8] = []

    init(_ engine: StubEngine.Weak) { self.engine = engine }

    func channelActive(context: ChannelHandlerContext) {
        engine.engine.withLock { $0 }?.state.withLock { $0.connections += 1 }
    }

    func channelInactive(context: ChannelHandlerContext) {
        engine.engine.withLock { $0 }?.state.withLock { $0.connections -= 1 }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head): (self.head, body) = (head, [])
        case .body(let buffer): body += buffer.readableBytesView
        case .end:
            guard let head, let engine = engine.engine.withLock({ $0 }) else { return context.close(promise: nil) }
            let request = Self.parse(head, body)
            let channel = context.channel
            // Answers on different connections may come in any order. On one connection, a client waits for its answer.
            Task {
                let answer = await engine.answer(request)
                Self.send(answer, to: channel, engine)
            }
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    private static func send(_ answer: StubEngine.Answer, to channel: any Channel, _ engine: StubEngine) {
        switch answer {
        case .never: return
        case .whole(let status, let text):
            sendHead(status, length: text.utf8.count, to: channel)
            sendBody(text, to: channel)
        case .whenEnded(let name):
            sendHead(200, length: nil, to: channel)
            channel.flush()
            let finish: @Sendable (Int) -> Void = { sendBody(#"{"StatusCode":\#($0)}"#, to: channel) }
            let isGone = engine.state.withLock { state in
                guard state.containers[name] != nil else { return true }
                state.waits[name, default: []].append(finish)
                return false
            }
            if isGone { finish(0) }
        }
    }

    /// It is not flushed: a client that has a whole answer may send its next request, so nothing is sent before the end
    /// of the answer is written.
    private static func sendHead(_ status: Int, length: Int?, to channel: any Channel) {
        var head = HTTPResponseHead(version: .http1_1, status: HTTPResponseStatus(statusCode: status))
        if let length, status != 204 { head.headers.add(name: "content-length", value: "\(length)") }
        if length == nil { head.headers.add(name: "transfer-encoding", value: "chunked") }
        channel.write(HTTPServerResponsePart.head(head), promise: nil)
    }

    private static func sendBody(_ text: String, to channel: any Channel) {
        if !text.isEmpty {
            channel.write(HTTPServerResponsePart.body(.byteBuffer(ByteBuffer(string: text))), promise: nil)
        }
        channel.writeAndFlush(HTTPServerResponsePart.end(nil), promise: nil)
    }

    private static func parse(_ head: HTTPRequestHead, _ body: [UInt8]) -> StubEngine.Request {
        let parts = head.uri.split(separator: "?", maxSplits: 1)
        var path = (parts.first ?? "").split(separator: "/").map { decoded($0) }
        if let first = path.first, first.hasPrefix("v1.") { path.removeFirst() }
        var query: [String: String] = [:]
        for pair in parts.dropFirst().first?.split(separator: "&") ?? [] {
            let sides = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            query[decoded(sides[0])] = sides.count > 1 ? decoded(sides[1]) : ""
        }
        return StubEngine.Request(method: head.method.rawValue, path: path, query: query, body: body)
    }

    private static func decoded(_ text: Substring) -> String {
        var bytes: [UInt8] = []
        var rest = text.utf8[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%"), let code = UInt8(String(rest.prefix(2)) ?? "", radix: 16) {
                bytes.append(code)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
