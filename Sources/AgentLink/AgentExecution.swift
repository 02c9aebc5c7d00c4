// SPDX-License-Identifier: Apache-2.0

internal import AgentSchema
package import BerthRPC
internal import BerthSchema
internal import NIOCore
public import Pool
internal import Synchronization

/// One program in a member, as the server sees it. May be used from any thread.
public final class AgentExecution: Sendable {
    let number: UInt64
    private let isConnection: Bool
    let link: AgentConnection
    private let sink: @Sendable (ExecutionEvent) -> Void
    let state: Mutex<ExecutionState>
    /// Its stream to the agent.
    private let stream = Mutex<ClientStream?>(nil)

    init(_ request: Agent.ExecuteRequest, link: AgentConnection, sink: @escaping @Sendable (ExecutionEvent) -> Void) {
        number = request.execution
        isConnection = request.connectTo != nil
        state = Mutex(ExecutionState(window: request.windowBytes, request: request, loop: link.rpc.eventLoop))
        self.link = link
        self.sink = sink
    }

    public var member: MemberID { link.member }

    /// What pieces of code name it by, where it is an interpreter that takes them.
    package var contextNumber: UInt64 { number }

    /// What an interpreter that takes pieces says of itself, once it has started.
    package var interpreter: String { state.withLock { $0.interpreter } }

    /// Whether it was forked from an interpreter that had started before.
    package var isWarm: Bool { state.withLock { $0.isWarm } }

    /// Gives the agent credit for bytes of output that were passed on.
    public func acknowledge(_ bytes: Int) {
        guard let due = state.withLock({ $0.acknowledge(UInt64(bytes)) }) else { return }
        call(AgentService.acknowledge, Agent.AcknowledgeRequest(execution: number, bytes: due))
    }

    /// Sends a signal, 1 to 64, to the program's process group. With a terminal that is the program's own group, as with ssh;
    /// Ctrl-C is input there, and the terminal decides which group gets its signal.
    public func signal(_ signal: Int32) {
        call(AgentService.signal, Agent.SignalRequest(execution: number, signal: signal))
    }

    /// Ends it and everything it started: TERM, and KILL after `graceMilliseconds`. The end event follows, even if the agent
    /// sends none.
    public func end(graceMilliseconds: UInt64) {
        let first = state.withLock { $0.watchdog.ends(within: .milliseconds(Int64(clamping: graceMilliseconds))) }
        look(after: first)
        call(
            AgentService.signal, Agent.SignalRequest(execution: number, signal: 0, graceMilliseconds: graceMilliseconds)
        )
    }

    /// It has all of its input: from now on it must end within `limit`.
    public func mustEnd(within limit: Duration) {
        let first = state.withLock { $0.watchdog.ends(within: .nanoseconds(limit.saturatedNanoseconds)) }
        look(after: first)
    }

    /// Makes a call whose answer does not matter. It is no error either if the agent no longer knows the execution, since its
    /// end event may be in flight.
    private func call<Q, A>(_ method: UnaryMethod<Q, A>, _ message: Q) {
        link.rpc.unary(method, message) { _ in }
    }

    func start(_ request: Agent.ExecuteRequest, silence: AgentConnection.Silence? = nil) {
        let first = state.withLock { state in
            state.watchdog.begin(
                limit: request.timeoutMilliseconds == 0
                    ? nil : .milliseconds(Int64(clamping: request.timeoutMilliseconds + request.graceMilliseconds)),
                silence: silence)
        }
        if let first { look(after: first) }
        let arena = NIOLoopBoundBox.makeBoxSendingValue(Arena(), eventLoop: link.rpc.eventLoop)
        let stream = link.rpc.stream(AgentService.execute, request) { [self] in received($0, arena) }
        self.stream.withLock { $0 = stream }
    }

    private func received(_ event: StreamEvent, _ arena: NIOLoopBoundBox<Arena>) {
        switch event {
        case .message(let buffer):
            if let chunk = OutputChunk(event: buffer) { return received(chunk) }
            let decoded = buffer.withUnsafeReadableBytes { bytes in
                Result { () throws(SchemaError) in try Agent.ExecuteEvent(decoding: bytes, arena: arena.value) }
            }
            switch decoded {
            case .success(.output(let output)): received(OutputChunk(output))
            case .success(let event): received(event)
            case .failure(let error): link.violate(error.description)
            }
        case .end(let error):
            streamEnded(error)
        }
    }

