// SPDX-License-Identifier: Apache-2.0

internal import AgentLink
internal import AgentSchema
internal import BerthRPC
internal import BerthSchema
internal import Pool
internal import Synchronization

extension PoolServiceHandler {
    func execute(_ call: ServerCall, _ session: Session) throws(RPCError) {
        let request = try call.decode(ExecuteRequest.self)
        guard request.context.isEmpty else { return try executePiece(request, call, session) }
        let program = try ProgramRequest(request, session.limits(limits))
        guard !isDraining else { throw .shuttingDown }
        guard request.lease.isEmpty else {
            guard let token = session.lease(request.lease), let use = self.use(token, session, begins: true) else {
                throw .noSuchLease
            }
            let defaults = programDefaults(of: use.pool)
            do throws(RPCError) {
                try program.checkUser(defaults, (use.link as? AgentConnection)?.user)
                try checkRoom(use.link)
                run(
                    program, try program.command.argv(defaults), defaults, call, session, link: use.link, lease: token,
                    .ofUse(token))
            } catch {
                fleet.endUse(token)
                throw error
            }
            return
        }
        let pool = try session.pool(request.pool, of: fleet.poolNames)
        let (argv, defaults) = try arguments(program, pool)
        obtain(
            call, session, pool: pool, waitMilliseconds: request.waitMilliseconds, isDetached: true,
            ttlMilliseconds: 0,
            now: { run(program, argv, defaults, call, session, in: $0) }, later: { self.runLater($0, $1, in: $2) })
    }

    /// Starts an execution that has waited for its member.
    private func runLater(_ call: ServerCall, _ session: Session, in grant: Grant) {
        do throws(RPCError) {
            let request = try call.decode(ExecuteRequest.self)
            let program = try ProgramRequest(request, session.limits(limits))
            let (argv, defaults) = try arguments(program, session.pool(request.pool, of: fleet.poolNames))
            call.dropPayload()
            run(program, argv, defaults, call, session, in: grant)
        } catch {
            (grant.link as? AgentConnection)?.cpu?.end(isOver: false)
            fleet.returnUnused(grant.token)
            call.fail(error)
        }
    }

    private func arguments(
        _ program: ProgramRequest, _ pool: String
    ) throws(RPCError) -> ([SystemString], ProgramDefaults) {
        let defaults = programDefaults(of: pool.isEmpty ? fleet.poolNames.first ?? "" : pool)
        try program.checkUser(defaults, nil)
        return (try program.command.argv(defaults), defaults)
    }

    private func run(
        _ program: ProgramRequest, _ argv: [SystemString], _ defaults: ProgramDefaults, _ call: ServerCall,
        _ session: Session,
        in grant: Grant
    ) {
        _ = fleet.use(grant.token, begins: true)
        run(program, argv, defaults, call, session, link: grant.link, .ofLease(grant.token))
    }

    /// - Throws: RESOURCE_EXHAUSTED if the lease has as many programs as it may.
    func checkRoom(_ link: any MemberLink) throws(RPCError) {
        guard let link = link as? AgentConnection, link.openExecutions >= limits.maxExecutionsPerLease else { return }
        throw RPCError(
            .resourceExhausted,
            "\(link.openExecutions) programs and file operations run in this lease, the maximum (max_executions); wait for "
                + "one to end, or acquire another lease", .executionLimit)
    }

    private func run(
        _ program: ProgramRequest, _ argv: [SystemString], _ defaults: ProgramDefaults, _ call: ServerCall,
        _ session: Session,
        link: any MemberLink, lease: LeaseToken? = nil, _ ending: ServedExecution.Order.Ending
    ) {
        guard let link = link as? AgentConnection else { preconditionFailure("a member without an agent") }
        var order = ServedExecution.Order(
            lease: lease, client: session.client, member: link.member, argv: ProgramSource.listed(argv),
            graceMilliseconds: program.graceMilliseconds, resumable: program.resumable, unwatched: program.unwatched,
            maxWatchers: limits.maxWatchers)
        audit?.follow(call, session, "execute", argv: argv)
        if let refusal = order.admit(call, session, on: link) {
            ending.act(fleet)
            return call.fail(refusal)
        }
        order.setEnding(ending, fleet)
        start(
            order, program.request(argv: argv, defaults, image: link.imageEnvironment, user: link.user), on: link,
            for: call,
            window: program.window, atEnd: { [fleet] in ending.act(fleet) })
    }

    /// Starts an execution that a call's stream watches from the first byte on. On the call's loop.
    ///
    /// - Parameters:
    ///   - events: how the stream reports events other than output.
    ///   - atEnd: runs when it has ended, before any watcher gets the end.
    @discardableResult
    func start(
        _ order: ServedExecution.Order, _ request: Agent.ExecuteRequest, on link: AgentConnection,
        for call: ServerCall, _ events: WatcherEvents = .execute, window: UInt64?,
        atEnd: @escaping @Sendable () -> Void
    ) -> ServedExecution {
        start(order, for: call, events, window: window) { execution in
            link.execute(request, window: order.agentWindow) { event in
                if case .ended = event { atEnd() }
                execution.receive(event)
            }
        }
    }

    /// Variant for callers that forward the agent's events themselves.
    /// - Parameter begin: calls the agent to start it.
    /// - Parameter id: nil is a new one.
    @discardableResult
    func start(
        _ order: ServedExecution.Order, id: String? = nil, for call: ServerCall, _ events: WatcherEvents,
        window: UInt64?,
        _ begin: (ServedExecution) -> AgentExecution
    ) -> ServedExecution {
        let execution = ServedExecution(
            id: id ?? newToken().description, order: order, clock: clock, registry: executions)
        executions.insert(execution)
        execution.watchFirst(call, events, window: window)
        execution.begin(begin(execution))
        return execution
    }

    func programDefaults(of pool: String) -> ProgramDefaults {
        programs.withLock { $0[pool] } ?? ProgramDefaults()
    }

    /// Sets the defaults of programs that start from now on, by pool name. A pool that is not named keeps its defaults, since
    /// a removed pool may still have leases.
    package func setPrograms(_ defaults: [String: ProgramDefaults]) {
        programs.withLock { $0.merge(defaults) { _, new in new } }
    }
}
