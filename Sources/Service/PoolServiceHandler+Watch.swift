// SPDX-License-Identifier: Apache-2.0

internal import BerthRPC
internal import BerthSchema
internal import Pool

/// Calls that watch an execution, and calls about watchers.
extension PoolServiceHandler {
    func attach(_ call: ServerCall, _ session: Session) throws(RPCError) {
        let request = try call.decode(AttachRequest.self)
        let window = try ProgramRequest.window(request.windowBytes)
        if request.isFromNow, request.stdoutOffset > 0 || request.stderrOffset > 0 || request.eventsPosition > 0 {
            throw RPCError(.invalidArgument, "both from_now and an offset are given: where to begin is one of them")
        }
        let execution = try find(request.execution, lease: request.lease, session)
        try execution.watch(
            call,
            at: request.isFromNow
                ? nil
                : PerStream(
                    stdout: request.stdoutOffset, stderr: request.stderrOffset, events: request.eventsPosition),
            window: window, isObserver: request.isObserver)
    }

    func detach(_ call: ServerCall, _ session: Session) throws(RPCError) {
        let request = try call.decode(DetachRequest.self)
        let execution = try find(request.execution, lease: request.lease, session)
        guard execution.leave(request.watcher, RPCError(.cancelled, "the stream was detached")) else {
            throw .noSuchWatcher(request.watcher)
        }
        call.respond(DetachResponse())
    }

    func acknowledge(_ call: ServerCall, _ session: Session) throws(RPCError) {
        let request = try call.decode(AcknowledgeRequest.self)
        let execution: ServedExecution
        do throws(RPCError) {
            execution = try find(request.execution, lease: request.lease, session)
        } catch {
            // The execution ended while this call was in flight, as often happens when output ends within a window.
            let lease = request.lease.isEmpty ? nil : session.lease(request.lease)
            guard executions.was(request.execution, lease: lease, of: session.tenant?.client) else { throw error }
            return call.respond(AcknowledgeResponse())
        }
        let isThere: Bool
        do throws(OutputHub.OverAcknowledged) {
            isThere = try execution.acknowledge(
                request.watcher,
                PerStream(
                    stdout: request.stdoutOffset, stderr: request.stderrOffset, events: request.eventsPosition))
        } catch {
            throw RPCError(
                .invalidArgument,
                "\(error.stream.positionField) \(error.offset) is more than was sent to watcher \(request.watcher), "
                    + "\(error.sent)")
        }
        guard isThere else { throw .noSuchWatcher(request.watcher) }
        call.respond(AcknowledgeResponse())
    }

    func listExecutions(_ call: ServerCall, _ session: Session) throws(RPCError) {
        let request = try call.decode(ListExecutionsRequest.self)
        guard let lease = session.lease(request.lease) else { throw .noSuchLease }
        let isLeased = use(lease, session) != nil
        let list = executions.list(lease)
        // Executions that are kept can be attached to even after their lease has ended.
        guard isLeased || !list.isEmpty else { throw .noSuchLease }
        call.respond(ListExecutionsResponse(executions: list.map { $0.info() }))
    }

    /// Finds the execution of a call, which counts as a use of its lease.
    func find(_ id: String, lease: String, _ session: Session) throws(RPCError) -> ServedExecution {
        guard !lease.isEmpty else {
            guard let execution = executions.find(id, lease: nil, of: session.tenant?.client) else {
                throw .noSuchExecution
            }
            return execution
        }
        guard let token = session.lease(lease) else { throw .noSuchLease }
        let isLeased = use(token, session) != nil
        guard let execution = executions.find(id, lease: token) else {
            throw isLeased ? .noSuchExecution : .noSuchLease
        }
        return execution
    }
}

extension RPCError {
    /// The same message for an unknown execution, one of another lease, and one that is no longer kept.
    static var noSuchExecution: RPCError {
        RPCError(.notFound, "no such execution in this lease, or it has ended and is no longer kept", .noSuchExecution)
    }

    static func noSuchWatcher(_ number: UInt32) -> RPCError {
        RPCError(.notFound, "watcher \(number) does not watch this execution, or its stream has ended")
    }
}