    // MARK: Handing over

    /// Gives the agent no credit until `thaw`.
    package func freeze() { state.withLock { $0.isFrozen = true } }

    package func thaw() {
        state.withLock { $0.isFrozen = false }
        acknowledge(0)
    }

    /// What another program needs to go on with it. It must be a program, frozen.
    /// - Returns: nil if its end was passed on.
    package func carry() throws(CarryError) -> CarriedAgentExecution? {
        guard let id = stream.withLock({ $0?.streamID }), id != 0 else { throw CarryError("an execution that begins") }
        return try state.withLock { state throws(CarryError) in
            try CarriedAgentExecution(state, number: number, streamID: id)
        }
    }

    init(_ carried: CarriedAgentExecution, link: AgentConnection, sink: @escaping @Sendable (ExecutionEvent) -> Void) {
        number = carried.number
        isConnection = false
        state = Mutex(ExecutionState(carried, loop: link.rpc.eventLoop))
        self.link = link
        self.sink = sink
        let arena = NIOLoopBoundBox.makeBoxSendingValue(Arena(), eventLoop: link.rpc.eventLoop)
        let handle = link.rpc.goOn(carried.streamID) { [self] in received($0, arena) }
        stream.withLock { $0 = handle }
        if carried.watchdog.due != nil { look(after: .milliseconds(100)) }
    }

    private func received(_ chunk: OutputChunk) { act(state.withLock { $0.receive(chunk) }) }
    private func received(_ event: Agent.ExecuteEvent) { act(state.withLock { $0.receive(event) }) }

    private func act(_ reception: ExecutionState.Reception) {
        switch reception {
        case .pass(let event): sink(event)
        case .ignore: break
        case .violation(let what): link.violate(what)
        }
    }

    private func look(after time: TimeAmount) {
        let task = link.rpc.eventLoop.scheduleTask(in: time) { self.look() }
        state.withLock { state in
            if state.isOver { task.cancel() } else { state.watchdog.set(task) }
        }
    }

    /// An agent that does not report the end in time, although it has credit, was taken over or is stuck. Only this execution
    /// is given up: others may be well. Its member is not used again, since one with a running execution cannot be reset.
    private func look() {
        switch state.withLock({ $0.watchdog.look() }) {
        case .look(let time): look(after: time)
        case .overdue(let time):
            sink(.overdue)
            look(after: time)
        case .late(let what): giveUp(what)
        }
    }

    private func giveUp(_ what: String) {
        let (isGivenUp, written) = state.withLock { ($0.giveUp(), $0.written) }
        guard isGivenUp else { return }
        call(AgentService.signal, Agent.SignalRequest(execution: number, signal: 0, graceMilliseconds: 0))
        var ended = Agent.Ended(cause: .containerLost, message: "the container broke the protocol: \(what)")
        (ended.stdoutBytes, ended.stderrBytes) = written
        sink(.ended(ended))
    }

    private func lost(_ written: (UInt64, UInt64)) {
        var ended = link.lost()
        (ended.stdoutBytes, ended.stderrBytes) = written
        sink(.ended(ended))
    }

    private func streamEnded(_ error: RPCError?) {
        let (end, written) = state.withLock { state in
            state.watchdog.set(nil)
            return (state.streamEnded(), state.written)
        }
        link.executionEnded(isConnection: isConnection)
        switch end {
        case nil: break
        case .ended(let ended):
            if ended.outOfMemoryKills > 0 { link.killsAreKnown() }
            sink(.ended(ended))
        case .endedEarly:
            // There was no end event: either the whole stream is closed, or the agent refused this one execution.
            if let error, error.code != .unavailable {
                if error.code == .resourceExhausted { sink(.refused(error)) }
                sink(.ended(Agent.Ended(cause: .startFailed, message: error.message, startFailure: .noResources)))
            } else {
                guard let delay = link.delayOfLoss else { return lost(written) }
                link.rpc.eventLoop.scheduleTask(in: delay) { self.lost(written) }
            }
        }
    }
}
