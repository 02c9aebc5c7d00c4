// SPDX-License-Identifier: Apache-2.0

internal import AgentSchema
internal import BerthSchema

extension Execution {
    /// What a request allows, in nanoseconds and bytes.
    struct Limits {
        /// Bytes that may be outstanding.
        var window: UInt64
        /// From the program's start.
        var timeout: UInt64?
        /// Between TERM and KILL; with 0, KILL comes at once.
        var grace: UInt64
        /// Bytes of each stream that are sent.
        var maxOutput: UInt64
        var killsAtMaxOutput: Bool
        /// Without output, while there was credit for it.
        var idle: UInt64?
        /// Of all its processes.
        var cpuTime: UInt64?
        var keepsBackground: Bool
        var hasTerminal: Bool
        /// All output is stdout.
        var hasOneStream: Bool
        /// How long what a program has left may be silent, and may go on in all, while it holds the program's output.
        var outputGrace: UInt64
        var maxOutputGrace: UInt64
        /// Of a piece of code: what else is said of it.
        var noun = "program"

        init(_ request: Agent.ExecuteRequest) {
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

        /// Milliseconds to nanoseconds; what would not fit becomes a hundred years.
        static func nanoseconds(_ milliseconds: UInt64) -> UInt64 {
            min(milliseconds, 100 * 365 * 86_400_000) * 1_000_000
        }

        /// For people: in seconds where they are whole.
        static func text(_ nanoseconds: UInt64?) -> String {
            let milliseconds = (nanoseconds ?? 0) / 1_000_000
            return milliseconds % 1000 == 0 ? "\(milliseconds / 1000) s" : "\(milliseconds) ms"
        }
    }

    /// A terminal that something else holds open has told all once it was quiet for so long.
    private static let quiet: UInt64 = 50_000_000
    /// More than any terminal holds: what comes beyond it, after the end, is not the program's.
    static let terminalCapacity = 256 << 10
    /// CPU time is not looked at more often.
    private static let minLook: UInt64 = 10_000_000
    /// A start takes less than a thousandth of a second; one that takes so long is looked at.
    private static let startPatience: UInt64 = 100_000_000

    /// Which limit ended it, and what that was; empty where the cause was none.
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

    /// When `timePassed` is to be called; nil: not needed.
    var deadline: UInt64? {
        [due, idleDue, cpuLook, quietDue, lingerDue, startLook].lazy.compactMap { $0 }.min()
    }

    /// While the reader withholds credit a program may be unable to write: then its silence is not its own.
    private var idleDue: UInt64? {
        guard phase == .running, termination == nil, outstanding < limits.window else { return nil }
        return limits.idle.map { lastOutput + $0 }
    }

    private var quietDue: UInt64? {
        guard phase == .gone, limits.hasTerminal, outstanding < limits.window else { return nil }
        return lastOutput + Execution.quiet
    }

    /// - Parameter hasUnread: there is output that has not been read.
    mutating func timePassed(now: UInt64, hasUnread: Bool) -> [Action] {
        if hasUnread { lastOutput = now }
        if let quietDue, quietDue <= now { return didClose(.stdout) }
        if let lingerDue, lingerDue <= now { return lingerPassed(now: now) }
        if let due, due <= now {
            self.due = nil
            // What has not started has no use for a grace.
            if phase == .starting, termination == nil { return terminate(.timedOut, grace: 0, now: now) }
            return termination == nil ? terminate(.timedOut, grace: limits.grace, now: now) : [.kill]
        }
        if let idleDue, idleDue <= now { return terminate(.idleTimeout, grace: limits.grace, now: now) }
        if let look = startLook, look <= now {
            startLook = now + Execution.startPatience
            return [.lookAtStart]
        }
        if let look = cpuLook, look <= now {
            cpuLook = nil
            return [.measureCPUTime]
        }
        return []
    }

    /// It is to be started: its time-out counts from here, as another process may hold its start up.
    mutating func willStart(now: UInt64) {
        requested = now
        due = limits.timeout.map { now + $0 }
        startLook = now + Execution.startPatience
    }

    /// The program has started: it has used nothing, and was not silent.
    mutating func startClocks(now: UInt64) {
        lastOutput = now
        guard termination == nil else { return }
        due = limits.timeout.map { (requested ?? now) + $0 }
        look(after: limits.cpuTime, now: now)
    }

    /// - Parameter used: nanoseconds of CPU time, by all its processes, living and reaped.
    mutating func measuredCPUTime(_ used: UInt64, now: UInt64) -> [Action] {
        guard phase == .running, termination == nil, let limit = limits.cpuTime else { return [] }
        guard used < limit else { return terminate(.cpuTimeLimit, grace: limits.grace, now: now) }
        look(after: limit - used, now: now)
        return []
    }

    /// All processors at once would take so long to use up what is left.
    private mutating func look(after left: UInt64?, now: UInt64) {
        guard let left else { return }
        cpuLook = now + max(left / processors, Execution.minLook)
    }
}
