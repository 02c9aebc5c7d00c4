// SPDX-License-Identifier: Apache-2.0

internal import BerthSchema
internal import NIOCore

extension ServerBook {
    func ended(_ execution: Execution, _ ended: Ended) {
        count("ended: \(ended.cause)")
        execution.ended = (world.now, ended.stdoutBytes + ended.stderrBytes)
        let isFromOutside = execution.isDisturbed || execution.lease.map { mayEndIts($0) } ?? false
        let isLost = lost[execution.member] != nil || execution.member.isEmpty
        if let told = execution.told?.end, ended.cause == told.cause, ended.exitCode == told.exitCode,
            ended.stdoutBytes == told.stdoutBytes, ended.stderrBytes == told.stderrBytes
        {
            return check(execution, ended)
        }
        // What the agent has told may have been lost on its way.
        switch ended.cause {
        case .cancelled where isFromOutside: break
        case .containerLost where isLost: break
        case .outOfMemory where isLost: break
        case .startFailed where execution.member.isEmpty: break
        default:
            let told = execution.told.map { "\($0.end)" } ?? "nothing"
            world.broken(
                .cause,
                "\(execution.name) in \(execution.member) ended as \(ended.cause), \"\(ended.message)\"; its agent told \(told)"
            )
        }
    }

    private func mayEndIts(_ lease: Lease) -> Bool {
        lease.isReleased || lease.isOrphaned || lost[lease.member] != nil
    }

    /// Signals of which nobody dies.
    static let harmless: Set<Int32> = [17, 28]

    /// KILL and TERM are also what an end from outside comes to.
    private func mayHaveSent(_ signal: Int32, to execution: Execution) -> Bool {
        [9, 15].contains(signal) || execution.signals.contains(signal)
    }

    /// Whether an end that the agent told is that of the program.
    private func check(_ execution: Execution, _ ended: Ended) {
        let (script, asked) = (Script(key: execution.key), execution.asked)
        let isRight: Bool =
            switch (ended.cause, script.end) {
            case (.exited, .exit(let code)): ended.exitCode == code
            case (.signalled, .signal(let signal)):
                ended.signal == signal || execution.isDisturbed && mayHaveSent(ended.signal, to: execution)
            case (.outOfMemory, .outOfMemory): true
            case (.timedOut, _): world.now >= asked.at + asked.timeout
            case (.cancelled, _): execution.isDisturbed || execution.lease.map { mayEndIts($0) } ?? false
            case (.signalled, _): execution.isDisturbed && mayHaveSent(ended.signal, to: execution)
            case (.outputLimit, _):
                asked.killsAtMaxOutput && max(ended.stdoutBytes, ended.stderrBytes) > asked.maxOutput
            default: false
            }
        if !isRight {
            world.broken(
                .cause, "\(execution.name) ended as \(ended.cause), \(ended.exitCode), where \(script.end) was due")
        }
    }
}
