// SPDX-License-Identifier: Apache-2.0

internal import CAgent
internal import Glibc

/// A program that is a child of the agent, without a supervisor, which saves a process.
///
/// The agent is then the reaper of everything that descends from the program. One that the agent executes is started only
/// when the container has no other process: between vfork and exec a process of the same user could stop the child, and with
/// it the agent, which waits for it. Those that a zygote forks may be several, and are distinguished by their marks.
struct DirectProgram {
    let pid: pid_t
    /// The mark of everything that it starts.
    let mark: UInt64
    private let start: UInt64
    /// Whether it was reaped, after which another process may get its number.
    private(set) var hasExited = false
    private(set) var isKilling = false
    /// How it has ended, until that is taken.
    private var exit: WaitStatus?
    /// Usage of the processes that were reaped.
    private var usage = Usage()

    enum Attempt {
        case started(DirectProgram)
        case failed(stage: Int32, error: Int32)
    }

    /// The agent's own mark, which programs inherit that it executes.
    private static let ownMark = berth_mark_of(getpid())

    /// Starts it. The program's ends of its pipes stay open here; the caller closes them.
    static func start(
        _ program: Program, oomScore: String?, input: Int32, output: Int32, error: Int32
    ) -> Attempt {
        let start = monotonicNow()
        return program.withC(oomScore: oomScore) { c in
            c.input = input
            c.output = output
            c.error = error
            c.control = -1
            c.context = -1
            var failure = berth_failure()
            let pid = berth_start(&c, &failure)
            if pid < 0 { return .failed(stage: failure.stage, error: failure.error) }
            return .started(DirectProgram(pid: pid, mark: ownMark, start: start))
        }
    }

    /// A process that something else has started, and that is, or soon will be, a child of the agent.
    /// - Parameter start: when it began.
    init(pid: pid_t, mark: UInt64, start: UInt64) {
        self.pid = pid
        self.mark = mark
        self.start = start
    }

    /// Sends a signal to its process group. No other group gets its number before the program is reaped.
    func signal(_ number: Int32) {
        if !hasExited { Glibc.kill(-pid, number) }
    }

    /// Sends TERM to all its processes.
    func terminate(_ strays: Strays) {
        signal(SIGTERM)
        signal(SIGCONT)
        // Without the group, which had its signal: a handler may not expect to run twice.
        _ = strays.signal(SIGTERM, except: pid)
    }

    /// Kills all its processes, now and until none is left.
    mutating func kill(_ strays: Strays) {
        isKilling = true
        signal(SIGKILL)
        _ = strays.signal(SIGKILL)
    }

    /// A child of the agent was reaped that may belong to it.
    mutating func reaped(_ child: pid_t, _ report: berth_report) {
        usage.userMicroseconds += report.user_us
        usage.systemMicroseconds += report.system_us
        usage.peakMemoryBytes = max(usage.peakMemoryBytes, report.peak_memory_bytes)
        guard child == pid, !hasExited else { return }
        hasExited = true
        exit = WaitStatus(report.status)
        usage.wallMicroseconds = (monotonicNow() - start) / 1000
    }

    /// How it has ended, and its usage until now; once.
    mutating func takeExit() -> (status: WaitStatus, usage: Usage)? {
        exit.take().map { ($0, usage) }
    }

    /// Must be called after children were reaped. If the program is being killed, it kills what is left.
    /// - Parameter strays: its processes; nil if the agent has no children.
    /// - Returns: its usage, if none of its processes is left.
    func remains(_ strays: @autoclosure () -> Strays?) -> Usage? {
        guard hasExited else { return nil }
        guard let strays = strays() else { return usage }
        return strays.signal(isKilling ? SIGKILL : 0) == 0 ? usage : nil
    }

    /// Nanoseconds of CPU time that it has used.
    func cpuTime(_ strays: Strays) -> UInt64 {
        (strays.cpuTime + usage.userMicroseconds + usage.systemMicroseconds) * 1000
    }
}

extension WaitStatus {
    /// - Parameter status: as returned by waitpid.
    init(_ status: Int32) {
        self =
            berth_did_exit(status) != 0 ? .exited(code: berth_exit_code(status)) : .signalled(berth_end_signal(status))
    }
}
