// SPDX-License-Identifier: Apache-2.0

internal import AgentSchema
package import BerthRPC
internal import BerthSchema
package import NIOCore
package import Pool
internal import Synchronization

/// The connection to a member's agent, as it goes over to the program that takes this one's place.
package struct CarriedAgent: Codable, Sendable, Equatable {
    package var member: String
    package var link: CarriedLink
    package var environment: [CarriedBytes]
    package var user: UInt32?
    package var userNames: [UInt32: String]
    package var nextExecution: UInt64
    package var knownKills: UInt64
}

/// A program in a member, in the same way.
package struct CarriedAgentExecution: Codable, Sendable, Equatable {
    package var number: UInt64
    package var streamID: UInt32
    package var isStarted: Bool
    /// Its end, if it has come and its stream's has not.
    package var ended: CarriedBytes?
    package var window: UInt64
    package var maxOutput: UInt64
    package var endCauses: [UInt32]
    package var mayBeWarm: Bool
    package var unacknowledged: UInt64
    package var passedOn: UInt64
    package var offsets: [UInt64]
    package var isWarm: Bool
    package var givenInput: UInt64
    var watchdog: Watchdog.Carried
}

extension CarriedAgentExecution {
    init?(_ state: borrowing ExecutionState, number: UInt64, streamID: UInt32) throws(CarryError) {
        guard !state.limits.isPiece, !state.limits.isContext, !state.limits.isConnection else {
            throw CarryError("an execution that is no program")
        }
        var ended: CarriedBytes?
        var isStarted = true
        switch state.phase {
        case .starting: isStarted = false
        case .running: break
        case .over(let end): ended = CarriedBytes(encoding: Agent.ExecuteEvent.ended(end))
        case .givenUp, .closed: return nil
        }
        self.init(
            number: number, streamID: streamID, isStarted: isStarted, ended: ended, window: state.window,
            maxOutput: state.limits.maxOutput, endCauses: state.limits.endCauses.map(\.rawValue).sorted(),
            mayBeWarm: state.limits.mayBeWarm, unacknowledged: state.unacknowledged, passedOn: state.passedOn,
            offsets: state.offsets, isWarm: state.isWarm, givenInput: state.givenInput,
            watchdog: state.watchdog.carried)
    }
}

extension ExecutionState {
    init(_ carried: CarriedAgentExecution, loop: (any EventLoop)?) {
        let causes = Set(carried.endCauses.compactMap { EndCause(rawValue: $0) })
        self.init(
            window: carried.window,
            limits: Limits(maxOutput: carried.maxOutput, endCauses: causes, mayBeWarm: carried.mayBeWarm),
            watchdog: Watchdog(carried.watchdog, loop))
        phase = carried.isStarted ? .running : .starting
        if let bytes = carried.ended, case .ended(let end) = try? bytes.decode(Agent.ExecuteEvent.self) {
            phase = .over(end)
        }
        (unacknowledged, passedOn, offsets) = (carried.unacknowledged, carried.passedOn, carried.offsets)
        (isWarm, givenInput, isFrozen) = (carried.isWarm, carried.givenInput, true)
    }
}

extension AgentConnection {
    /// Reads nothing from the agent until `thaw`.
    package func freeze() { rpc.pauseReading() }

    package func thaw() { rpc.resumeReading() }

    package var eventLoop: any EventLoop { rpc.eventLoop }

    /// Runs `body` when the connection has ended, for whatever reason.
    package func whenClosed(_ body: @escaping @Sendable () -> Void) { rpc.onClose.whenComplete { _ in body() } }

    /// Of all kinds, that the agent has not ended.
    package var openCount: Int { state.withLock { $0.open } }

    /// What another program needs to go on with it. It must be frozen. On its event loop, which must not go on before that program
    /// does.
    /// - Returns: nil if it has ended.
    package func carry() throws(CarryError) -> CarriedAgent? {
        guard let link = try rpc.carry() else { return nil }
        let (next, kills, isEnded) = state.withLock {
            ($0.nextExecution, $0.knownKills, $0.reason != nil || $0.violation != nil)
        }
        guard !isEnded else { return nil }
        return CarriedAgent(
            member: member.description, link: link,
            environment: imageEnvironment.entries.map { CarriedBytes($0.bytes) },
            user: user?.uid, userNames: user?.names ?? [:], nextExecution: next, knownKills: kills)
    }

    /// Goes on with a connection of another program. It reads nothing before `thaw`.
    package static func adopt(
        _ carried: CarriedAgent, memoryKills: MemoryKills?, cpu: CPUMeter?, group: any EventLoopGroup
    ) async throws(RPCError) -> AgentConnection {
        let rpc = try await ClientConnection.adopt(carried.link, group: group, limits: AgentConnector.limits)
        let connection = AgentConnection(
            member: MemberID(carried.member), rpc: rpc,
            imageEnvironment: carried.environment.map { SystemString($0.bytes) },
            user: carried.user.map { MemberUser(uid: $0, names: carried.userNames) }, memoryKills: memoryKills, cpu: cpu
        )
        connection.state.withLock { ($0.nextExecution, $0.knownKills) = (carried.nextExecution, carried.knownKills) }
        return connection
    }

    /// Goes on with a program of the connection that this one goes on with. Gives no credit before `thaw`.
    package func goOn(
        _ carried: CarriedAgentExecution, sink: @escaping @Sendable (ExecutionEvent) -> Void
    ) -> AgentExecution {
        state.withLock { $0.open += 1 }
        return AgentExecution(carried, link: self, sink: sink)
    }
}
