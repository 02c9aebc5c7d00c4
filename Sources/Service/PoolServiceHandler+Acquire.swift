// SPDX-License-Identifier: Apache-2.0

internal import Access
internal import AgentLink
internal import BerthRPC
internal import BerthSchema
internal import NIOCore
internal import Pool

extension PoolServiceHandler {
    func acquire(_ call: ServerCall, _ session: Session) throws(RPCError) {
        let request = try call.decode(AcquireRequest.self)
        let pool = try session.pool(request.pool, of: fleet.poolNames)
        audit?.follow(call, session, "acquire", ["pool": pool.isEmpty ? fleet.poolNames.first ?? "" : pool])
        obtain(
            call, session, pool: pool, waitMilliseconds: request.waitMilliseconds,
            isDetached: request.isDetached,
            ttlMilliseconds: request.ttlMilliseconds, now: { respond(call, session, $0) },
            later: { self.respond($0, $1, $2) })
    }

    private func respond(_ call: ServerCall, _ session: Session, _ grant: Grant) {
        call.respond(
            AcquireResponse(
                lease: session.text(grant.token), member: grant.member.description,
                ttlMilliseconds: UInt32(clamping: grant.leaseTime.wholeMilliseconds), isWarm: grant.isWarm))
    }

    /// Leases a member for `call`. If one is warm, `now` is called with it at once, without leaving the loop. Else `later` is
    /// called on the call's loop; if the call has ended by then, it is not, and the member is given back unused. While the
    /// call waits, only the encoded request is kept, so `later` must capture nothing, and decodes the request again.
    func obtain(
        _ call: ServerCall, _ session: Session, pool name: String, waitMilliseconds: UInt32, isDetached: Bool,
        ttlMilliseconds: UInt32,
        now: (Grant) -> Void, later: @escaping (ServerCall, Session, Grant) -> Void
    ) {
        let loop = call.connection.eventLoop
        let pending = NIOLoopBound((call: call, session: session, use: later), eventLoop: loop)
        let (waiter, outcome) = fleet.acquire(
            pool: name, token: newToken(), connection: ConnectionID(call.connection.id),
            isDetached: isDetached,
            leaseTime: ttlMilliseconds == 0 ? nil : .milliseconds(ttlMilliseconds),
            wait: waitMilliseconds == 0 ? nil : .milliseconds(waitMilliseconds),
            client: session.client, maxOfClient: session.tenant?.policy.maxLeases, isFair: session.tenant != nil
        ) { [fleet] result in
            loop.execute {
                let (call, session, use) = pending.value
                switch result {
                case .success(let grant) where call.isEnded: fleet.returnUnused(grant.token)
                case .success(let grant):
                    call.onCancel = nil
                    call.carriage = nil
                    Self.count(grant, for: session)
                    use(call, session, grant)
                case .failure(let error): if !call.isEnded { call.fail(RPCError(error, of: session.tenant)) }
                }
            }
        }
        switch outcome {
        case .granted(let grant):
            Self.count(grant, for: session)
            now(grant)
        case .refused(let error): call.fail(RPCError(error, of: session.tenant))
        // If the grant is in flight already, the callback above finds the call ended, and gives it back.
        case .waiting:
            (call.keepsPayload, call.carriage) = (true, .again)
            call.onCancel = { [fleet] _ in _ = fleet.cancel(waiter) }
        }
    }
}

/// What leases use of their tenants' CPU time.
extension PoolServiceHandler {
    /// From now on, all that runs in a leased member counts for its tenant, until its link is closed or reset.
    private static func count(_ grant: Grant, for session: Session) {
        if let link = grant.link as? AgentConnection { count(link, for: session.tenant) }
    }

    static func count(_ link: AgentConnection, for tenant: Tenant?) {
        guard let tenant else { return }
        link.cpu?.begin { tenant.charge(Tenant.Use(cpuMicroseconds: $0)) }
    }

    /// Counts what all leases have used by now, so that what never ends meets its tenant's limit too. Call it every few seconds.
    package func countCPUTime() {
        guard access != nil else { return }
        for link in fleet.leasedLinks() { (link as? AgentConnection)?.cpu?.settle() }
    }

    /// Uses a lease for a call of its tenant, which extends it unless its CPU time is used up.
    func use(_ token: LeaseToken, _ session: Session, begins: Bool = false) -> FleetStateMachine.LeaseUse? {
        fleet.use(token, begins: begins, extends: session.extendsLeases)
    }
}

extension RPCError {
    /// - Parameter tenant: who acquires, if that is known.
    init(_ error: AcquireError, of tenant: Tenant?) {
        switch error {
        case .clientLimit(let most) where tenant?.policy.maxLeases == most:
            self.init(
                LimitReached(
                    limit: "max_leases",
                    message:
                        "the tenant \"\(tenant?.name ?? "")\" has or awaits \(most) containers, its maximum (max_leases); "
                        + "release one"))
        default: self.init(error)
        }
    }

    /// The error of a failed acquire: what is wrong, and what would help.
    init(_ error: AcquireError) {
        switch error {
        case .unknownPool(let name, let known):
            self = .unknownPool(name, known: known)
        case .unavailable(let cause, let next):
            self.init(
                .unavailable, "no warm container, and none can be created: \(cause); next try in \(next.inWords)",
                .breakerOpen, metadata: ["retry_after_ms": "\(next.wholeMilliseconds)"])
        case .queueFull(let waiting):
            self.init(
                .resourceExhausted,
                "the line is full with \(waiting) waiting; this acquire would be number \(waiting + 1) in it",
                .waiterLimit)
        case .timedOut(let waited):
            self.init(.deadlineExceeded, "no container was ready within \(waited.inWords)")
        case .exhausted(let reason, let waited):
            self.init(.resourceExhausted, "no container came free within \(waited.inWords): \(reason)")
        case .draining:
            self = .shuttingDown
        case .clientLimit(let most):
            self.init(
                .resourceExhausted,
                "this client has or awaits \(most) containers, the maximum for one client; release one, then try again",
                .clientLimit)
        case .poolDraining(let name):
            self.init(.unavailable, "the pool \"\(name)\" is being drained", .drainingPool)
        }
    }
}

extension Duration {
    /// "350 ms", "4.2 s", "4 min 58 s".
    var inWords: String {
        let milliseconds = wholeMilliseconds
        if milliseconds < 1000 { return "\(milliseconds) ms" }
        let seconds = milliseconds / 1000
        if seconds < 60 { return "\(seconds).\(milliseconds % 1000 / 100) s" }
        return "\(seconds / 60) min \(seconds % 60) s"
    }
}
