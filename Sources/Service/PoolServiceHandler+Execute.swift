internal import AgentLink
internal import Pool
internal import RPC
internal import Schema

extension PoolServiceHandler {
    func execute(_ call: ServerCall) throws(RPCError) {
        let request = try call.decode(ExecuteRequest.self)
        let program = try Program(request, limits)
        guard !isDraining else { throw RPCError(.unavailable, "the server is shutting down") }
        guard request.lease.isEmpty else {
            guard let token = LeaseToken(request.lease), let use = pool.use(token, begins: true) else {
                throw .noSuchLease
            }
            run(program, call, link: use.link, lease: token) { [pool] in pool.endUse(token) }
            return
        }
        obtain(
            call, pool: request.pool, waitMilliseconds: request.waitMilliseconds, isDetached: true, ttlMilliseconds: 0
        ) { [self] call, grant in
            _ = pool.use(grant.token, begins: true)
            run(program, call, link: grant.link, lease: nil, ownLease: grant.token) { [pool] in
                _ = pool.release(grant.token)
            }
        }
    }

    private func run(
        _ program: Program, _ call: ServerCall, link: any MemberLink, lease: LeaseToken?, ownLease: LeaseToken? = nil,
        atEnd: @escaping @Sendable () -> Void
    ) {
        guard let link = link as? AgentConnection else { preconditionFailure("a member without an agent") }
        var order = ServedExecution.Order(
            lease: lease, client: call.client, member: link.member, argv: program.listedArgv,
            graceMilliseconds: program.graceMilliseconds, resumable: program.resumable, unwatched: program.unwatched)
        if let ownLease, program.resumable == nil {
            // In a member of its own, the member's end is the execution's end: nothing needs a grace then.
            order.whenLeft = { [pool] in _ = pool.release(ownLease) }
        }
        start(
            order, program.request(image: link.imageEnvironment), on: link, for: call, window: program.window,
            atEnd: atEnd)
    }

    /// Starts an execution that a call's stream watches from its first byte on. On the call's loop.
    ///
    /// - Parameters:
    ///   - events: what the stream is told beside output.
    ///   - atEnd: runs when it has ended, before anybody is told.
    @discardableResult
    func start(
        _ order: ServedExecution.Order, _ request: Agent.ExecuteRequest, on link: AgentConnection,
        for call: ServerCall, _ events: WatcherEvents = .execute, window: UInt64?,
        atEnd: @escaping @Sendable () -> Void
    ) -> ServedExecution {
        var random = SystemRandomNumberGenerator()
        let execution = ServedExecution(
            id: LeaseToken(using: &random).description, order: order, clock: clock, registry: executions)
        executions.insert(execution)
        execution.watchFirst(call, events, window: window)
        execution.begin(
            link.execute(request) { event in
                if case .ended = event { atEnd() }
                execution.receive(event)
            })
        return execution
    }
}

extension ServerCall {
    /// On whose account its acquires and executions go.
    var client: ClientID { (connection.userInfo as? Session)?.client ?? ClientID(connection.host) }
}
