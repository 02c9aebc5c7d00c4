// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// An interpreter and its copies, with the one supervisor above all of them: a copy stays below the supervisor of its
/// original, since no other process can become its parent. So the supervisor separates the process trees of several programs.
final class Family {
    let supervisor: Supervisor
    /// All members, with a process or without one yet.
    var members: [RunningExecution]

    init(_ supervisor: consuming Supervisor, of first: RunningExecution) {
        self.supervisor = supervisor
        members = [first]
    }

    var raw: Int32 { supervisor.raw }

    func reports() -> [Supervisor.Report] { supervisor.reports() }

    func member(_ pid: pid_t) -> RunningExecution? {
        members.first { pid > 0 && pid_t(bitPattern: $0.pid) == pid }
    }

    /// 0 would mean the program that the supervisor has started.
    private func pid(of member: RunningExecution) -> pid_t? {
        member.supervisorPID > 0 && member.pid > 0 ? pid_t(bitPattern: member.pid) : nil
    }

    func signal(_ number: Int32, to member: RunningExecution) {
        if let pid = pid(of: member) { supervisor.signal(number, to: pid) }
    }

    func terminate(_ member: RunningExecution) {
        if let pid = pid(of: member) { supervisor.terminate(pid) }
    }

    func kill(_ member: RunningExecution) {
        if let pid = pid(of: member) { supervisor.kill(pid) }
    }
}
