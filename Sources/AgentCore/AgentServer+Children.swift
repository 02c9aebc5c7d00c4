// SPDX-License-Identifier: Apache-2.0

internal import CAgent
internal import Glibc

extension AgentServer {
    /// Forgets all supervisors, which have been reaped elsewhere.
    func forgetSupervisors() {
        supervisors = []
        connectors = []
        hasStrays = false
    }

    func takeSignals() {
        var info = signalfd_siginfo()
        while read(signals.raw, &info, MemoryLayout<signalfd_siginfo>.size) > 0 {
            if info.ssi_signo != UInt32(SIGCHLD) { stop(128 + Int32(info.ssi_signo)) }
        }
        let direct = executions.firstIndex { $0?.direct != nil }
        var exit: (WaitStatus, Usage)?
        var report = berth_report()
        while true {
            let pid = berth_reap(&report)
            guard pid > 0 else {
                if let direct { continueDirect(at: direct, exit, hasChildren: pid == 0) }
                break
            }
            if supervisors.remove(pid) != nil {
                connectors.remove(pid)
                forgetBackground(pid, report.status)
            } else if let direct, let reaped = executions[direct]?.direct?.reaped(pid, report) {
                exit = reaped
            }
        }
        killStrays()
        startConnectors()
    }

    /// - Parameter exit: how the program has just ended; nil if it has not.
    private func continueDirect(at place: Int, _ exit: (status: WaitStatus, usage: Usage)?, hasChildren: Bool) {
        guard let execution = executions[place] else { return }
        let last = execution.direct?.remains(sparing: supervisors, hasChildren: hasChildren)
        if let exit {
            let kills = execution.outOfMemoryKills(outOfMemory)
            let actions = execution.machine.exited(
                exit.status, exit.usage, outOfMemoryKills: kills, hasLeft: last == nil, now: monotonicNow())
            perform(actions, on: execution, at: place)
        }
        guard let usage = last else { return }
        execution.direct = nil
        let kills = execution.outOfMemoryKills(outOfMemory)
        perform(execution.machine.gone(usage, outOfMemoryKills: kills), on: execution, at: place)
    }

    private func forgetBackground(_ pid: pid_t, _ status: Int32) {
        guard let left = background.firstIndex(where: { $0.pid == pid }) else { return }
        background.remove(at: left)
        if status != 0 { hasStrays = true }
    }

    /// Kills the descendants of killed supervisors, which are children of the agent now, since they must not outlive
    /// their execution. Processes that a direct program has left can't be distinguished from them, and are also
    /// killed.
    func killStrays() {
        guard hasStrays else { return }
        var spared = Array(supervisors)
        for execution in executions {
            if let direct = execution?.direct, !direct.hasExited { spared.append(direct.pid) }
        }
        guard berth_signal_strays(spared, Int32(spared.count), SIGKILL, 0) == 0 else { return }
        hasStrays = false
        for (place, execution) in executions.enumerated() {
            guard let execution, execution.isLost else { continue }
            let kills = execution.outOfMemoryKills(outOfMemory)
            interpreterEnded(execution, .signalled(SIGKILL), Usage())
            perform(execution.machine.gone(nil, outOfMemoryKills: kills), on: execution, at: place)
        }
    }
}
