internal import AgentLink
internal import Pool
internal import RPC
internal import Schema

/// Calls to a running execution, beside its streams.
extension PoolServiceHandler {
    func signal(_ call: ServerCall) throws(RPCError) {
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
        guard UInt64(request.graceMilliseconds) <= limits.maxTimeout.wholeMilliseconds else {
            throw RPCError(
                .invalidArgument,
                "grace_ms is \(request.graceMilliseconds), more than the longest, \(limits.maxTimeout.wholeMilliseconds)"
            )
        }
        let number = request.isCancel ? 0 : try SignalNumber(request).number
        let execution = try find(request.execution, lease: request.lease)
        guard let running = execution.running else { throw .executionEnded }
        if request.isCancel {
            execution.cancel(
                graceMilliseconds: request.graceMilliseconds == 0 ? nil : UInt64(request.graceMilliseconds))
        } else if number == SignalNumber.kill {
            running.end(graceMilliseconds: 0)
        } else {
            running.signal(number)
        }
        call.respond(Empty())
    }
}

extension RPCError {
    static var executionEnded: RPCError { RPCError(.failedPrecondition, "the execution has ended") }
}
