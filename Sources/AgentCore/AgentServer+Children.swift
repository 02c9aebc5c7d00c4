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
        // Else a program that a zygote has forked could be reaped before it is known.
        lookAtNewborns()
        var report = berth_report()
        while true {
            let pid = berth_reap(&report)
            guard pid > 0 else {
                continueDirects(hasChildren: pid == 0)
                break
            }
            if supervisors.remove(pid) != nil {
                connectors.remove(pid)
                forgetBackground(pid, report.status)
            } else if !zygoteHasEnded(pid) {
                reapDirect(pid, report)
            }
        }
        killStrays()
        startConnectors()
    }

    /// A child was reaped that is no supervisor. What a program has left is counted for it only while there is no other.
    private func reapDirect(_ pid: pid_t, _ report: berth_report) {
        var only: RunningExecution?
        var count = 0
        for execution in executions {
            guard let execution, let direct = execution.direct else { continue }
            guard direct.hasExited || direct.pid != pid else {
                execution.direct?.reaped(pid, report)
                return
            }
            only = execution
            count += 1
        }
        if count == 1 { only?.direct?.reaped(pid, report) }
    }

    /// - Parameter hasChildren: whether the agent has children.
    private func continueDirects(hasChildren: Bool) {
        for place in executions.indices {
            guard let execution = executions[place], execution.direct != nil else { continue }
            let last = execution.direct?.remains(hasChildren ? strays(of: execution) : nil)
            if let exit = execution.direct?.takeExit() {
                let kills = execution.outOfMemoryKills(outOfMemory)
                interpreterEnded(execution, exit.status, exit.usage)
                let actions = execution.machine.exited(
                    exit.status, exit.usage, outOfMemoryKills: kills, hasLeft: last == nil, now: monotonicNow())
                perform(actions, on: execution, at: place)
            }
            guard let usage = last else { continue }
            execution.direct = nil
            let kills = execution.outOfMemoryKills(outOfMemory)
            perform(execution.machine.gone(usage, outOfMemoryKills: kills), on: execution, at: place)
        }
    }

    /// The processes of a direct program; of nil, those that belong to nobody.
    func strays(of execution: RunningExecution?) -> Strays {
        var strays = Strays(spared: Array(supervisors))
        spareZygotes(&strays)
        var others = 0
        for other in executions {
            guard let direct = other?.direct, other !== execution else { continue }
            others += 1
            if !direct.hasExited { strays.spared.append(direct.pid) }
        }
        // A process that hides from this, by another mark, ends with the last program.
        if others > 0, let direct = execution?.direct {
            strays.program = direct.pid
            strays.mark = direct.mark
        }
        return strays
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
        guard hasStrays, strays(of: nil).signal(SIGKILL) == 0 else { return }
        hasStrays = false
        for (place, execution) in executions.enumerated() {
            guard let execution, execution.isLost else { continue }
            let kills = execution.outOfMemoryKills(outOfMemory)
            interpreterEnded(execution, .signalled(SIGKILL), Usage())
            perform(execution.machine.gone(nil, outOfMemoryKills: kills), on: execution, at: place)
        }
    }
}
