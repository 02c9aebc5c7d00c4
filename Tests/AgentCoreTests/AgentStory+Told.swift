// SPDX-License-Identifier: Apache-2.0

import AgentSchema
import BerthSchema
import ServerSimulation

/// An agent, real or not, for who has the other end of its stream.
protocol ToldAgent: AnyObject {
    associatedtype Handle
    func execute(_ request: Agent.ExecuteRequest) throws -> Handle
    func next(_ handle: Handle) throws -> LoneAgent.Event
    func acknowledge(_ request: Agent.AcknowledgeRequest) throws -> (code: Int32, message: String)
    func signal(_ request: Agent.SignalRequest) throws -> (code: Int32, message: String)
    func reset(_ request: Agent.ResetRequest) throws -> (code: Int32, message: String)
}

extension LoneAgent: ToldAgent {}

/// One execution of a story, as it is seen from the other end of the agent's stream.
final class ToldExecution<A: ToldAgent> {
    private let agent: A
    private let execution: AgentStory.Execution
    private let number: UInt64
    private let handle: A.Handle
    private(set) var lines: [String] = []
    private var received = (stdout: 0, stderr: 0)
    private var outstanding = 0
    private var isStarted = false
    private var isDone = false
    private var hasEnded = false
    private var isOver = false

    init(_ agent: A, _ execution: AgentStory.Execution) throws {
        (self.agent, self.execution) = (agent, execution)
        number = execution.fault == .number ? 0 : UInt64(execution.key)
        handle = try agent.execute(execution.request)
        if case .atOnce = execution.moment { try act() }
    }

    /// - Parameter stops: whether to stop when its deed is due, in place of doing it.
    func go(stops: Bool = false) throws {
        while !isOver {
            if isDue {
                if stops { return }
                try act()
            }
            take(try agent.next(handle))
            // Before the start, the window is empty; after the end, the agent does not know it any more.
            guard let piece = execution.piece, outstanding >= piece, !isOver else { continue }
            _ = try agent.acknowledge(Agent.AcknowledgeRequest(execution: number, bytes: UInt64(outstanding)))
            outstanding = 0
        }
        guard execution.fault == nil else { return }
        let late = try agent.signal(Agent.SignalRequest(execution: number, signal: 9))
        lines.append("signal afterwards: \(late)")
        lines.append(
            "credit afterwards: \(try agent.acknowledge(Agent.AcknowledgeRequest(execution: number, bytes: 1)))")
    }

    private var isDue: Bool {
        guard !isDone else { return false }
        if case .none = execution.deed { return false }
        switch execution.moment {
        case .atOnce: return false
        case .started: return isStarted
        case .after(let count): return received.stdout + received.stderr >= count
        }
    }

    private func act() throws {
        isDone = true
        switch execution.deed {
        case .none, .reset: break
        case .signal(let signals, let grace):
            for signal in signals {
                let answer = try agent.signal(
                    Agent.SignalRequest(execution: number, signal: signal, graceMilliseconds: grace))
                lines.append("signal \(signal): \(answer)")
            }
        case .acknowledgeTooMuch:
            let (code, message) = try agent.acknowledge(
                Agent.AcknowledgeRequest(execution: number, bytes: UInt64(outstanding) + 1))
            // How output was split decides how much of it waits for credit.
            let isRight = message == "\(outstanding + 1) bytes acknowledged, \(outstanding) outstanding"
            lines.append("too much credit: \(code) \(isRight ? "" : message)")
            for signal: Int32 in [65, -1, 9] {
                let answer = try agent.signal(Agent.SignalRequest(execution: number, signal: signal))
                lines.append("signal \(signal): \(answer)")
            }
        }
    }

    private func take(_ event: LoneAgent.Event) {
        switch event {
        case .message(.started):
            if isStarted { lines.append("it has started twice") }
            isStarted = true
        case .message(.output(let output)): take(output)
        case .message(.ended(let ended)): take(ended)
        case .message: lines.append("an event that is none of a program")
        case .end(let status, let message):
            isOver = true
            lines.append("the end: \(status) \(message)")
        }
    }

    private func take(_ output: Agent.Output) {
        let stream: OutputStream = output.stream == 0 ? .stdout : .stderr
        let before = stream == .stdout ? received.stdout : received.stderr
        if !isStarted { lines.append("output before the start") }
        if hasEnded { lines.append("output after the end") }
        if Int(output.offset) != before { lines.append("\(stream) goes on at \(output.offset), after \(before)") }
        if !Script.wrote(output.data, execution.key, stream, at: UInt64(before)) {
            lines.append("\(stream) is not what was written, at \(before)")
        }
        if stream == .stdout { received.stdout += output.data.count } else { received.stderr += output.data.count }
        outstanding += output.data.count
        if outstanding > execution.window { lines.append("\(outstanding) bytes without credit") }
    }

    private func take(_ ended: Agent.Ended) {
        if hasEnded { lines.append("it has ended twice") }
        hasEnded = true
        if !isStarted, !execution.isEarly { lines.append("it has not started") }
        lines.append("output: \(received)")
        if execution.isEarly, ended.cause == .cancelled { return lines.append("ended: \(ended.cause)") }
        lines.append(
            "ended: \(ended.cause) \(ended.exitCode) \(ended.signal) \(ended.message) \(ended.startFailure)")
        let (stdout, stderr) = execution.written
        guard !execution.isCut else {
            // How much it had written is between what has come and what it was to write.
            let isRight =
                ended.stdoutBytes >= received.stdout && ended.stdoutBytes <= stdout
                && ended.stderrBytes == stderr
            return lines.append("counts: \(isRight ? "possible" : "\(ended)")")
        }
        lines.append("counts: \(ended.stdoutBytes) \(ended.stderrBytes)")
        lines.append("truncated: \(ended.stdoutTruncated) \(ended.stderrTruncated)")
        let cut = (Int(ended.stdoutBytes) - received.stdout, Int(ended.stderrBytes) - received.stderr)
        if cut != (Int(ended.stdoutTruncated), Int(ended.stderrTruncated)) { lines.append("\(cut) are missing") }
    }
}

extension AgentStory {
    /// Tells it to an agent.
    /// - Returns: what was seen of each execution, and last of its reset.
    func told(to agent: some ToldAgent) throws -> [[String]] {
        var seen: [[String]] = []
        var next = 0
        for count in beside {
            let told = try executions[next..<next + count].map { try ToldExecution(agent, $0) }
            next += count
            for told in told {
                try told.go()
                seen.append(told.lines)
            }
        }
        let last = try executions.suffix(atReset).map { try ToldExecution(agent, $0) }
        for told in last { try told.go(stops: true) }
        let refused = try agent.reset(Agent.ResetRequest(timeoutMilliseconds: 0))
        let reset = try agent.reset(Agent.ResetRequest(timeoutMilliseconds: 10_000))
        for told in last {
            try told.go()
            seen.append(told.lines)
        }
        seen.append(["reset without time: \(refused)", "reset: \(reset)"])
        return seen
    }
}
