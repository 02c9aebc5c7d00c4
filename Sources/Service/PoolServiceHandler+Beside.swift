// SPDX-License-Identifier: Apache-2.0

internal import AgentLink
internal import AgentSchema
internal import BerthRPC
internal import BerthSchema
internal import NIOCore
internal import Pool

/// Calls about a running execution, in addition to its streams.
extension PoolServiceHandler {
    func signal(_ call: ServerCall, _ session: Session) throws(RPCError) {
        let request = try call.decode(SignalRequest.self)
        let asked = [request.signal != 0, !request.signalName.isEmpty, request.isCancel].count { $0 }
        guard asked == 1 else {
            throw RPCError(
                .invalidArgument,
                asked == 0
                    ? "nothing is asked: give signal (1 to 64), name (\"INT\" …) or cancel"
                    : "more than one of signal, name and cancel is given")
        }
        guard request.graceMilliseconds == 0 || request.isCancel else {
            throw RPCError(.invalidArgument, "grace_ms is given without cancel, which it belongs to")
        }
        guard UInt64(request.graceMilliseconds) <= session.limits(limits).maxTimeout.wholeMilliseconds else {
            throw RPCError(
                .invalidArgument,
                "grace_ms is \(request.graceMilliseconds), more than the longest, \(session.limits(limits).maxTimeout.wholeMilliseconds)"
            )
        }
        let number = request.isCancel ? 0 : try SignalNumber(request).number
        let execution = try find(request.execution, lease: request.lease, session)
        guard let running = execution.running else { throw .executionEnded }
        guard !execution.order.isConnection || request.isCancel || number == SignalNumber.kill else {
            throw RPCError(.failedPrecondition, "a connection takes no signal but KILL, which ends it, like cancel")
        }
        if request.isCancel {
            execution.cancel(
                graceMilliseconds: request.graceMilliseconds == 0 ? nil : UInt64(request.graceMilliseconds))
        } else if number == SignalNumber.kill {
            running.end(graceMilliseconds: 0)
        } else {
            running.signal(number)
        }
        call.respond(SignalResponse())
    }

    func input(_ call: ServerCall, _ session: Session) throws(RPCError) {
        let request = try call.decode(InputRequest.self)
        let count = request.data.count
        guard count <= PoolServiceHandler.maxInput else {
            throw RPCError(
                .invalidArgument, "data has \(count) bytes, more than the maximum, \(PoolServiceHandler.maxInput)")
        }
        let execution = try find(request.execution, lease: request.lease, session)
        guard let running = execution.running else { throw .executionEnded }
        guard execution.reserveInput(count) else {
            throw RPCError(
                .resourceExhausted,
                "\(ServedExecution.maxPendingInput) bytes of input wait for the program to read them; wait for their answers"
            )
        }
        // With the same offset, the agent takes it once.
        (call.keepsPayload, call.carriage) = (true, .again)
        let answer = Answer(call)
        let extends = session.extendsLeases
        running.input(offset: request.offset, data: request.data, isEnd: request.isEnd) { [fleet] result in
            execution.releaseInput(count)
            // The program may have taken long to read: the lease's time begins again now.
            if let lease = execution.order.lease { _ = fleet.use(lease, extends: extends) }
            answer.give(
                result.map { InputResponse(offset: $0) }.mapError { $0.ofExecution([.inputGap, .inputEnded]) })
        }
    }

    func resizeTerminal(_ call: ServerCall, _ session: Session) throws(RPCError) {
        let request = try call.decode(ResizeTerminalRequest.self)
        let terminal = try ProgramRequest.terminal(request.terminal)
        let execution = try find(request.execution, lease: request.lease, session)
        guard let running = execution.running else { throw .executionEnded }
        (call.keepsPayload, call.carriage) = (true, .again)
        let answer = Answer(call)
        running.resize(rows: terminal.rows, columns: terminal.columns) { result in
            answer.give(result.map { ResizeTerminalResponse() }.mapError { $0.ofExecution([.noTerminal]) })
        }
    }

    /// Maximum bytes of one Input.
    private static let maxInput = 256 << 10
}

/// Answers a unary call from any thread. A call that has ended meanwhile gets no answer.
struct Answer: Sendable {
    private let call: NIOLoopBound<ServerCall>

    init(_ call: ServerCall) {
        self.call = NIOLoopBound(call, eventLoop: call.connection.eventLoop)
    }

    func give(_ result: Result<some Message, RPCError>) {
        let give: @Sendable () -> Void = { [call] in
            switch result {
            case .success(let message): call.value.respond(message)
            case .failure(let error): call.value.fail(error)
            }
        }
        if call.eventLoop.inEventLoop { give() } else { call.eventLoop.execute(give) }
    }
}

extension RPCError {
    static var executionEnded: RPCError { RPCError(.failedPrecondition, "the execution has ended") }

    /// The error for the client, made from an agent's error. That the container is gone and that the execution is over are
    /// the same to a client.
    /// - Parameter reasons: the reasons that the call can have; others are not accepted from an agent.
    fileprivate func ofExecution(_ reasons: [ErrorReason]) -> RPCError {
        switch code {
        case .notFound, .unavailable: .executionEnded
        default: RPCError(code, message, reason.flatMap { reasons.contains($0) ? $0 : nil })
        }
    }
}
