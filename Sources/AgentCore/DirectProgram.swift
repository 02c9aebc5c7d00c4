// SPDX-License-Identifier: Apache-2.0

internal import CAgent
internal import Glibc

/// A program that the agent has started itself, without a supervisor, which saves a process.
///
/// The agent is then the reaper of everything that descends from the program: all processes that are not below a supervisor.
/// So there is at most one such program, and it is started only when the container has no other process: between vfork and
/// exec a process of the same user could stop the child, and with it the agent, which waits for it.
struct DirectProgram {
    let pid: pid_t
    private let start: UInt64
    /// Whether it was reaped, after which another process may get its number.
    private(set) var hasExited = false
    private(set) var isKilling = false
    /// Usage of the processes that were reaped.
    private var usage = Usage()

    enum Attempt {
        case started(DirectProgram)
        case failed(stage: Int32, error: Int32)
    }

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
            return .started(DirectProgram(pid: pid, start: start))
        }
    }

    private init(pid: pid_t, start: UInt64) {
        self.pid = pid
        self.start = start
    }

    /// Sends a signal to its process group. No other group gets its number before the program is reaped.
    func signal(_ number: Int32) {
        if !hasExited { Glibc.kill(-pid, number) }
    }

    /// Sends TERM to all its processes.
    func terminate(sparing supervisors: Set<pid_t>) {
        signal(SIGTERM)
        signal(SIGCONT)
        // Without the group, which had its signal: a handler may not expect to run twice.
        _ = berth_signal_strays(Array(supervisors), Int32(supervisors.count), SIGTERM, pid)
    }

    /// Kills all its processes, now and until none is left.
    mutating func kill(sparing supervisors: Set<pid_t>) {
        isKilling = true
        signal(SIGKILL)
        _ = berth_signal_strays(Array(supervisors), Int32(supervisors.count), SIGKILL, 0)
    }

    /// A child of the agent was reaped that is not a supervisor.
    /// - Returns: if it was the program, how it ended, and the usage until now.
    mutating func reaped(_ child: pid_t, _ report: berth_report) -> (WaitStatus, Usage)? {
        usage.userMicroseconds += report.user_us
        usage.systemMicroseconds += report.system_us
        usage.peakMemoryBytes = max(usage.peakMemoryBytes, report.peak_memory_bytes)
        guard child == pid, !hasExited else { return nil }
        hasExited = true
        usage.wallMicroseconds = (monotonicNow() - start) / 1000
        return (WaitStatus(report.status), usage)
    }

    /// Must be called after children were reaped. If the program is being killed, it kills what is left.
    /// - Parameter hasChildren: whether the agent has children, or may have.
    /// - Returns: its usage, if none of its processes is left.
    func remains(sparing supervisors: Set<pid_t>, hasChildren: Bool) -> Usage? {
        guard hasExited else { return nil }
        guard hasChildren else { return usage }
        let signal = isKilling ? SIGKILL : 0
        return berth_signal_strays(Array(supervisors), Int32(supervisors.count), signal, 0) == 0 ? usage : nil
    }

    /// Nanoseconds of CPU time that it has used.
    func cpuTime(sparing supervisors: Set<pid_t>) -> UInt64 {
        let living = berth_cpu_time_of_strays(Array(supervisors), Int32(supervisors.count))
        return (living + usage.userMicroseconds + usage.systemMicroseconds) * 1000
    }
}

extension WaitStatus {
    /// - Parameter status: as returned by waitpid.
    init(_ status: Int32) {
        self =
            berth_did_exit(status) != 0 ? .exited(code: berth_exit_code(status)) : .signalled(berth_end_signal(status))
    }
}
