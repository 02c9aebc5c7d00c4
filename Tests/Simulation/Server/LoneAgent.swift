// SPDX-License-Identifier: Apache-2.0

package import AgentSchema
internal import BerthRPC
internal import BerthSchema
internal import DequeModule
internal import NIOCore
internal import Pool

/// A model of the agent in a world of its own, for who has the other end of its stream. Calls let time pass until there is an answer.
package final class LoneAgent {
    package enum Event {
        case message(Agent.ExecuteEvent)
        case end(status: Int32, message: String)
    }

    package struct Silent: Error {}

    private let world: World
    private let agent: ModelAgent
    private let wire: Wire
    private let connection: ClientConnection
    private var streams: [Stream] = []
    /// More than any time-out or grace of what it is asked for.
    private static let patience = TimeAmount.seconds(300)

    /// What has arrived. Confined to the world's thread.
    private final class Stream: @unchecked Sendable {
        var events = Deque<Event>()
    }

    /// The answer to a call. Confined to the world's thread.
    private final class Answer: @unchecked Sendable {
        var status: (code: Int32, message: String)?
    }

    package init(seed: UInt64, canary: ServerCanary? = nil, scripts: [UInt32: Script]) throws {
        world = World(seed: seed)
        world.canary = canary
        world.script = { scripts[$0] ?? Script() }
        wire = try Wire(world, number: 1, capacity: 200 << 10, peer: "10.1.0.1")
        agent = ModelAgent(MemberID("m-1"), world)
        agent.troubles = (0, 0)
        agent.maxBackground = 32
        agent.hasUnsent = { [wire] in wire.far.isWriting }
        guard let near = wire.near.channel, let far = wire.far.channel else { throw Silent() }
        try RPCServer(group: world.loop, service: agent).serve(far)
        wire.far.begin()
        var adopted: ClientConnection?
        ClientConnection.adopt(near).assumeIsolated().whenSuccess { adopted = $0 }
        world.pass(.milliseconds(1))
        guard let adopted else { throw Silent() }
        connection = adopted
        wire.near.begin()
    }

    deinit {
        wire.cut()
        world.pass(.seconds(60))
        wire.dispose()
    }

    /// The rule that the model says its caller has broken.
    package var violation: ServerViolation? { world.violation }

    /// - Returns: what names it in `next`.
    package func execute(_ request: Agent.ExecuteRequest) -> Int {
        let stream = Stream()
        streams.append(stream)
        connection.stream(AgentService.execute, request) { event in
            switch event {
            case .message(let bytes):
                guard
                    let event = try? bytes.withUnsafeReadableBytes({
                        try Agent.ExecuteEvent(decoding: $0, arena: Arena())
                    })
                else { preconditionFailure("the model has sent what is no event") }
                stream.events.append(.message(event))
            case .end(let error):
                stream.events.append(.end(status: error?.code.rawValue ?? 0, message: error?.message ?? ""))
            }
        }
        return streams.count - 1
    }

    /// The next event of an execution.
    package func next(_ number: Int) throws -> Event {
        try wait { streams[number].events.popFirst() }
    }

    package func acknowledge(_ request: Agent.AcknowledgeRequest) throws -> (code: Int32, message: String) {
        try call(AgentService.acknowledge, request)
    }

    package func signal(_ request: Agent.SignalRequest) throws -> (code: Int32, message: String) {
        try call(AgentService.signal, request)
    }

    package func reset(_ request: Agent.ResetRequest) throws -> (code: Int32, message: String) {
        try call(AgentService.reset, request)
    }

    private func call<Request, Response>(
        _ method: UnaryMethod<Request, Response>, _ request: Request
    ) throws -> (code: Int32, message: String) {
        let answer = Answer()
        connection.unary(method, request) { result in
            switch result {
            case .success: answer.status = (0, "")
            case .failure(let error): answer.status = (error.code.rawValue, error.message)
            }
        }
        return try wait { answer.status }
    }

    private func wait<Result>(_ get: () -> Result?) throws -> Result {
        let end = world.now + LoneAgent.patience
        while true {
            if let result = get() { return result }
            guard world.now < end else { throw Silent() }
            world.pass(.milliseconds(1))
        }
    }
}
