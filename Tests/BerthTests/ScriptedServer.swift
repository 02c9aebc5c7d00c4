// SPDX-License-Identifier: Apache-2.0

import Berth
import BerthRPC
import BerthSchema
import NIOCore
import NIOPosix
import Synchronization
import TestSupport

/// A server on a real socket that does what the test says, and records its requests.
final class ScriptedServer: RPCService {
    /// A request of a client.
    enum Asked: Sendable, Equatable {
        case execute(ExecuteRequest)
        case attach(AttachRequest)
        case acknowledge(AcknowledgeRequest)
        case detach(DetachRequest)
        case signal(SignalRequest)
        case input(InputRequest)
        case resize(ResizeTerminalRequest)
        case list(ListExecutionsRequest)
        case acquire(AcquireRequest)
        case release(ReleaseRequest)
        case openContext(OpenContextRequest)
        case forkContext(ForkContextRequest)
        case closeContext(CloseContextRequest)
    }

    /// An open stream.
    struct Stream: Sendable {
        let call: NIOLoopBound<ServerCall>
        let loop: any EventLoop

        func send(_ events: [ExecuteEvent]) {
            loop.execute { for event in events { call.value.send(event) } }
        }

        func send(_ event: ExecuteEvent) { send([event]) }

        /// Waits until all of that is on its way: what the server is asked from now on is answered after it.
        func isSent() async throws { try await loop.submit {}.get() }

        func end() { loop.execute { call.value.finish() } }

        func fail(_ error: RPCError) { loop.execute { call.value.fail(error) } }

        func cutConnection() { loop.execute { call.value.connection.close() } }
    }

    private struct State {
        var asked: [Asked] = []
        var streams: [Stream] = []
        var inputs: [Stream] = []
        var openings: [Stream] = []
        var taken: UInt64 = 0
        var port = 0
        var hellos = 0
    }

    private let state = Mutex(State())
    /// Whether each `Input` is answered at once; otherwise `answerInput` does it.
    private let answersInput: Bool
    private let onAcknowledge: @Sendable (AcknowledgeRequest) -> Void

    init(answersInput: Bool = true, onAcknowledge: @escaping @Sendable (AcknowledgeRequest) -> Void = { _ in }) {
        self.answersInput = answersInput
        self.onAcknowledge = onAcknowledge
    }

    var hellos: Int { state.withLock { $0.hellos } }

    var asked: [Asked] { state.withLock { $0.asked } }

    /// Waits for the `index`th stream.
    func stream(_ index: Int = 0) async throws -> Stream {
        try await eventually("stream \(index)") { self.state.withLock { $0.streams.count > index } }
        return state.withLock { $0.streams[index] }
    }

    func eventuallyAsked(_ what: String, _ condition: (Asked) -> Bool) async throws {
        try await eventually(what) { self.asked.contains(where: condition) }
    }

    /// Counts bytes of input that came in another way.
    func take(_ count: Int) { state.withLock { $0.taken += UInt64(count) } }

    /// Answers the oldest request for a context, whether it is to be opened or copied: both answers have the same fields.
    func grantContext(_ id: String) async throws {
        try await eventually("a request for a context") { self.state.withLock { !$0.openings.isEmpty } }
        let stream = state.withLock { $0.openings.removeFirst() }
        stream.loop.execute { stream.call.value.respond(OpenContextResponse(context: id)) }
    }

    /// Answers the oldest waiting `Input`.
    func answerInput() {
        let (stream, offset) = state.withLock { ($0.inputs.removeFirst(), $0.taken) }
        stream.loop.execute { stream.call.value.respond(InputResponse(offset: offset)) }
    }

