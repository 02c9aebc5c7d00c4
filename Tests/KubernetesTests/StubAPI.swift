// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization
import TestSupport

/// A small API server without a cluster, in this process: pods as JSON, a list, watches, and faults as the test decides. Each
/// pod has a loopback address of its own, at which it takes the secret that it is shown.
final class StubAPI: Sendable {
    struct Call: Sendable, Equatable {
        var method: String
        var path: String
        var query: String
        var isWatch: Bool { query.contains("watch=true") }
    }

    /// What is done with a request instead of what is right.
    enum Fault: Sendable {
        case answer(Int, String, headers: [(String, String)] = [])
        /// It is carried out, and its connection closed without an answer.
        case carryOutAndClose
        case never
        /// A watch begins with these lines, and ends.
        case lines([String])
    }

    struct State: Sendable {
        var pods: [String: Pod] = [:]
        var version = 100
        var calls: [Call] = []
        /// Bodies of POSTs that were carried out.
        var bodies: [String] = []
        var created: Int { bodies.count }
        /// Maximum number of pods at a time so far.
        var most = 0
        /// Decides on each request, with how many of its kind there were before.
        var fault: @Sendable (Call, Int) -> Fault? = { _, _ in nil }
        /// What a new pod's status is; "ADDRESS" in it becomes its address.
        var status = #"{"phase": "Running", "podIP": "ADDRESS"}"#
        /// Whether the caller may do this with pods.
        var review: @Sendable (String) -> Bool = { _ in true }
        var watchers: [ObjectIdentifier: any Channel] = [:]
        var secrets: [String: [UInt8]] = [:]
        var nextAddress = 0
        /// Of a list of nodes; nil if this server may not see them.
        var nodes: String?
        var nodeWatchers: [any Channel] = []
    }

    struct Pod: Sendable {
        var name: String
        var uid: String
        var metadata: String
        var annotations: [String: String]
        var status: String
        var version: Int
        var listener: (any Channel)?

        /// More of its metadata.
        var deletion = ""
        var node = "n1"

        var json: String {
            #"{"metadata": {\#(metadata), "uid": "\#(uid)", "resourceVersion": "\#(version)"\#(deletion)}, "#
                + #""spec": {"nodeName": "\#(node)"}, "status": \#(status)}"#
        }
    }

    let port: Int
    let state = Mutex(State())
    private let listener: any Channel

