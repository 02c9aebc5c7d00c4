internal import NIOCore
public import Pool
internal import RPC
internal import Schema
internal import Synchronization

/// One program in a member, as the server sees it. May be used from any thread.
public final class Execution: Sendable {
    let number: UInt64
    private let link: AgentConnection
    private let sink: @Sendable (ExecutionEvent) -> Void
    private let state = Mutex(ExecutionState(window: UInt64(AgentConnection.window)))

    init(number: UInt64, link: AgentConnection, sink: @escaping @Sendable (ExecutionEvent) -> Void) {
        self.number = number
        self.link = link
        self.sink = sink
    }

    public var member: MemberID { link.member }

    /// Gives credit back for output that was passed on, in bytes.
    public func acknowledge(_ bytes: Int) {
        guard let due = state.withLock({ $0.acknowledge(UInt64(bytes)) }) else { return }
        call("Acknowledge", Agent.AcknowledgeRequest(execution: number, bytes: due))
    }

    /// Sends a signal, 1 to 64, to the program's process group.
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
        let (end, watchdog) = state.withLock { state in
            (state.streamEnded(), state.watchdog)
        }
        watchdog?.cancel()
        link.executionEnded()
        switch end {
        case .ended(let ended): sink(.ended(ended))
        case .endedEarly:
            // Without an end event: either the whole stream is gone, or the agent refused this one execution.
            if let error, error.code != .unavailable {
                sink(.ended(Agent.Ended(cause: .startFailed, message: error.message, startFailure: .noResources)))
            } else {
                sink(.ended(link.lost()))
            }
        }
    }
}

/// What the server knows of one execution on an agent's stream, and what it therefore lets the agent say. No I/O.
struct ExecutionState {
    enum Reception {
        case pass(ExecutionEvent)
        case ignore
        case violation(String)
    }

    enum End {
        case ended(Agent.Ended)
        case endedEarly
    }

    private enum Phase {
        /// → running, over (a start failure)
        case starting
        /// → over
        case running
        /// The end event has come; the stream's own end has yet to. It is passed on then: nothing may follow it.
        case over(Agent.Ended)
        case closed
    }

    static let largestChunk = 32 << 10

    private var phase = Phase.starting
    private let window: UInt64
    private var unacknowledged: UInt64 = 0
    private var passedOn: UInt64 = 0
    private var offsets: [UInt64] = [0, 0]
    var watchdog: Scheduled<Void>?

    init(window: UInt64) {
        self.window = window
    }

    mutating func receive(_ event: Agent.ExecuteEvent) -> Reception {
        switch (event, phase) {
        case (.unknown, _):
            return .ignore
        case (.started(let pid), .starting):
            phase = .running
            return .pass(.started(pid: pid))
        case (.ended(let ended), .running), (.ended(let ended), .starting):
            if case .starting = phase, ended.cause == .exited || ended.cause == .signalled {
                return .violation("an end without a start")
            }
            guard (0...255).contains(ended.exitCode), (0...64).contains(ended.signal) else {
                return .violation("an end with exit code \(ended.exitCode) and signal \(ended.signal)")
            }
            phase = .over(ended)
            return .ignore
        case (.started, _): return .violation("a second start, or one after the end")
        case (.output(let output), _): return receive(OutputChunk(output))
        case (.ended, _): return .violation("a second end")
        }
    }

    mutating func receive(_ chunk: OutputChunk) -> Reception {
        guard case .running = phase else { return .violation("output before the start or after the end") }
        guard chunk.stream < 2 else { return .violation("output on stream \(chunk.stream), not 0 or 1") }
        let stream = Int(chunk.stream)
        guard chunk.offset == offsets[stream] else {
            return .violation("output at offset \(chunk.offset) where \(offsets[stream]) was next")
        }
        guard chunk.count > 0, chunk.count <= ExecutionState.largestChunk else {
            return .violation("output of \(chunk.count) bytes, not 1 to \(ExecutionState.largestChunk)")
        }
        let count = UInt64(chunk.count)
        guard unacknowledged + count <= window else {
            return .violation("\(unacknowledged + count) bytes without credit, which is \(window)")
        }
        unacknowledged += count
        offsets[stream] += count
        return .pass(.output(chunk))
    }

    mutating func streamEnded() -> End {
        defer { phase = .closed }
        if case .over(let ended) = phase { return .ended(ended) }
        return .endedEarly
    }

    /// Credit goes back in large pieces: the bytes to acknowledge now, if any.
    mutating func acknowledge(_ bytes: UInt64) -> UInt64? {
        passedOn += bytes
        guard passedOn >= window / 4, case .running = phase else { return nil }
        defer {
            unacknowledged -= min(passedOn, unacknowledged)
            passedOn = 0
        }
        return passedOn
    }
}