    func serve(_ call: ServerCall, in session: Void) {
        do throws(RPCError) {
            let asked: Asked
            switch PoolService.Method(rawValue: call.method) {
            case .execute: asked = .execute(try call.decode(ExecuteRequest.self))
            case .attach: asked = .attach(try call.decode(AttachRequest.self))
            case .acknowledge: asked = .acknowledge(try call.decode(AcknowledgeRequest.self))
            case .detach: asked = .detach(try call.decode(DetachRequest.self))
            case .signal: asked = .signal(try call.decode(SignalRequest.self))
            case .input: asked = .input(try call.decode(InputRequest.self))
            case .resize: asked = .resize(try call.decode(ResizeTerminalRequest.self))
            case .listExecutions: asked = .list(try call.decode(ListExecutionsRequest.self))
            case .acquire: asked = .acquire(try call.decode(AcquireRequest.self))
            case .release: asked = .release(try call.decode(ReleaseRequest.self))
            case .openContext: asked = .openContext(try call.decode(OpenContextRequest.self))
            case .forkContext: asked = .forkContext(try call.decode(ForkContextRequest.self))
            case .closeContext: asked = .closeContext(try call.decode(CloseContextRequest.self))
            case .hello:
                state.withLock { $0.hellos += 1 }
                return call.respond(HelloResponse(server: "scripted"))
            default: throw .unimplemented(service: call.service, method: call.method)
            }
            let loop = call.connection.eventLoop
            let stream = Stream(call: NIOLoopBound(call, eventLoop: loop), loop: loop)
            state.withLock { state in
                state.asked.append(asked)
                if call.isServerStreaming { state.streams.append(stream) }
            }
            switch asked {
            case .execute, .attach: break
            case .input(let request): take(request, stream)
            case .acknowledge(let request):
                onAcknowledge(request)
                call.respond(Empty())
            case .detach:
                call.respond(Empty())
                state.withLock { $0.streams.last }?.fail(RPCError(.cancelled, "detached"))
            case .list: call.respond(ListExecutionsResponse(executions: [ExecutionInfo(execution: "x1")]))
            case .acquire: call.respond(AcquireResponse(lease: "secret", member: "m"))
            case .openContext, .forkContext: state.withLock { $0.openings.append(stream) }
            case .signal, .resize, .release, .closeContext: call.respond(Empty())
            }
        } catch {
            call.fail(error)
        }
    }

    /// Takes input as a server does: bytes that were taken before are skipped, and a gap is refused.
    private func take(_ request: InputRequest, _ stream: Stream) {
        let taken = state.withLock { state -> UInt64? in
            guard request.offset <= state.taken else { return nil }
            state.taken = max(state.taken, request.offset + UInt64(request.data.count))
            if !answersInput { state.inputs.append(stream) }
            return state.taken
        }
        guard let taken else {
            return stream.fail(RPCError(.failedPrecondition, "bytes in between are missing"))
        }
        if answersInput { stream.call.value.respond(InputResponse(offset: taken)) }
    }

    var address: ServerAddress { .tcp(host: "127.0.0.1", port: state.withLock { $0.port }) }

    func connect() async throws -> BerthClient { try await BerthClient.connect(to: address) }

    /// Runs `body` with a server.
    static func with(
        _ server: ScriptedServer = ScriptedServer(), _ body: (ScriptedServer, BerthClient) async throws -> Void
    ) async throws {
        let rpc = RPCServer(group: MultiThreadedEventLoopGroup.singleton, service: server)
        let address = try await rpc.listen(host: "127.0.0.1", port: 0)
        server.state.withLock { $0.port = address.port ?? 0 }
        let client = try await server.connect()
        var failure: (any Error)?
        do {
            try await body(server, client)
        } catch {
            failure = error
        }
        client.close()
        await rpc.close()
        if let failure { throw failure }
    }
}

extension ExecuteEvent {
    static let start = ExecuteEvent.started(Started(execution: "x1", member: "m", watcher: 7))
    static let end = ExecuteEvent.ended(Ended(cause: .exited))

    static func out(_ offset: Int, _ data: [UInt8], _ stream: OutputStream = .stdout) -> ExecuteEvent {
        .output(Output(stream: stream, offset: UInt64(offset), data: data))
    }
}
