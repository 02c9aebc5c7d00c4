// SPDX-License-Identifier: Apache-2.0

public import AgentSchema
public import BerthRPC
internal import BerthSchema
internal import NIOCore
public import Pool
internal import Synchronization

/// The server's end of the stream to one member's agent. It starts executions and relays their events.
///
/// The agent is not trusted, since a program in the container may have taken it over: everything from it is checked, and a
/// stream that violates the protocol is closed, which costs this member and nothing else. It may be used from any thread.
public final class AgentConnection: MemberLink {
    /// Maximum bytes of output for each execution that the agent has sent and the server has not passed on.
    public static let window = 1 << 20

    public let member: MemberID
    /// The environment that the image defines.
    public let imageEnvironment: ImageEnvironment
    /// User used when a request sets none; nil if the runtime does not choose one.
    public let user: MemberUser?
    /// The member's CPU time; nil if only the agent tells what executions have used.
    public let cpu: CPUMeter?
    let rpc: ClientConnection
    private let memoryKills: MemoryKills?

    struct State {
        var nextExecution: UInt64 = 1
        /// Number of executions that the agent has not ended.
        var open = 0
        /// Of them, connections.
        var connections = 0
        var reason: LinkCloseReason?
        /// Why the runtime takes the member back, if it does.
        var eviction: String?
        var violation: String?
        /// How many of the member's out-of-memory kills were already reported in the end of an execution.
        var knownKills: UInt64 = 0
    }
    let state = Mutex(State())

    init(
        member: MemberID, rpc: ClientConnection, imageEnvironment: [SystemString], user: MemberUser? = nil,
        memoryKills: MemoryKills? = nil, cpu: CPUMeter? = nil
    ) {
        self.member = member
        self.rpc = rpc
        self.imageEnvironment = ImageEnvironment(imageEnvironment)
        self.user = user
        self.memoryKills = memoryKills
        self.cpu = cpu
    }

    public func close(_ reason: LinkCloseReason) {
        state.withLock { $0.reason = $0.reason ?? reason }
        // Before the member is removed, and its count with it.
        cpu?.end(isOver: true)
        rpc.close()
    }

    public func foretell(_ message: String) {
        state.withLock { $0.eviction = message }
    }

    /// How long an agent may send nothing about an execution although it could; after that it counts as failed.
    public enum Silence: Sendable {
        case ofStart(Duration)
        /// Of its start, and of its output as long as there is credit for it.
        case ofOutput(Duration)
    }

    /// Starts a program.
    ///
    /// - Parameters:
    ///   - request: its `execution` and `windowBytes` are set here.
    ///   - window: maximum bytes of output that were sent and not passed on; at most `AgentConnection.window`.
    ///   - silence: how long the agent may send nothing about it; nil is as long as the execution may run.
    ///   - sink: is called with the events, in order, on one thread: started, output …, and in every case exactly one
    ///     `ended` as the last.
    public func execute(
        _ request: Agent.ExecuteRequest, window: Int = AgentConnection.window, silence: Silence? = nil,
        sink: @escaping @Sendable (ExecutionEvent) -> Void
    ) -> AgentExecution {
        let number = state.withLock { state in
            defer { state.nextExecution += 1 }
            state.open += 1
            if request.connectTo != nil { state.connections += 1 }
            return state.nextExecution
        }
        var request = request
        request.execution = number
        request.windowBytes = UInt64(min(window, AgentConnection.window))
        let execution = AgentExecution(request, link: self, sink: sink)
        execution.start(request, silence: silence)
        return execution
    }

    /// An execution's end has reported out-of-memory kills, so they do not explain a later end of the agent.
    func killsAreKnown() {
        guard let count = memoryKills?.count else { return }
        state.withLock { $0.knownKills = max($0.knownKills, count) }
    }

    /// How long to wait before `lost` is asked: the word of a kill for lack of memory may still be on its way.
    var delayOfLoss: TimeAmount? {
        guard let delay = memoryKills?.delay, delay > .zero,
            state.withLock({ $0.reason == nil || $0.reason == .memberDied })
        else { return nil }
        return .nanoseconds(delay.components.seconds * 1_000_000_000 + delay.components.attoseconds / 1_000_000_000)
    }

    /// How an execution ends if the agent's stream has ended and the server did not close it.
    private func wentAway() -> Agent.Ended {
        let (known, eviction) = state.withLock { ($0.knownKills, $0.eviction) }
        guard let count = memoryKills?.count, count > known else {
            if let eviction { return Agent.Ended(cause: .draining, message: eviction) }
            return Agent.Ended(cause: .containerLost, message: "the container went away")
        }
        return Agent.Ended(
            cause: .outOfMemory, signal: 9,
            message: "the container's memory was used up: the kernel killed its agent, and all that ran in it",
            outOfMemoryKills: count - known)
    }

    /// An execution has ended, in whatever way.
    func executionEnded(isConnection: Bool) {
        state.withLock { state in
            state.open -= 1
            if isConnection { state.connections -= 1 }
        }
    }

    /// Number of executions that the agent has not ended.
    public var openExecutions: Int { state.withLock { $0.open - $0.connections } }

    /// Number of connections that the agent has not ended.
    public var openConnections: Int { state.withLock { $0.connections } }

    /// Closes the stream because the agent violated the protocol.
    func violate(_ what: String) {
        state.withLock { $0.violation = $0.violation ?? what }
        rpc.close()
    }

    /// How an execution ends if the stream ended before it.
    func lost() -> Agent.Ended {
        let (reason, violation, eviction) = state.withLock { ($0.reason, $0.violation, $0.eviction) }
        if let violation {
            return Agent.Ended(cause: .containerLost, message: "the container broke the protocol: \(violation)")
        }
        switch reason {
        case nil, .memberDied: return wentAway()
        case .released: return Agent.Ended(cause: .cancelled, message: "the lease was released")
        case .leaseExpired: return Agent.Ended(cause: .cancelled, message: "the lease's time passed")
        case .connectionClosed:
            return Agent.Ended(cause: .cancelled, message: "the connection that held the lease closed")
        case .retired: return Agent.Ended(cause: .containerLost, message: "the container was retired")
        case .evicted:
            return Agent.Ended(cause: .draining, message: eviction ?? "the container was taken back")
        case .draining: return Agent.Ended(cause: .draining, message: "the server is shutting down")
        }
    }
}

/// An event of an execution.
public enum ExecutionEvent: Sendable {
    /// - Parameter isWarm: whether it was forked from an interpreter that had started before.
    case started(pid: UInt32, isWarm: Bool = false)
    case output(OutputChunk)
    /// Of a connection: no more output comes.
    case outputEnded
    /// Its time is over, but output that nobody reads delays its end: the output must be taken now, and kept or discarded.
    case overdue
    /// The agent has no room for it, and it never ran; the end follows.
    case refused(RPCError)
    /// The last event.
    case ended(Agent.Ended)
}
