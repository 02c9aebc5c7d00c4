// SPDX-License-Identifier: Apache-2.0

package import AgentSchema
package import BerthSchema

/// The state machine of an execution, without descriptors and processes: events go in, actions come out.
///
/// Times are in nanoseconds of the monotonic clock.
package struct ExecutionStateMachine {
    /// The phases. A reset (`discard`) ends all of them.
    package enum Phase: Equatable {
        /// The supervisor has not reported yet. Goes to `running`, or to `ended` if the program does not start.
        case starting
        /// The program runs. Goes to `exited`, or to `gone` if its supervisor is lost.
        case running
        /// The program was reaped. Processes that it left may still write (`linger`), are being killed, or have their
        /// grace. Goes to `gone`.
        case exited
        /// No process is left. The output that is still in the pipes is sent. Goes to `ended`.
        case gone
        /// `Ended` was sent. Final.
        case ended
    }

    /// Why it is being ended from outside.
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

    package enum Action: Equatable {
        case sendStarted(pid: UInt32)
        /// Send TERM to all its processes.
        case terminate
        /// Send KILL to all its processes.
        case kill
        /// Send a signal to the process group of the program.
        case signal(Int32)
        /// It should have started by now: if a process has stopped it on the way, kill it and call `startFailed`.
        case lookAtStart
        /// The processes that it has left are silent: check whether any of them runs, and call `lookedAtLeft`.
        case lookAtLeft
        /// Measure the CPU time of its processes, and call `measuredCPUTime`.
        case measureCPUTime
        /// Detach the processes that the program has left, which live on.
        case detach
        /// No process of it writes any more: determine how much each pipe holds, and call `sealed`.
        case seal
        case sendEnded(Agent.Ended)
    }

    package var phase = Phase.starting
    var termination: Termination?
    /// The cause of the end, if it is not the way in which the program ended.
    var cause: EndCause?
    /// When its time-out or its grace is over.
    var due: UInt64?
    /// When it was requested, if that is known.
    var requested: UInt64?
    /// When to check its start.
    var startLook: UInt64?
    /// Set while processes that it has left may go on writing.
    var linger: Linger?
    /// When to check its CPU time.
    var cpuLook: UInt64?
    /// When output was last read, or there was credit again.
    var lastOutput: UInt64 = 0
    /// Bytes that were sent and not acknowledged.
    package var outstanding: UInt64 = 0
    var outputs = (stdout: Output(), stderr: Output())
    /// For a piece of code: bytes of its events that were sent.
    var eventBytes: UInt64 = 0
    /// For a piece of code: whether its interpreter has ended with it.
    var isContextLost = false
    /// Why the agent killed an interpreter, if it did so because of a piece of code.
    var lossWords: String?
    package let limits: Limits
    /// Number of processors that can run its processes.
    let processors: UInt64
    private var status: WaitStatus?
    private var usage = Usage()
    private var outOfMemoryKills: UInt64 = 0

    package init(_ limits: Limits, processors: UInt64 = 1) {
        self.limits = limits
        self.processors = max(processors, 1)
        outputs.stderr.isOpen = !limits.hasOneStream
    }

    // MARK: The program

    package mutating func started(pid: UInt32, now: UInt64) -> [Action] {
        guard phase == .starting else { return [] }
        phase = .running
        startLook = nil
        startClocks(now: now)
        return [.sendStarted(pid: pid)]
    }

    package mutating func startFailed(_ failure: StartFailure, _ message: String) -> [Action] {
        guard phase == .starting else { return [] }
        phase = .ended
        due = nil
        startLook = nil
        return [.sendEnded(Agent.Ended(cause: .startFailed, message: message, startFailure: failure))]
    }

    /// The program has ended. Processes that it has left have the rest of a grace, if one has begun. Otherwise they may
    /// go on writing for a moment, and are then killed or kept.
    /// - Parameters:
    ///   - usage: the usage until now; the wall time is from the program's start to its end.
    ///   - outOfMemoryKills: how many processes of the container the kernel killed for lack of memory meanwhile.
    ///   - hasLeft: whether it has left processes; otherwise `gone` follows at once.
    package mutating func exited(
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

    /// No process of the execution is left.
    /// - Parameter outOfMemoryKills: how many processes of the container the kernel killed for lack of memory
    ///   meanwhile.
    package mutating func gone(_ usage: Usage?, outOfMemoryKills: UInt64) -> [Action] {
        switch phase {
        case .gone, .ended: return []
        case .starting where termination == nil:
            return startFailed(.noResources, "the program's supervisor ended before the program started")
        case .starting:
            // It was ended before its start, so there is no output.
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

    package mutating func cancel(graceMilliseconds: UInt64, now: UInt64) -> [Action] {
        let grace = Limits.nanoseconds(graceMilliseconds)
        switch phase {
        case .starting, .running:
            guard termination != nil else { return terminate(.cancelled, grace: grace, now: now) }
            return hurry(grace: grace, now: now)
        case .exited:
            // The program ended by itself, and keeps that cause. Only processes that it left, and unacknowledged
            // output, are given up.
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

    package mutating func signal(_ number: Int32) -> [Action] {
        // Before the start, the supervisor keeps the signal until then.
        phase == .running || phase == .starting ? [.signal(number)] : []
    }

    mutating func terminate(_ reason: Termination, grace: UInt64, now: UInt64) -> [Action] {
        termination = reason
        // The program was running when its end was decided, so this is the cause.
        cause = cause ?? reason.cause
        cpuLook = nil
        guard grace > 0 else {
            due = nil
            return [.kill]
        }
        due = now + grace
        return [.terminate]
    }

    /// Ends the execution now, because the container is being reset. Unread output is only counted.
    /// - Parameter stdout: bytes that are still in the pipe; likewise `stderr`.
    package mutating func discard(stdout: Int, stderr: Int) -> [Action] {
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

    /// A second cancel may shorten the grace of the first, but not extend it.
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
            // The supervisor was killed, and the program with it.
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
package enum WaitStatus: Equatable {
    case exited(code: Int32)
    case signalled(Int32)
}

/// Usage of an execution: CPU time of all its processes, and the largest resident set of any of them.
package struct Usage: Equatable {
    package var wallMicroseconds: UInt64 = 0
    package var userMicroseconds: UInt64 = 0
    package var systemMicroseconds: UInt64 = 0
    package var peakMemoryBytes: UInt64 = 0

    package init(
        wallMicroseconds: UInt64 = 0, userMicroseconds: UInt64 = 0, systemMicroseconds: UInt64 = 0,
        peakMemoryBytes: UInt64 = 0
    ) {
        self.wallMicroseconds = wallMicroseconds
        self.userMicroseconds = userMicroseconds
        self.systemMicroseconds = systemMicroseconds
        self.peakMemoryBytes = peakMemoryBytes
    }
}
