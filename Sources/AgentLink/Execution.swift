internal import NIOCore
public import Pool
internal import RPC
internal import Schema
internal import Synchronization

/// One program in a member, as the server sees it. May be used from any thread.
public final class Execution: Sendable {
    let number: UInt64
    let link: AgentConnection
    private let sink: @Sendable (ExecutionEvent) -> Void
    let state: Mutex<ExecutionState>

    init(_ request: Agent.ExecuteRequest, link: AgentConnection, sink: @escaping @Sendable (ExecutionEvent) -> Void) {
        number = request.execution
        state = Mutex(ExecutionState(window: request.windowBytes, request: request))
        self.link = link
        self.sink = sink
    }

    public var member: MemberID { link.member }

    /// Gives credit back for output that was passed on, in bytes.
    public func acknowledge(_ bytes: Int) {
        guard let due = state.withLock({ $0.acknowledge(UInt64(bytes)) }) else { return }
        call("Acknowledge", Agent.AcknowledgeRequest(execution: number, bytes: due))
    }

    /// Sends a signal, 1 to 64, to the program's process group. In a terminal that is the program's own, as with ssh: what
    /// Ctrl-C reaches is the terminal's affair, and its character is input.
    public func signal(_ signal: Int32) {
        call("Signal", Agent.SignalRequest(execution: number, signal: signal))
    }

    /// Ends it: TERM, after `graceMilliseconds` KILL, to all that it started. The end event follows.
    public func end(graceMilliseconds: UInt64) {
        call("Signal", Agent.SignalRequest(execution: number, signal: 0, graceMilliseconds: graceMilliseconds))
    }

    /// The agent answers these with nothing of interest; that it no longer knows the execution is no error either, since
    /// the end may be on its way.
    private func call(_ method: String, _ message: some Message) {
        link.rpc.unary(service: Agent.service, method: method, message) { _ in }
    }

    func start(_ request: Agent.ExecuteRequest) {
        // An agent that lets the program outlive its time-out by so much has been taken over, or is stuck.
        if request.timeoutMilliseconds > 0 {
            let latest = request.timeoutMilliseconds + request.graceMilliseconds + 10_000
            let watchdog = link.rpc.eventLoop.scheduleTask(in: .milliseconds(Int64(clamping: latest))) { [link] in
                link.violate("the execution was not ended \(latest) ms after its start")
            }
            state.withLock { $0.watchdog = watchdog }
        }
        let arena = NIOLoopBoundBox.makeBoxSendingValue(Arena(), eventLoop: link.rpc.eventLoop)
        link.rpc.stream(service: Agent.service, method: "Execute", request) { [self] event in
            switch event {
            case .message(let buffer):
                if let chunk = OutputChunk(canonical: buffer) { return received(chunk) }
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

    private func streamEnded(_ error: RPCError?) {
        let (end, written, watchdog) = state.withLock { state in
            (state.streamEnded(), state.written, state.watchdog)
        }
        watchdog?.cancel()
        link.executionEnded()
        switch end {
        case .ended(let ended):
            if ended.outOfMemoryKills > 0 { link.killsAreKnown() }
            sink(.ended(ended))
        case .endedEarly:
            // Without an end event: either the whole stream is gone, or the agent refused this one execution.
            if let error, error.code != .unavailable {
                sink(.ended(Agent.Ended(cause: .startFailed, message: error.message, startFailure: .noResources)))
            } else {
                var ended = link.lost()
                (ended.stdoutBytes, ended.stderrBytes) = written
                sink(.ended(ended))
            }
        }
    }
}
