// SPDX-License-Identifier: Apache-2.0

internal import AgentSchema
internal import BerthSchema

extension AgentServer {
    /// Maximum bytes of input that wait for all executions together. The first waiting call of an execution may exceed
    /// it.
    private static let maxWaitingInput = 1 << 20
    /// Maximum number of calls that wait for all executions together. The send buffer has room for that many answers.
    private static let maxWaitingCalls = 128

    func input(_ request: Agent.InputRequest, _ streamID: UInt32) throws(CallError) {
        guard request.data.count <= InputQueue.largestCall else {
            throw CallError(
                .invalidArgument, "\(request.data.count) bytes; at most \(InputQueue.largestCall) are taken")
        }
        if let (connection, place) = connection(of: request.execution) {
            return try input(request, streamID, to: connection, at: place)
        }
        let (execution, place) = try place(of: request.execution)
        var waiting = (bytes: request.data.count, calls: 1)
        for other in executions {
            guard let other = other?.waitingInput else { continue }
            waiting.bytes += other.bytes
            waiting.calls += other.calls
        }
        let isFirst = execution.waitingInput.calls == 0
        guard waiting.calls <= AgentServer.maxWaitingCalls, isFirst || waiting.bytes <= AgentServer.maxWaitingInput
        else { throw CallError(.resourceExhausted, "too much input waits for programs to read") }
        do throws(InputQueue.Refusal) {
            try execution.add(request, streamID: streamID)
        } catch {
            throw CallError(error)
        }
        feed(execution, at: place)
    }

    func resize(_ request: Agent.ResizeRequest) throws(CallError) {
        guard connection(of: request.execution) == nil else {
            throw CallError(.failedPrecondition, "a connection has no terminal", .noTerminal)
        }
        let (execution, _) = try place(of: request.execution)
        guard execution.resize(request.terminal) else {
            throw CallError(.failedPrecondition, "the program has no terminal", .noTerminal)
        }
    }

    /// Writes waiting input, and answers the calls that no longer wait.
    func feed(_ execution: RunningExecution, at place: Int) {
        let answers = execution.feed()
        for call in answers.taken {
            respond(call.streamID, Agent.InputResponse(offset: call.end))
        }
        refuse(answers.refused, CallError(.closed))
    }

    /// Must be called when the execution has ended or nothing reads its input any more: refuses all waiting calls.
    func endInput(of execution: RunningExecution) {
        refuse(execution.closeInput(), CallError(.failedPrecondition, "the execution has ended"))
    }

    private func refuse(_ calls: [InputQueue.Call], _ error: CallError) {
        for call in calls { refuse(call.streamID, error) }
    }
}

extension CallError {
    init(_ refusal: InputQueue.Refusal) {
        switch refusal {
        case .gap(let expected):
            self.init(.failedPrecondition, "bytes are missing: offset \(expected) is expected", .inputGap)
        case .ended(let end):
            self.init(.failedPrecondition, "the input has ended at \(end)", .inputEnded)
        case .endsEarly(let expected):
            self.init(.failedPrecondition, "the input goes on to \(expected)")
        case .closed:
            self.init(.failedPrecondition, "the program no longer reads its input")
        case .full:
            self.init(.resourceExhausted, "too much input waits for the program to read")
        }
    }
}
