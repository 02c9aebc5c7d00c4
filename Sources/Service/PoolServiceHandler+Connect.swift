// SPDX-License-Identifier: Apache-2.0

internal import AgentLink
internal import AgentSchema
internal import BerthRPC
internal import BerthSchema
internal import Pool

/// Connections to servers in a container. Each is an execution without a program, with the same output, credit, input and
/// watchers.
extension PoolServiceHandler {
    /// Maximum time until a listener accepts a connection.
    private static let patience = Duration.seconds(10)

    func connect(_ call: ServerCall, _ session: Session) throws(RPCError) {
        let request = try call.decode(ConnectRequest.self)
        let target = try checkTarget(request)
        let window = try ProgramRequest.window(request.windowBytes)
        let longest = session.limits(limits).maxTimeout.wholeMilliseconds
        for (field, value) in [
            ("wait_ms", request.waitMilliseconds), ("timeout_ms", request.timeoutMilliseconds),
            ("idle_timeout_ms", request.idleTimeoutMilliseconds), ("resumable_ms", request.resumableMilliseconds),
        ] where UInt64(value) > longest {
            throw RPCError(.invalidArgument, "\(field) is \(value), more than the longest, \(longest)")
        }
        guard !isDraining else { throw .shuttingDown }
        guard let token = session.lease(request.lease), let use = self.use(token, session, begins: true) else {
            throw .noSuchLease
        }
        let atEnd: @Sendable () -> Void = { [fleet] in fleet.endUse(token) }
        guard let link = use.link as? AgentConnection else { preconditionFailure("a member without an agent") }
        var order = ServedExecution.Order(
            lease: token, client: session.client, member: link.member,
            argv: ProgramSource.listed(["berth", "connect", target]), graceMilliseconds: 0,
            resumable: request.resumableMilliseconds == 0 ? nil : .milliseconds(request.resumableMilliseconds),
            unwatched: request.resumableMilliseconds == 0 ? .runOn : .wait, maxWatchers: limits.maxWatchers)
        order.isConnection = true
        guard link.openConnections < limits.maxConnectionsPerLease else {
            atEnd()
            throw RPCError(
                .resourceExhausted,
                "this lease has \(link.openConnections) connections, the maximum (max_connects); close one",
                .connectionLimit)
        }
        if let refusal = order.admit(call, session, on: link) {
            atEnd()
            throw refusal
        }
        let uid = link.user?.uid ?? programDefaults(of: use.pool).uid ?? limits.uid
        let patience = PoolServiceHandler.patience
        let agentRequest = Agent.ExecuteRequest(
            execution: 0, argv: [], uid: uid, gid: uid,
            timeoutMilliseconds: request.timeoutMilliseconds == 0 ? longest : UInt64(request.timeoutMilliseconds),
            graceMilliseconds: 0, keepsStdinOpen: true,
            idleTimeoutMilliseconds: UInt64(request.idleTimeoutMilliseconds),
            connectTo: Agent.Endpoint(
                path: request.path.bytes, port: request.port, waitMilliseconds: UInt64(request.waitMilliseconds),
                patienceMilliseconds: patience.wholeMilliseconds))
        var events = WatcherEvents.execute
        events.largestOutput = max(
            OutputHub.largestOutput, min(OutputHub.largestPiece, Int(request.maxPieceBytes)))
        events.ended = { call, ended in
            // The connection was not made, so the call fails.
            if ended.cause == .startFailed { return call.fail(RPCError(connect: ended, target)) }
            WatcherEvents.execute.ended(call, ended)
        }
        let silence: Duration = .milliseconds(request.waitMilliseconds) + patience + limits.defaultTimeout
        start(order, for: call, events, window: window) { execution in
            link.execute(agentRequest, window: order.agentWindow, silence: .ofStart(silence)) { event in
                if case .ended = event { atEnd() }
                execution.receive(event)
            }
        }
    }

    /// - Returns: the target, in words.
    private func checkTarget(_ request: ConnectRequest) throws(RPCError) -> SystemString {
        guard !request.path.isEmpty else {
            guard (1...65535).contains(request.port) else {
                throw RPCError(
                    .invalidArgument,
                    request.port == 0
                        ? "neither path nor port is given: one of them says where to connect"
                        : "port is \(request.port), more than the maximum, 65535")
            }
            return "port \(request.port)"
        }
        guard request.port == 0 else {
            throw RPCError(.invalidArgument, "both path and port are given: one of them says where to connect")
        }
        guard !request.path.contains(0) else { throw RPCError(.invalidArgument, "path has a zero byte in it") }
        try Self.check("path", request.path)
        return request.path
    }
}

extension RPCError {
    /// Why the connection was not made. The agent's message is checked, and shown as one line.
    fileprivate init(connect ended: Agent.Ended, _ target: SystemString) {
        let words = ended.message.prefix(256).oneLine
        let (code, right): (Code, String)
        let reason = ErrorReason(rawValue: ended.reason)
        switch reason {
        case .noSuchFile: (code, right) = (.notFound, "start what listens there first, or give wait_ms")
        case .connectionRefused:
            (code, right) = (.failedPrecondition, "nobody listens there, or takes connections; wait_ms waits for it")
        case .notASocket: (code, right) = (.failedPrecondition, "the path is to be that of a unix socket for streams")
        case .notPermitted:
            (code, right) = (
                .permissionDenied, "the pool's user needs the right to write to the socket and to enter its directories"
            )
        case .notADirectory: (code, right) = (.failedPrecondition, "something on the way is no directory")
        case .tooManyLinks: (code, right) = (.failedPrecondition, "links on the way lead in a circle")
        case .nameTooLong: (code, right) = (.invalidArgument, "a socket's name has at most 107 bytes")
        default:
            self.init(
                ended.startFailure == .noResources ? .resourceExhausted : .internal,
                "no connection to \(target): \(words)")
            return
        }
        self.init(code, "no connection to \(target): \(words); \(right)", reason)
    }
}