    static func start() async throws -> StubAPI {
        let box = Box()
        let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.pipeline.configureHTTPServerPipeline(withPipeliningAssistance: false).flatMapThrowing {
                    try channel.pipeline.syncOperations.addHandler(StubAPIConnection(box))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let api = StubAPI(listener)
        box.api.withLock { $0 = api }
        return api
    }

    private init(_ listener: any Channel) {
        self.listener = listener
        port = listener.localAddress?.port ?? 0
    }

    final class Box: Sendable { let api = Mutex<StubAPI?>(nil) }

    func stop() async {
        for pod in state.withLock({ Array($0.pods.values) }) { try? await pod.listener?.close() }
        try? await listener.close()
    }

    var now: State { state.withLock { $0 } }
    func count(_ method: String) -> Int { now.calls.count { $0.method == method } }
    func set(_ change: @Sendable (inout State) -> Void) { state.withLock { change(&$0) } }

    // MARK: Requests

    func answer(_ call: Call, _ body: [UInt8], on channel: any Channel) async {
        let fault = state.withLock { state in
            let before = state.calls.count { $0.method == call.method && $0.isWatch == call.isWatch }
            state.calls.append(call)
            return state.fault(call, before)
        }
        switch fault {
        case .never: return
        case .answer(let status, let text, let headers): return send(status, text, headers, on: channel)
        case .lines(let lines):
            head(200, [("transfer-encoding", "chunked")], on: channel)
            for line in lines { write(line + "\n", on: channel) }
            channel.writeAndFlush(HTTPServerResponsePart.end(nil), promise: nil)
        case .carryOutAndClose:
            _ = await carryOut(call, body)
            try? await channel.close()
        case nil where call.isWatch && call.path.hasSuffix("/nodes"):
            head(200, [("transfer-encoding", "chunked")], on: channel)
            channel.flush()
            state.withLock { $0.nodeWatchers.append(channel) }
        case nil where call.isWatch: watch(channel)
        case nil:
            let (status, text) = await carryOut(call, body)
            send(status, text, [], on: channel)
        }
    }

    private func carryOut(_ call: Call, _ body: [UInt8]) async -> (Int, String) {
        let name = String(call.path.split(separator: "/").last ?? "")
        switch call.method {
        case "POST" where name == "selfsubjectaccessreviews":
            let text = String(decoding: body, as: UTF8.self)
            let verb = text.firstMatch(of: /"verb":"([a-z]*)"/).map { String($0.1) } ?? ""
            let allowed = state.withLock { $0.review }(verb)
            return (201, text.dropLast() + #", "status": {"allowed": \#(allowed)}}"#)
        case "POST": return await create(body)
        case "GET" where name == "nodes":
            guard let nodes = now.nodes else { return Self.status(403, "Forbidden", "nodes is forbidden") }
            return (200, #"{"metadata": {"resourceVersion": "1"}, "items": [\#(nodes)]}"#)
        case "GET" where name == "pods":
            return state.withLock { state in
                let items = state.pods.values.map(\.json).joined(separator: ", ")
                return (200, #"{"metadata": {"resourceVersion": "\#(state.version)"}, "items": [\#(items)]}"#)
            }
        case "GET":
            guard let pod = now.pods[name] else { return Self.status(404, "NotFound") }
            return (200, pod.json)
        case "DELETE":
            guard let pod = now.pods[name] else { return Self.status(404, "NotFound") }
            guard String(decoding: body, as: UTF8.self).contains(pod.uid) else { return Self.status(409, "Conflict") }
            await remove(name)
            return (200, "{}")
        default: return Self.status(405, "MethodNotAllowed")
        }
    }

    static func status(_ code: Int, _ reason: String, _ message: String = "said so") -> (Int, String) {
        (code, #"{"kind": "Status", "code": \#(code), "reason": "\#(reason)", "message": "\#(message)"}"#)
    }

    private func create(_ body: [UInt8]) async -> (Int, String) {
        struct Order: Decodable {
            struct Metadata: Decodable {
                var name: String
                var labels: [String: String]
                var annotations: [String: String]
            }
            var metadata: Metadata
        }
        guard let order = try? JSONDecoder().decode(Order.self, from: Data(body)) else {
            return Self.status(422, "Invalid")
        }
        let number = state.withLock { state -> Int? in
            guard state.pods[order.metadata.name] == nil else { return nil }
            state.nextAddress += 1
            return state.nextAddress
        }
        guard let number else { return Self.status(409, "AlreadyExists") }
        // Of each test process its own.
        let address = "127.\(64 + Int(getpid()) % 100).\(Int(getpid()) / 100 % 200 + 1).\(number % 250 + 1)"
        let listener = try? await listen(address, order.metadata.name)
        func text(_ map: [String: String]) -> String {
            (try? String(decoding: JSONEncoder().encode(map), as: UTF8.self)) ?? "{}"
        }
        let metadata =
            #""name": "\#(order.metadata.name)", "labels": \#(text(order.metadata.labels)), "annotations": \#(text(order.metadata.annotations))"#
        let (pod, watchers) = state.withLock { state in
            state.version += 1
            state.bodies.append(String(decoding: body, as: UTF8.self))
            let pod = Pod(
                name: order.metadata.name, uid: "uid-\(state.version)", metadata: metadata,
                annotations: order.metadata.annotations,
                status: state.status.replacingOccurrences(of: "ADDRESS", with: address), version: state.version,
                listener: listener)
            state.pods[pod.name] = pod
            state.most = max(state.most, state.pods.count)
            return (pod, Array(state.watchers.values))
        }
        for watcher in watchers { write(Self.event("ADDED", pod), on: watcher, flushes: true) }
        return (201, pod.json)
    }

    private func listen(_ address: String, _ name: String) async throws -> any Channel {
        try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(
                        SecretTaker { bytes in self.state.withLock { $0.secrets[name, default: []] += bytes } })
                }
            }
            .bind(host: address, port: 7412).get()
    }

    /// Removes a pod, as the API does when somebody has asked for it.
    func remove(_ name: String) async {
        let (pod, watchers) = state.withLock { state in
            state.version += 1
            var pod = state.pods.removeValue(forKey: name)
            pod?.version = state.version
            return (pod, Array(state.watchers.values))
        }
        guard let pod else { return }
        try? await pod.listener?.close()
        for watcher in watchers { write(Self.event("DELETED", pod), on: watcher, flushes: true) }
    }

    /// Changes a pod, and tells who watches.
    func change(_ name: String, _ change: @Sendable (inout Pod) -> Void) {
        let (pod, watchers) = state.withLock { state in
            state.version += 1
            state.pods[name]?.version = state.version
            if var pod = state.pods[name] {
                change(&pod)
                state.pods[name] = pod
            }
            return (state.pods[name], Array(state.watchers.values))
        }
        guard let pod else { return }
        for watcher in watchers { write(Self.event("MODIFIED", pod), on: watcher, flushes: true) }
    }

    func changeNode(_ json: String) {
        for watcher in now.nodeWatchers {
            write(#"{"type": "MODIFIED", "object": \#(json)}"# + "\n", on: watcher, flushes: true)
        }
    }

    // MARK: Answers

    private static func event(_ kind: String, _ pod: Pod) -> String {
        #"{"type": "\#(kind)", "object": \#(pod.json)}"# + "\n"
    }

    private func watch(_ channel: any Channel) {
        head(200, [("transfer-encoding", "chunked")], on: channel)
        channel.flush()
        let pods = state.withLock { state in
            state.watchers[ObjectIdentifier(channel)] = channel
            return Array(state.pods.values)
        }
        channel.closeFuture.whenComplete { _ in
            self.state.withLock { $0.watchers[ObjectIdentifier(channel)] = nil }
        }
        for pod in pods { write(Self.event("ADDED", pod), on: channel, flushes: true) }
    }

    private func send(_ status: Int, _ text: String, _ headers: [(String, String)], on channel: any Channel) {
        head(status, headers + [("content-length", "\(text.utf8.count)")], on: channel)
        write(text, on: channel)
        channel.writeAndFlush(HTTPServerResponsePart.end(nil), promise: nil)
    }

    private func head(_ status: Int, _ headers: [(String, String)], on channel: any Channel) {
        let head = HTTPResponseHead(
            version: .http1_1, status: HTTPResponseStatus(statusCode: status), headers: HTTPHeaders(headers))
        channel.write(HTTPServerResponsePart.head(head), promise: nil)
    }

    private func write(_ text: String, on channel: any Channel, flushes: Bool = false) {
        channel.write(HTTPServerResponsePart.body(.byteBuffer(ByteBuffer(string: text))), promise: nil)
        if flushes { channel.flush() }
    }
}

/// What is sent to a pod's address.
private final class SecretTaker: ChannelInboundHandler, Sendable {
    typealias InboundIn = ByteBuffer
    private let take: @Sendable ([UInt8]) -> Void

    init(_ take: @escaping @Sendable ([UInt8]) -> Void) { self.take = take }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        take(Array(unwrapInboundIn(data).readableBytesView))
    }
}

private final class StubAPIConnection: ChannelInboundHandler, @unchecked Sendable {
    typealias InboundIn = HTTPServerRequestPart

    private let box: StubAPI.Box
    private var head: HTTPRequestHead?
    private var body: [UInt8] = []

    init(_ box: StubAPI.Box) { self.box = box }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head): (self.head, body) = (head, [])
        case .body(let buffer): body += buffer.readableBytesView
        case .end:
            guard let head, let api = box.api.withLock({ $0 }) else { return context.close(promise: nil) }
            let parts = head.uri.split(separator: "?", maxSplits: 1).map(String.init)
            let call = StubAPI.Call(
                method: head.method.rawValue, path: parts[0], query: parts.count > 1 ? parts[1] : "")
            let (channel, body) = (context.channel, body)
            Task { await api.answer(call, body, on: channel) }
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
