// SPDX-License-Identifier: Apache-2.0

internal import AgentSchema
internal import BerthSchema

/// One execution, without its descriptors and processes: what happens goes in, what to do comes out.
///
/// Times are nanoseconds of one monotonic clock.
struct Execution {
    /// Where it stands.
    enum Phase: Equatable {
        /// The supervisor has not reported yet. Goes to `running`, or to `ended` when the program did not start.
        case starting
        /// The program runs. Goes to `exited`; to `gone` if its supervisor is lost.
        case running
        /// The program was reaped; what it left may still write (`linger`), is being killed, or has its grace. Goes to
        /// `gone`.
        case exited
        /// No process is left. What the pipes still hold is sent, then it goes to `ended`.
        case gone
        /// Ended was sent. Final.
        case ended
    }

    /// Why it is being ended from outside, if it is.
    enum Termination: Equatable {
        case timedOut
        case cancelled
        case outputLimit
        case idleTimeout
        case cpuTimeLimit

        var cause: EndCause {
            switch self {
            case .timedOut: .timedOut
            case .cancelled: .cancelled
            case .outputLimit: .outputLimit
            case .idleTimeout: .idleTimeout
            case .cpuTimeLimit: .cpuTimeLimit
            }
        }
    }

    enum Action: Equatable {
        case sendStarted(pid: UInt32)
        /// TERM to all of it.
        case terminate
        /// KILL to all of it.
        case kill
        /// A signal to the program's process group.
        case signal(Int32)
        /// It should have started by now: if it was stopped on the way, kill it, and tell `startFailed`.
        case lookAtStart
        /// What it has left has been silent: see whether any of that runs, and tell `lookedAtLeft`.
        case lookAtLeft
        /// Measure what its processes have used, and tell `measuredCPUTime`.
        case measureCPUTime
        /// What the program has left is no longer the execution's, and lives on.
        case detach
        /// Nothing of it writes any more: ask how much each pipe holds, and tell `sealed`.
        case seal
        case sendEnded(Agent.Ended)
    }

    var phase = Phase.starting
    var termination: Termination?
    /// Why it ended, where that is not how the program did.
    var cause: EndCause?
    /// When its time is up, or its grace.
    var due: UInt64?
    /// When it was asked for, if that was told.
    var requested: UInt64?
    /// When its start is to be looked at.
    var startLook: UInt64?
    /// What it has left may go on writing.
    var linger: Linger?
    /// When its CPU time is to be looked at.
    var cpuLook: UInt64?
    /// When output was last read, or could be written again.
    var lastOutput: UInt64 = 0
    /// Sent and not acknowledged.
    var outstanding: UInt64 = 0
    var outputs = (stdout: Output(), stderr: Output())
    /// Of a piece of code: bytes of its events that were sent.
    var eventBytes: UInt64 = 0
    /// Of a piece of code: its interpreter has ended with it.
    var isContextLost = false
    /// Why the agent killed an interpreter, where it did so for something that was done there.
    var lossWords: String?
    let limits: Limits
    /// That can run its processes at once.
    let processors: UInt64
    private var status: WaitStatus?
    private var usage = Usage()
    private var outOfMemoryKills: UInt64 = 0

    init(_ limits: Limits, processors: UInt64 = 1) {
        self.limits = limits
        self.processors = max(processors, 1)
        outputs.stderr.isOpen = !limits.hasOneStream
    }

    // MARK: The program

    mutating func started(pid: UInt32, now: UInt64) -> [Action] {
        guard phase == .starting else { return [] }
        phase = .running
        startLook = nil
        startClocks(now: now)
        return [.sendStarted(pid: pid)]
    }

    mutating func startFailed(_ failure: StartFailure, _ message: String) -> [Action] {
        guard phase == .starting else { return [] }
        phase = .ended
        due = nil
        startLook = nil
        return [.sendEnded(Agent.Ended(cause: .startFailed, message: message, startFailure: failure))]
    }

    /// The program has ended. What it has left has the rest of its grace if it was given one; else it may go on writing for
    /// a moment, and is then killed, or kept.
    /// - Parameters:
    ///   - usage: until now; its wall time is from the program's start to its end.
    ///   - outOfMemoryKills: how many processes of the container the kernel killed for lack of memory meanwhile.
    ///   - hasLeft: it has left processes; else `gone` follows at once.
    mutating func exited(
        _ status: WaitStatus, _ usage: Usage, outOfMemoryKills: UInt64, hasLeft: Bool, now: UInt64
    ) -> [Action] {
        guard phase == .running else { return [] }
        phase = .exited
        self.status = status
        self.usage = usage
        self.outOfMemoryKills = outOfMemoryKills
        cpuLook = nil
        guard termination == nil, hasLeft else { return [] }
        beginLinger(now: now)
        return endLingerIfClosed()
    }

