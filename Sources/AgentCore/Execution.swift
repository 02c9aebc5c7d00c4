internal import Schema

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
        /// The program was reaped; what it left is being killed, or has its grace. Goes to `gone`.
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
    }

    enum Action: Equatable {
        case sendStarted(pid: UInt32)
        /// TERM to all of it.
        case terminate
        /// KILL to all of it.
        case kill
        /// A signal to the program's process group.
        case signal(Int32)
        /// No process is left: ask how much each pipe holds, and tell `sealed`.
        case seal
        case sendEnded(Agent.Ended)
    }

    /// What is known of one of the two output streams.
    private struct Output {
        /// Bytes read from the pipe.
        var offset: UInt64 = 0
        var isOpen = true
        /// Bytes that are still to come, once the execution is gone.
        var remaining: Int?
    }

    private(set) var phase = Phase.starting
    private(set) var termination: Termination?
    /// When `timePassed` is to be called; nil: not needed.
    private(set) var deadline: UInt64?
    /// Sent and not acknowledged.
    private(set) var outstanding: UInt64 = 0
    private let window: UInt64
    private let timeout: UInt64?
    private let grace: UInt64
    private var outputs = (stdout: Output(), stderr: Output())
    private var status: WaitStatus?
    private var usage = Usage()
    private var outOfMemoryKills: UInt64 = 0

    /// - Parameters:
    ///   - window: bytes that may be outstanding.
    ///   - timeoutMilliseconds: from the program's start; 0 is none.
    ///   - graceMilliseconds: between TERM and KILL; with 0, KILL comes at once.
    init(window: UInt64, timeoutMilliseconds: UInt64, graceMilliseconds: UInt64) {
        self.window = window
        timeout = timeoutMilliseconds == 0 ? nil : Execution.nanoseconds(timeoutMilliseconds)
        grace = Execution.nanoseconds(graceMilliseconds)
    }

    /// Milliseconds to nanoseconds; what would not fit becomes a hundred years.
    private static func nanoseconds(_ milliseconds: UInt64) -> UInt64 {
        min(milliseconds, 100 * 365 * 86_400_000) * 1_000_000
    }

    // MARK: The program

    mutating func started(pid: UInt32, now: UInt64) -> [Action] {
        guard phase == .starting else { return [] }
        phase = .running
        if termination == nil { deadline = timeout.map { now + $0 } }
        return [.sendStarted(pid: pid)]
    }

    mutating func startFailed(_ failure: StartFailure, _ message: String) -> [Action] {
        guard phase == .starting else { return [] }
        phase = .ended
        deadline = nil
        return [.sendEnded(Agent.Ended(cause: .startFailed, message: message, startFailure: failure))]
    }

    /// - Parameter wall: from the program's start to its end.
    mutating func exited(_ status: WaitStatus, wallMicroseconds: UInt64) {
        guard phase == .running else { return }
        phase = .exited
        self.status = status
        usage.wallMicroseconds = wallMicroseconds
        // What is left has the rest of its grace, if it was given one; the supervisor has killed it otherwise.
        if termination == nil { deadline = nil }
    }

    /// No process of it is left.
    /// - Parameter outOfMemoryKills: how many processes of the container the kernel killed for lack of memory meanwhile.
    mutating func gone(_ usage: Usage?, outOfMemoryKills: UInt64) -> [Action] {
        switch phase {
        case .gone, .ended: return []
        case .starting: return startFailed(.noResources, "the program's supervisor ended before the program started")
        case .running, .exited: break
        }
        phase = .gone
        deadline = nil
        self.outOfMemoryKills = outOfMemoryKills
        if var usage {
            usage.wallMicroseconds = self.usage.wallMicroseconds
            self.usage = usage
        }
        return [.seal]
    }

    /// What the pipes hold now that no process of the execution can write to them. More may come, from a process of
    /// another execution that got hold of a pipe, but belongs to no one.
    mutating func sealed(stdout: Int, stderr: Int) -> [Action] {
        guard phase == .gone else { return [] }
        seal(\.stdout, stdout)
        seal(\.stderr, stderr)
        if termination == .cancelled { abandonWhatHasNoCredit() }
        return endIfDrained()
    }

    private mutating func seal(_ output: WritableKeyPath<(stdout: Output, stderr: Output), Output>, _ count: Int) {
        guard outputs[keyPath: output].isOpen else { return }
        outputs[keyPath: output].remaining = count
        if count == 0 { outputs[keyPath: output].isOpen = false }
    }

    // MARK: Ended from outside

    mutating func timePassed(now: UInt64) -> [Action] {
        guard let due = deadline, due <= now else { return [] }
        deadline = nil
        guard termination != nil else { return terminate(.timedOut, grace: grace, now: now) }
        return [.kill]
    }

    mutating func cancel(graceMilliseconds: UInt64, now: UInt64) -> [Action] {
        let grace = Execution.nanoseconds(graceMilliseconds)
        switch phase {
        case .starting, .running:
            guard termination != nil else { return terminate(.cancelled, grace: grace, now: now) }
            return hurry(grace: grace, now: now)
        case .exited:
            // It ended by itself, and that is its cause. Only what it wrote and nobody acknowledges is given up.
            guard termination != nil else {
                termination = .cancelled
                return []
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
        phase == .running ? [.signal(number)] : []
    }

    private mutating func terminate(_ reason: Termination, grace: UInt64, now: UInt64) -> [Action] {
        termination = reason
        isEndedFromOutside = true
        guard grace > 0 else {
            deadline = nil
            return [.kill]
        }
        deadline = now + grace
        return [.terminate]
    }

    /// It ends now, whatever of it is left: the container is being reset. What it wrote and nobody has read is only
    /// counted.
    /// - Parameter stdout: bytes that are still in the pipe; likewise `stderr`.
    mutating func discard(stdout: Int, stderr: Int) -> [Action] {
        switch phase {
        case .starting, .running:
            termination = termination ?? .cancelled
            isEndedFromOutside = true
        case .exited, .gone: break
        case .ended: return []
        }
        phase = .ended
        deadline = nil
        for (stream, count) in [(OutputStream.stdout, stdout), (.stderr, stderr)] where self[stream].isOpen {
            self[stream].offset += UInt64(self[stream].remaining ?? count)
            self[stream].isOpen = false
        }
        var ended = ended
        if ended.cause == .cancelled { ended.message = "the container is being reset" }
        return [.sendEnded(ended)]
    }

    /// A second end may come sooner than the first, never later.
    private mutating func hurry(grace: UInt64, now: UInt64) -> [Action] {
        guard let due = deadline, now + grace < due else { return [] }
        guard grace > 0 else {
            deadline = nil
            return [.kill]
        }
        deadline = now + grace
        return []
    }

    /// The program was running when its termination began; then that is the cause of its end.
    private var isEndedFromOutside = false

    // MARK: Output

    /// Bytes that may be read from a stream's pipe now; 0: its pipe is not to be read.
    func allowance(_ stream: OutputStream) -> Int {
        guard phase != .starting, phase != .ended else { return 0 }
        let output = self[stream]
        guard output.isOpen else { return 0 }
        let credit = Int(min(window - outstanding, UInt64(SendBuffer.maxChunk)))
        return min(credit, output.remaining ?? SendBuffer.maxChunk)
    }

    /// Bytes read from a stream before now.
    func offset(_ stream: OutputStream) -> UInt64 { self[stream].offset }

    mutating func didSend(_ count: Int, of stream: OutputStream) -> [Action] {
        outstanding += UInt64(count)
        self[stream].offset += UInt64(count)
        if let remaining = self[stream].remaining {
            self[stream].remaining = remaining - count
            if remaining == count { self[stream].isOpen = false }
        }
        if phase == .gone, termination == .cancelled { abandonWhatHasNoCredit() }
        return endIfDrained()
    }

    /// The end of a stream: no writer is left.
    mutating func didClose(_ stream: OutputStream) -> [Action] {
        self[stream].isOpen = false
        return endIfDrained()
    }

    /// - Returns: false when more is acknowledged than was outstanding; then nothing has changed.
    mutating func acknowledge(_ bytes: UInt64) -> Bool {
        guard bytes <= outstanding else { return false }
        outstanding -= bytes
        return true
    }

    /// Nobody reads on who cancelled: the window is not waited for. The byte counts say what was lost.
    private mutating func abandonWhatHasNoCredit() {
        guard outstanding == window else { return }
        for stream in OutputStream.allCases {
            guard self[stream].isOpen, let remaining = self[stream].remaining else { continue }
            self[stream].offset += UInt64(remaining)
            self[stream].isOpen = false
        }
    }

    private subscript(stream: OutputStream) -> Output {
        get { stream == .stdout ? outputs.stdout : outputs.stderr }
        set { if stream == .stdout { outputs.stdout = newValue } else { outputs.stderr = newValue } }
    }

    // MARK: The end

    private mutating func endIfDrained() -> [Action] {
        guard phase == .gone, !outputs.stdout.isOpen, !outputs.stderr.isOpen else { return [] }
        phase = .ended
        return [.sendEnded(ended)]
    }

    private var ended: Agent.Ended {
        var ended = Agent.Ended(
            cause: .exited, wallMicroseconds: usage.wallMicroseconds, userMicroseconds: usage.userMicroseconds,
            systemMicroseconds: usage.systemMicroseconds, peakMemoryBytes: usage.peakMemoryBytes,
            stdoutBytes: outputs.stdout.offset, stderrBytes: outputs.stderr.offset)
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
        if isEndedFromOutside {
            ended.cause = termination == .timedOut ? .timedOut : .cancelled
        } else if outOfMemoryKills > 0, ended.cause == .signalled || ended.exitCode != 0 {
            ended.cause = .outOfMemory
            ended.message = "the kernel killed \(outOfMemoryKills) of the container's processes for lack of memory"
        }
        return ended
    }
}

/// An execution's output streams; the raw values are the wire's.
enum OutputStream: UInt32, CaseIterable {
    case stdout = 0
    case stderr = 1
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
