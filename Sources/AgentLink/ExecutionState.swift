// SPDX-License-Identifier: Apache-2.0

internal import AgentSchema
internal import BerthSchema
internal import NIOCore

/// What the server knows of one execution on an agent's stream, and what the agent may therefore send. No I/O.
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

    enum Phase {
        /// → running, over (a start failure)
        case starting
        /// → over
        case running
        /// The end event has arrived, and the end of the stream has not. The event is passed on then, since nothing may follow.
        case over(Agent.Ended)
        /// Its caller was told that it is lost. Whatever the agent still sends about it is ignored.
        case givenUp
        case closed
    }

    static let largestChunk = 64 << 10
    /// Maximum bytes of an end's message.
    static let maxMessage = 4 << 10

    var phase = Phase.starting
    let window: UInt64
    /// The limits of the request, against which ends and output are checked.
    let limits: Limits
    var unacknowledged: UInt64 = 0
    var passedOn: UInt64 = 0
    /// Of stdout, stderr and, of a piece of code, events.
    var offsets: [UInt64] = [0, 0, 0]
    /// Gives no credit, until it is handed over or goes on.
    var isFrozen = false
    /// What an interpreter says of itself.
    private(set) var interpreter = ""
    /// Whether it was forked from an interpreter.
    var isWarm = false
    /// Of a connection: no more output comes.
    private var hasOutputEnded = false
    /// Offset after the last byte of standard input that was passed to the agent.
    var givenInput: UInt64
    var watchdog: Watchdog

    struct Limits {
        let maxOutput: UInt64
        let endCauses: Set<EndCause>
        let isPiece: Bool
        let isContext: Bool
        let isConnection: Bool
        let mayBeWarm: Bool

        /// Of a program.
        init(maxOutput: UInt64, endCauses: Set<EndCause>, mayBeWarm: Bool) {
            (self.maxOutput, self.endCauses, self.mayBeWarm) = (maxOutput, endCauses, mayBeWarm)
            (isPiece, isContext, isConnection) = (false, false, false)
        }

        init(_ request: Agent.ExecuteRequest) {
            maxOutput = request.maxOutputBytes == 0 ? .max : request.maxOutputBytes
            var causes: Set<EndCause> = [.exited, .signalled, .outOfMemory, .cancelled, .startFailed]
            if request.timeoutMilliseconds > 0 { causes.insert(.timedOut) }
            if request.maxOutputBytes > 0, request.killsAtMaxOutput { causes.insert(.outputLimit) }
            if request.idleTimeoutMilliseconds > 0 { causes.insert(.idleTimeout) }
            if request.cpuTimeMilliseconds > 0 { causes.insert(.cpuTimeLimit) }
            isPiece = request.context != 0 && !request.opensContext
            isContext = request.opensContext
            mayBeWarm = !request.warmLanguage.isEmpty
            isConnection = request.connectTo != nil
            if isConnection { causes.insert(.connectionReset) }
            if isPiece || isContext { causes.insert(.contextLost) }
            endCauses = causes
        }
    }

    /// - Parameters:
    ///   - window: maximum bytes of output before any is acknowledged.
    ///   - loop: tells the time; nil: the system does.
    init(
        window: UInt64, request: Agent.ExecuteRequest = Agent.ExecuteRequest(execution: 1, argv: []),
        loop: (any EventLoop)? = nil
    ) {
        watchdog = Watchdog(loop)
        self.window = window
        limits = Limits(request)
        givenInput = UInt64(request.stdin.count)
    }

    /// That of a program which another server has begun.
    init(window: UInt64, limits: Limits, watchdog: Watchdog) {
        self.window = window
        self.limits = limits
        self.watchdog = watchdog
        givenInput = 0
    }

    mutating func receive(_ event: Agent.ExecuteEvent) -> Reception {
        switch (event, phase) {
        case (.unknown, _), (_, .givenUp):
            return .ignore
        case (.started(let started), .starting):
            guard limits.isContext || started.interpreter.isEmpty, started.interpreter.utf8.count <= 256 else {
                return .violation("a start of an interpreter that is none")
            }
            phase = .running
            interpreter = started.interpreter
            isWarm = started.isWarm && limits.mayBeWarm
            watchdog.started()
            return .pass(.started(pid: started.pid, isWarm: isWarm))
        case (.ended(let ended), .running), (.ended(let ended), .starting):
            if let problem = problem(of: ended) { return .violation(problem) }
            phase = .over(ended)
            return .ignore
        case (.outputEnded, .running):
            guard limits.isConnection, !hasOutputEnded else {
                return .violation("an end of output that it cannot have")
            }
            hasOutputEnded = true
            return .pass(.outputEnded)
        case (.outputEnded, _): return .violation("an end of output before the start or after the end")
        case (.started, _): return .violation("a second start, or one after the end")
        case (.output(let output), _): return receive(OutputChunk(output))
        case (.ended, _): return .violation("a second end")
        }
    }

    /// What is wrong with an end that has arrived; nil if it is plausible.
    private func problem(of ended: Agent.Ended) -> String? {
        guard limits.endCauses.contains(ended.cause) else { return "an end for a cause it cannot have: \(ended.cause)" }
        guard (0...255).contains(ended.exitCode), (0...64).contains(ended.signal) else {
            return "an end with exit code \(ended.exitCode) and signal \(ended.signal)"
        }
        switch phase {
        case .starting where ended.cause == .contextLost: break
        case .starting where ![.startFailed, .cancelled, .timedOut].contains(ended.cause):
            return "an end without a start"
        case .running where ended.cause == .startFailed: return "a start that failed after the start"
        default: break
        }
        guard limits.isPiece || !ended.isContextLost else { return "an end that takes a context along, of no piece" }
        switch ended.cause {
        case .exited where ended.signal != 0: return "an exit by signal \(ended.signal)"
        case .signalled where ended.signal == 0: return "an end by no signal"
        case .outOfMemory where ended.outOfMemoryKills == 0: return "out of memory, and nothing was killed"
        case .outputLimit where !offsets[..<2].contains(limits.maxOutput):
            return "output of \(offsets) bytes at its limit of \(limits.maxOutput)"
        default: break
        }
        guard ended.message.utf8.count <= ExecutionState.maxMessage else {
            return "an end in \(ended.message.utf8.count) bytes of words"
        }
        for (sent, (bytes, truncated)) in zip(
            offsets, [(ended.stdoutBytes, ended.stdoutTruncated), (ended.stderrBytes, ended.stderrTruncated)])
        {
            guard truncated <= bytes, bytes - truncated == sent else {
                return "an end with \(bytes) bytes of output, \(truncated) of them not sent, where \(sent) were"
            }
        }
        return nil
    }

    mutating func receive(_ chunk: OutputChunk) -> Reception {
        if case .givenUp = phase { return .ignore }
        guard case .running = phase else { return .violation("output before the start or after the end") }
        guard !hasOutputEnded else { return .violation("output after its end") }
        guard chunk.stream < (limits.isPiece ? 3 : limits.isConnection ? 1 : 2) else {
            return .violation("output on stream \(chunk.stream), which it does not have")
        }
        let stream = Int(chunk.stream)
        guard chunk.offset == offsets[stream] else {
            return .violation("output at offset \(chunk.offset) where \(offsets[stream]) was next")
        }
        guard chunk.count > 0, chunk.count <= ExecutionState.largestChunk else {
            return .violation("output of \(chunk.count) bytes, not 1 to \(ExecutionState.largestChunk)")
        }
        let count = UInt64(chunk.count)
        guard stream == 2 || count <= limits.maxOutput - offsets[stream] else {
            return .violation(
                "\(offsets[stream] + count) bytes of output where at most \(limits.maxOutput) were wanted")
        }
        guard unacknowledged + count <= window else {
            return .violation("\(unacknowledged + count) bytes without credit, which is \(window)")
        }
        unacknowledged += count
        if unacknowledged == window { watchdog.creditEnds() }
        if watchdog.looksForSilence { watchdog.heard() }
        offsets[stream] += count
        return .pass(.output(chunk))
    }

    /// Whether its end was passed on, or is about to be.
    var isOver: Bool {
        switch phase {
        case .starting, .running: false
        case .over, .givenUp, .closed: true
        }
    }

    /// Bytes of its output that have arrived.
    var written: (stdout: UInt64, stderr: UInt64) { (offsets[0], offsets[1]) }

    /// - Returns: nil if the execution was given up before.
    mutating func streamEnded() -> End? {
        defer { phase = .closed }
        switch phase {
        case .over(let ended): return .ended(ended)
        case .givenUp: return nil
        default: return .endedEarly
        }
    }

    /// The agent did not end it in time. Returns false if its end has arrived meanwhile.
    mutating func giveUp() -> Bool {
        switch phase {
        case .starting, .running:
            phase = .givenUp
            return true
        case .over, .closed, .givenUp: return false
        }
    }

    /// Credit goes back in large pieces: the bytes to acknowledge now, if any.
    mutating func acknowledge(_ bytes: UInt64) -> UInt64? {
        passedOn += bytes
        guard passedOn >= window / 4, !isFrozen, case .running = phase else { return nil }
        defer {
            if unacknowledged == window { watchdog.creditComes() }
            unacknowledged -= min(passedOn, unacknowledged)
            passedOn = 0
        }
        return passedOn
    }

    // MARK: Input

    /// Input is passed to the agent.
    mutating func gives(_ count: Int, at offset: UInt64) {
        let (end, overflows) = offset.addingReportingOverflow(UInt64(count))
        givenInput = max(givenInput, overflows ? .max : end)
    }

    /// Whether the agent may answer that it expects `next`, after it was given `count` bytes at `offset`.
    func mayExpect(_ next: UInt64, after count: Int, at offset: UInt64) -> Bool {
        next <= givenInput && next >= offset && next - offset >= UInt64(count)
    }
}
