// SPDX-License-Identifier: Apache-2.0

internal import CAgent
internal import Glibc

/// A program that the agent has started itself, without a supervisor: the short way, which saves a process.
///
/// The agent is then the reaper of all that descends from it: whatever is not below one of the agent's supervisors. So
/// there is one at most, and it begins when nothing else is in the container: between vfork and exec the child could be
/// stopped by a process of its user, and the agent, which waits for it, with it.
struct DirectProgram {
    let pid: pid_t
    private let start: UInt64
    /// It is reaped: its number may be another's.
    private(set) var hasExited = false
    private(set) var isKilling = false
    /// Of what was reaped.
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

    /// A signal to its process group. The group's number is not given to another while the program is not reaped.
    func signal(_ number: Int32) {
        if !hasExited { Glibc.kill(-pid, number) }
    }

    /// TERM to all of it.
    func terminate(sparing supervisors: Set<pid_t>) {
        signal(SIGTERM)
        signal(SIGCONT)
        // Those in the group have had theirs: a handler that runs twice may not be what it expects.
        _ = berth_signal_strays(Array(supervisors), Int32(supervisors.count), SIGTERM, pid)
    }

    /// KILL to all of it, now and until none is left.
    mutating func kill(sparing supervisors: Set<pid_t>) {
        isKilling = true
        signal(SIGKILL)
        _ = berth_signal_strays(Array(supervisors), Int32(supervisors.count), SIGKILL, 0)
    }

    /// A child of the agent was reaped that is no supervisor.
    /// - Returns: how the program ended, if it was the program, and what was used until now.
    mutating func reaped(_ child: pid_t, _ report: berth_report) -> (WaitStatus, Usage)? {
        usage.userMicroseconds += report.user_us
        usage.systemMicroseconds += report.system_us
        usage.peakMemoryBytes = max(usage.peakMemoryBytes, report.peak_memory_bytes)
        guard child == pid, !hasExited else { return nil }
        hasExited = true
        usage.wallMicroseconds = (monotonicNow() - start) / 1000
        return (WaitStatus(report.status), usage)
    }

    /// To be asked after children were reaped: kills on, if it is being killed.
    /// - Parameter hasChildren: the agent has any, or may have.
    /// - Returns: what it has used, when nothing of it is left.
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
    /// - Parameter status: as waitpid gives it.
    init(_ status: Int32) {
        self =
            berth_did_exit(status) != 0 ? .exited(code: berth_exit_code(status)) : .signalled(berth_end_signal(status))
    }
}
