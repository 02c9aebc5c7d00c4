// SPDX-License-Identifier: Apache-2.0

internal import AgentSchema
internal import BerthSchema
internal import BerthWire
internal import CAgent
internal import Glibc

extension AgentServer {
    func perform(_ actions: [ExecutionStateMachine.Action], on execution: RunningExecution, at place: Int) {
        for action in actions {
            switch action {
            case .sendStarted(let pid):
                sendBuffer.append(
                    Agent.ExecuteEvent.started(Agent.Started(pid: pid, isWarm: execution.isWarm)), type: .data,
                    streamID: execution.streamID)
            case .terminate where execution.isUnborn, .kill where execution.isUnborn: endUnborn(execution, at: place)
            case .terminate:
                // The piece that the interpreter runs ends with it.
                piece(of: execution)?.execution.machine.contextCloses()
                execution.terminate(strays(of: execution))
            case .kill: execution.kill(strays(of: execution.host ?? execution))
            case .signal(let number): execution.signal(number)
            case .lookAtStart:
                guard execution.killStoppedStart() else { break }
                let message = "the start of \(execution.program.arguments.first ?? "") was stopped by another program"
                perform(execution.machine.startFailed(.noResources, message), on: execution, at: place)
            case .lookAtLeft:
                let runs = execution.runs(strays(of: execution))
                perform(execution.machine.lookedAtLeft(runs: runs, now: monotonicNow()), on: execution, at: place)
            case .measureCPUTime:
                let used = execution.cpuTime(strays(of: execution))
                perform(execution.machine.measuredCPUTime(used, now: monotonicNow()), on: execution, at: place)
            case .detach:
                // If the supervisor has been reaped, nothing is left.
                if let left = execution.detach(from: epoll), supervisors.contains(left.pid) { background.append(left) }
            case .seal:
                endInput(of: execution)
                perform(execution.seal(sendBuffer), on: execution, at: place)
            case .sendEnded(var ended):
                executions[place] = nil
                leaveFamily(execution)
                // Not while the program runs, with which a fork would compete.
                if execution.isWarm { wantsSpares = true }
                if execution.context != nil { contextCount -= 1 }
                endInput(of: execution)
                execution.host?.context?.pieceEnded()
                execution.tellNeverReady(&ended)
                keepPipes(of: execution)
                ended.message = ended.message.clipped(toUTF8: SendBuffer.maxEndSize / 2)
                sendBuffer.append(Agent.ExecuteEvent.ended(ended), type: .data, streamID: execution.streamID)
                sendBuffer.append(Empty(), type: .data, flags: [.remoteClosed, .noData], streamID: execution.streamID)
            }
        }
    }

    func takeReports(of execution: RunningExecution, at place: Int) {
        let family = execution.family
        let reports = execution.reports()
        for (index, report) in reports.enumerated() {
            var (execution, place) = (execution, place)
            if let family, !report.isLost {
                // Else of one that has ended for its caller.
                guard let member = family.member(report.pid), let at = executions.firstIndex(where: { $0 === member })
                else { continue }
                (execution, place) = (member, at)
            }
            let actions: [ExecutionStateMachine.Action]
            switch report.kind {
            case .started where execution.isUnborn:
                copyHasStarted(execution)
                continue
            case .failed where execution.isUnborn:
                let words = "the copy ended before it took any code"
                actions = execution.machine.startFailed(.noResources, words)
            case .started:
                execution.pid = UInt32(bitPattern: report.pid)
                actions = execution.machine.started(pid: execution.pid, now: monotonicNow())
                // `started` is sent when the interpreter says that it is ready.
                if let context = execution.context {
                    context.flush()
                    tellReady(execution)
                    continue
                }
            case .failed(let stage, let error):
                let (failure, message) = execution.program.failure(stage: stage, error: error)
                actions = execution.machine.startFailed(failure, message)
            case .exited(let status, let usage):
                let kills = execution.outOfMemoryKills(outOfMemory)
                interpreterEnded(execution, status, usage)
                actions = execution.machine.exited(
                    status, usage, outOfMemoryKills: kills,
                    hasLeft: !reports[index...].contains { $0.isGone && $0.pid == report.pid },
                    now: monotonicNow())
            case .gone(let usage):
                if family == nil { execution.dropSupervisor(isLost: false) }
                actions = execution.machine.gone(usage, outOfMemoryKills: execution.outOfMemoryKills(outOfMemory))
            case .lost:
                // Its end, right after its last report, is none of that kind.
                let members = family?.members ?? [execution]
                guard members.contains(where: { $0.machine.phase != .gone && $0.machine.phase != .ended }) else {
                    return
                }
                supervisors.remove(family?.supervisor.pid ?? execution.supervisorPID)
                for member in family?.members ?? [execution] { member.dropSupervisor(isLost: true) }
                hasStrays = true
                killStrays()
                return
            }
            perform(actions, on: execution, at: place)
        }
    }
}
