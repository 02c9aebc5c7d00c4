// SPDX-License-Identifier: Apache-2.0

internal import Access
internal import AgentLink
internal import BerthRPC
internal import BerthSchema
internal import GatedLog
internal import Logging
internal import NIOCore
internal import Pool

/// Who calls, and how much of what they may they have used.
extension PoolServiceHandler {
    /// Whether a call may go on; if not, it has its answer.
    func admit(_ call: ServerCall, _ session: Session) -> Bool {
        guard access != nil else { return true }
        do throws(RPCError) {
            // A change may have come before its news: what is open from before ends, and this call does not with it.
            review(call.connection, session, except: call)
            guard session.authenticate(call), let tenant = session.tenant else { throw .unauthenticated }
            if session.expiry != nil { awaitExpiry(call.connection, session) }
            do throws(LimitReached) {
                try tenant.request(now: UInt64(clamping: clock.now().nanoseconds))
            } catch {
                throw RPCError(error)
            }
            guard call.service != AdminService.name || tenant.isOperator else { throw .operatorOnly }
            return true
        } catch {
            audit?.refused(call, session, error)
            call.fail(error)
            return false
        }
    }

    /// Closes a connection on which nobody was authenticated in time.
    func expectHello(_ connection: ServerConnection, _ session: Session) {
        guard access != nil, session.caller == nil else { return }
        // The whole time from now on, also if an earlier one has not passed yet.
        session.helloTimer?.cancel()
        session.helloTimer = connection.eventLoop.assumeIsolated().scheduleTask(in: helloTimeout) {
            [weak session, weak connection] in
            guard let session, let connection, session.caller == nil else { return }
            connection.close()
        }
    }

    /// Ends what a caller has open soon after it counts no more: its token was revoked or has expired, or its tenant is gone.
    func follow(_ connection: ServerConnection, _ session: Session) {
        guard let access else { return }
        let followed = NIOLoopBound(Followed(connection, session), eventLoop: connection.eventLoop)
        session.follower = access.follow { [self] in
            followed.eventLoop.execute { self.review(followed.value) }
        }
    }

    func unfollow(_ session: Session) {
        session.expiryTimer?.task.cancel()
        session.expiryTimer = nil
        session.helloTimer?.cancel()
        if let follower = session.follower { access?.unfollow(follower) }
    }

    private func awaitExpiry(_ connection: ServerConnection, _ session: Session) {
        guard let access, session.expiryTimer?.expiry != session.expiry else { return }
        session.expiryTimer?.task.cancel()
        session.expiryTimer = nil
        guard let expiry = session.expiry else { return }
        // No longer than this at a time, since the clock may be set meanwhile.
        let left = min(max(expiry - access.now, 1), 300)
        let followed = Followed(connection, session)
        let task = connection.eventLoop.assumeIsolated().scheduleTask(in: .seconds(Int64(left))) { [self] in
            followed.session?.expiryTimer = nil
            review(followed)
        }
        session.expiryTimer = (expiry, task)
    }

    private func review(_ followed: Followed) {
        guard let connection = followed.connection, let session = followed.session else { return }
        review(connection, session)
    }

    private func review(_ connection: ServerConnection, _ session: Session, except call: ServerCall? = nil) {
        let words = session.caller?.proof.words ?? ""
        guard session.losesCaller() else { return awaitExpiry(connection, session) }
        gate.log(
            .notice, "a connection's caller counts no more, its calls are ended",
            metadata: ["connection.peer": "\(connection.peer)", "caller": "\(words)"])
        connection.endCalls(.unauthenticated, except: call)
        expectHello(connection, session)
    }

    /// A connection and its session, both of which may be gone.
    private final class Followed {
        weak var connection: ServerConnection?
        weak var session: Session?

        init(_ connection: ServerConnection, _ session: Session) {
            (self.connection, self.session) = (connection, session)
        }
    }

    func quota(_ call: ServerCall, _ session: Session) throws(RPCError) {
        let request = try call.decode(QuotaRequest.self)
        guard let access, let own = session.tenant else {
            throw RPCError(.failedPrecondition, "this server has no tenants, and so no quotas")
        }
        guard own.isOperator || request.tenant.isEmpty || request.tenant == own.name else { throw .operatorOnly }
        let tenants = request.isAll && own.isOperator ? access.tenants : []
        guard tenants.isEmpty else {
            return call.respond(QuotaResponse(tenants: tenants.map(quota)))
        }
        let name = request.tenant.isEmpty ? own.name : request.tenant
        guard let tenant = access.tenant(name) else { throw RPCError(.notFound, "there is no tenant \"\(name)\"") }
        call.respond(QuotaResponse(tenants: [quota(tenant)]))
    }

    private func quota(_ tenant: Tenant) -> TenantQuota {
        let (policy, use) = (tenant.policy, tenant.use)
        let untilTomorrow = UInt64(86400 - (access?.now ?? 0) % 86400) * 1000
        let maximum = policy.maxTimeout.map { min($0, limits.maxTimeout) } ?? limits.maxTimeout
        return TenantQuota(
            tenant: tenant.name, role: policy.role.rawValue, pools: policy.pools ?? fleet.poolNames,
            limits: [
                QuotaLimit(
                    name: "max_leases", used: UInt64(clamping: fleet.count(of: tenant.client)),
                    limit: UInt64(policy.maxLeases ?? 0)),
                QuotaLimit(
                    name: "max_executions", used: UInt64(clamping: tenant.executions),
                    limit: UInt64(policy.maxExecutions ?? 0)),
                QuotaLimit(name: "requests_per_second", limit: UInt64(policy.requestsPerSecond ?? 0)),
                QuotaLimit(
                    name: "cpu_seconds_per_day", used: use.cpuMicroseconds / 1_000_000,
                    limit: UInt64(policy.cpuSecondsPerDay ?? 0), resetsInMilliseconds: untilTomorrow),
                QuotaLimit(
                    name: "output_per_day", used: use.outputBytes, limit: UInt64(policy.outputBytesPerDay ?? 0),
                    resetsInMilliseconds: untilTomorrow),
            ], maxTimeoutMilliseconds: UInt64(clamping: maximum.wholeMilliseconds))
    }
}

extension ServedExecution.Order {
    /// Reserves what an execution needs, and counts it for its tenant.
    /// - Parameters:
    ///   - link: of the member that it runs in.
    ///   - context: the context of a piece of code.
    /// - Returns: why it may not begin.
    mutating func admit(
        _ call: ServerCall, _ session: Session, on link: AgentConnection, in context: ServedContext? = nil
    ) -> RPCError? {
        do throws(RPCError) {
            let work = try TenantWork(session, on: link, in: context)
            guard reserve(call.connection.memory, request: call.requestBytes) else {
                work.end()
                throw call.connection.memory.refusal
            }
            self.work = work
            return nil
        } catch {
            return error
        }
    }
}
