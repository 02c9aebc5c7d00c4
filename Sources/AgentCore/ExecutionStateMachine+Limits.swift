// SPDX-License-Identifier: Apache-2.0

package import AgentSchema
internal import BerthSchema

extension ExecutionStateMachine {
    /// The limits of a request, in nanoseconds and bytes.
    package struct Limits {
        /// Maximum outstanding bytes.
        var window: UInt64
        /// Maximum time of the program. It counts from the request, since another process may delay the start.
        var timeout: UInt64?
        /// Time between TERM and KILL; with 0, KILL is sent at once.
        var grace: UInt64
        /// Maximum bytes of each stream that are sent.
        var maxOutput: UInt64
        var killsAtMaxOutput: Bool
        /// Maximum time without output, while there is credit for it.
        var idle: UInt64?
        /// Maximum CPU time of all its processes together.
        var cpuTime: UInt64?
        var keepsBackground: Bool
        var hasTerminal: Bool
        /// Whether all output is on stdout.
        var hasOneStream: Bool
        /// Maximum silence of processes that a program has left and that hold its output.
        var outputGrace: UInt64
        /// Maximum total time for which such processes may go on.
        var maxOutputGrace: UInt64
        /// The word for messages: "program" or "piece".
        var noun = "program"

        package init(_ request: Agent.ExecuteRequest) {
            window = request.windowBytes
            timeout = Limits.some(request.timeoutMilliseconds)
            grace = Limits.nanoseconds(request.graceMilliseconds)
            maxOutput = request.maxOutputBytes == 0 ? .max : request.maxOutputBytes
            killsAtMaxOutput = request.killsAtMaxOutput
            idle = Limits.some(request.idleTimeoutMilliseconds)
            cpuTime = Limits.some(request.cpuTimeMilliseconds)
            keepsBackground = request.keepsBackground
            hasTerminal = request.terminal != nil
            hasOneStream = hasTerminal || request.mergesOutput
            outputGrace = Limits.nanoseconds(request.outputGraceMilliseconds)
            maxOutputGrace = Limits.nanoseconds(request.outputGraceMaxMilliseconds)
            if request.context != 0 { noun = "piece" }
        }

        private static func some(_ milliseconds: UInt64) -> UInt64? {
            milliseconds == 0 ? nil : nanoseconds(milliseconds)
        }

        /// Converts milliseconds to nanoseconds, at most a hundred years, so that sums do not overflow.
        static func nanoseconds(_ milliseconds: UInt64) -> UInt64 {
            min(milliseconds, 100 * 365 * 86_400_000) * 1_000_000
        }

        /// The time as text: in whole seconds if possible, otherwise in milliseconds.
        static func text(_ nanoseconds: UInt64?) -> String {
            let milliseconds = (nanoseconds ?? 0) / 1_000_000
            return milliseconds % 1000 == 0 ? "\(milliseconds / 1000) s" : "\(milliseconds) ms"
        }
    }

    /// After the end, a terminal that another process holds open counts as drained when it was quiet for this time.
    private static let quiet: UInt64 = 50_000_000
    /// More than a terminal can hold: output beyond it, after the end, is not the program's.
    static let terminalCapacity = 256 << 10
    /// Minimum time between two checks of CPU time.
    private static let minLook: UInt64 = 10_000_000
    /// A start normally takes less than a millisecond. If it takes this long, it is checked.
    private static let startPatience: UInt64 = 100_000_000

    /// The limit that ended it, as text; empty if the cause is not a limit.
    func words(for cause: EndCause) -> String {
        switch cause {
        case .timedOut: "the \(limits.noun)'s time-out of \(Limits.text(limits.timeout)) passed"
        case .idleTimeout: "the \(limits.noun) wrote nothing for \(Limits.text(limits.idle)), its idle time-out"
        case .cpuTimeLimit: "the \(limits.noun) used \(Limits.text(limits.cpuTime)) of CPU time, its limit"
        case .outputLimit:
            "the \(limits.noun) wrote more than \(limits.maxOutput) bytes to "
                + "\(outputs.stdout.produced > limits.maxOutput ? "stdout" : "stderr"), its limit"
        default: ""
        }
    }

    // MARK: Time

    /// When to call `timePassed`; nil if that is not needed.
    package var deadline: UInt64? {
        [due, idleDue, cpuLook, quietDue, lingerDue, startLook].lazy.compactMap { $0 }.min()
    }

    /// Nil without credit, since the program may then be silent only because it can't write.
    private var idleDue: UInt64? {
        guard phase == .running, termination == nil, outstanding < limits.window else { return nil }
        return limits.idle.map { lastOutput + $0 }
    }

    private var quietDue: UInt64? {
        guard phase == .gone, limits.hasTerminal, outstanding < limits.window else { return nil }
        return lastOutput + ExecutionStateMachine.quiet
    }

    /// - Parameter hasUnread: whether there is output that has not been read.
    package mutating func timePassed(now: UInt64, hasUnread: Bool) -> [Action] {
        if hasUnread { lastOutput = now }
        if let quietDue, quietDue <= now { return didClose(.stdout) }
        if let lingerDue, lingerDue <= now { return lingerPassed(now: now) }
        if let due, due <= now {
            self.due = nil
            // Before the start, a grace is useless.
            if phase == .starting, termination == nil { return terminate(.timedOut, grace: 0, now: now) }
            return termination == nil ? terminate(.timedOut, grace: limits.grace, now: now) : [.kill]
        }
        if let idleDue, idleDue <= now { return terminate(.idleTimeout, grace: limits.grace, now: now) }
        if let look = startLook, look <= now {
            startLook = now + ExecutionStateMachine.startPatience
            return [.lookAtStart]
        }
        if let look = cpuLook, look <= now {
            cpuLook = nil
            return [.measureCPUTime]
        }
        return []
    }

    /// Must be called before the start. The time-out counts from here, since another process may delay the start.
    package mutating func willStart(now: UInt64) {
        requested = now
        due = limits.timeout.map { now + $0 }
        startLook = now + ExecutionStateMachine.startPatience
    }

    /// Starts the clocks for idle time and CPU time when the program has started.
    mutating func startClocks(now: UInt64) {
        lastOutput = now
        guard termination == nil else { return }
        due = limits.timeout.map { (requested ?? now) + $0 }
        look(after: limits.cpuTime, now: now)
    }

    /// - Parameter used: CPU time of all its processes, living and reaped, in nanoseconds.
    package mutating func measuredCPUTime(_ used: UInt64, now: UInt64) -> [Action] {
        guard phase == .running, termination == nil, let limit = limits.cpuTime else { return [] }
        guard used < limit else { return terminate(.cpuTimeLimit, grace: limits.grace, now: now) }
        look(after: limit - used, now: now)
        return []
    }

    /// Sets the next check of CPU time: `left` can't be used up before that, even on all processors.
    private mutating func look(after left: UInt64?, now: UInt64) {
        guard let left else { return }
        cpuLook = now + max(left / processors, ExecutionStateMachine.minLook)
    }
}
