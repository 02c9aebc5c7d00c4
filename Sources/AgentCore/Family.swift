// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// An interpreter and its copies, and the supervisor below which all of them are. Who forks decides whose child the copy is:
/// no other process could become its parent. So the supervisor tells the trees of several programs apart.
final class Family {
    let supervisor: Supervisor
    /// Those that have a process, and those that are to have one.
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

    /// 0 would be the one that the supervisor has started.
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