    /// No process of it is left.
    /// - Parameter outOfMemoryKills: how many processes of the container the kernel killed for lack of memory meanwhile.
    mutating func gone(_ usage: Usage?, outOfMemoryKills: UInt64) -> [Action] {
        switch phase {
        case .gone, .ended: return []
        case .starting where termination == nil:
            return startFailed(.noResources, "the program's supervisor ended before the program started")
        case .starting:
            // Ended before its start: it has written nothing.
            phase = .ended
            startLook = nil
            return [.sendEnded(ended)]
        case .running, .exited: break
        }
        phase = .gone
        due = nil
        linger = nil
        self.outOfMemoryKills = outOfMemoryKills
        if var usage {
            usage.wallMicroseconds = self.usage.wallMicroseconds
            self.usage = usage
        }
        return [.seal]
    }

    // MARK: Ended from outside

    mutating func cancel(graceMilliseconds: UInt64, now: UInt64) -> [Action] {
        let grace = Limits.nanoseconds(graceMilliseconds)
        switch phase {
        case .starting, .running:
            guard termination != nil else { return terminate(.cancelled, grace: grace, now: now) }
            return hurry(grace: grace, now: now)
        case .exited:
            // It ended by itself, and that is its cause. Only what it wrote and nobody acknowledges is given up.
            guard termination != nil else {
                termination = .cancelled
                return linger == nil ? [] : endLinger()
            }
            return hurry(grace: grace, now: now)
        case .gone:
            termination = .cancelled
            abandonWhatHasNoCredit()
            return endIfDrained()
        case .ended:
            return []
        }
    }

    mutating func signal(_ number: Int32) -> [Action] {
        // Before the start, its supervisor keeps it until then.
        phase == .running || phase == .starting ? [.signal(number)] : []
    }

    mutating func terminate(_ reason: Termination, grace: UInt64, now: UInt64) -> [Action] {
        termination = reason
        // The program was running when its end was decided: then that is why it ended.
        cause = cause ?? reason.cause
        cpuLook = nil
        guard grace > 0 else {
            due = nil
            return [.kill]
        }
        due = now + grace
        return [.terminate]
    }

    /// It ends now, whatever of it is left: the container is being reset. What it wrote and nobody has read is only
    /// counted.
    /// - Parameter stdout: bytes that are still in the pipe; likewise `stderr`.
    mutating func discard(stdout: Int, stderr: Int) -> [Action] {
        switch phase {
        case .starting, .running:
            termination = termination ?? .cancelled
            cause = cause ?? .cancelled
        case .exited, .gone: break
        case .ended: return []
        }
        phase = .ended
        due = nil
        linger = nil
        startLook = nil
        for (stream, count) in [(OutputStream.stdout, stdout), (.stderr, stderr)] where self[stream].isOpen {
            self[stream].produced += UInt64(min(count, self[stream].remaining ?? .max))
            self[stream].isOpen = false
        }
        var ended = ended
        if ended.cause == .cancelled { ended.message = "the container is being reset" }
        return [.sendEnded(ended)]
    }

    /// A second end may come sooner than the first, never later.
    private mutating func hurry(grace: UInt64, now: UInt64) -> [Action] {
        guard let due, now + grace < due else { return [] }
        guard grace > 0 else {
            self.due = nil
            return [.kill]
        }
        self.due = now + grace
        return []
    }

    // MARK: The end

    mutating func endIfDrained() -> [Action] {
        guard phase == .gone, !outputs.stdout.isOpen, !outputs.stderr.isOpen else { return [] }
        phase = .ended
        return [.sendEnded(ended)]
    }

    private var ended: Agent.Ended {
        var ended = Agent.Ended(
            cause: .exited, wallMicroseconds: usage.wallMicroseconds, userMicroseconds: usage.userMicroseconds,
            systemMicroseconds: usage.systemMicroseconds, peakMemoryBytes: usage.peakMemoryBytes,
            stdoutBytes: outputs.stdout.produced, stderrBytes: outputs.stderr.produced,
            stdoutTruncated: outputs.stdout.produced - outputs.stdout.sent,
            stderrTruncated: outputs.stderr.produced - outputs.stderr.sent, outOfMemoryKills: outOfMemoryKills)
        switch status {
        case .exited(let code):
            ended.exitCode = code
        case .signalled(let signal):
            ended.cause = .signalled
            ended.signal = signal
        case nil:
            // Its supervisor was killed, and it with that.
            ended.cause = .signalled
            ended.signal = 9
            ended.message = "the program's supervisor was killed"
        }
        ended.isContextLost = isContextLost
        if let cause {
            ended.cause = cause
            ended.message = words(for: cause)
            if isContextLost { ended.message += wordsForLoss }
        } else if let lossWords, outOfMemoryKills == 0 {
            ended.cause = .contextLost
            ended.message = "the context was killed: \(lossWords)"
        } else if outOfMemoryKills > 0, ended.cause == .signalled || ended.exitCode != 0 {
            ended.cause = .outOfMemory
            ended.message = "the kernel killed \(outOfMemoryKills) of the container's processes for lack of memory"
        }
        return ended
    }
}

/// How a program ended.
enum WaitStatus: Equatable {
    case exited(code: Int32)
    case signalled(Int32)
}

/// What an execution used: CPU time of all its processes, the largest resident set of any one.
struct Usage: Equatable {
    var wallMicroseconds: UInt64 = 0
    var userMicroseconds: UInt64 = 0
    var systemMicroseconds: UInt64 = 0
    var peakMemoryBytes: UInt64 = 0
}
