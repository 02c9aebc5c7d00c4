// SPDX-License-Identifier: Apache-2.0

package import Access
internal import BerthRPC
internal import BerthSchema
internal import Digest
internal import NIOCore
package import Pool

/// The state of a connection. Confined to its event loop.
package final class Session {
    /// Who the server's calls are made by; nil: whoever can connect may call.
    private let access: AccessControl?
    /// The client as which an unknown caller counts: its host.
    private let host: ClientID
    private(set) var caller: AccessControl.Caller? {
        didSet { expiry = access.flatMap { access in caller.flatMap(access.expiry) } }
    }
    /// When `caller` is nobody's any more, in seconds since 1970; nil: not by time.
    private(set) var expiry: Int?
    /// The tenant that a token has made the connection's, and that it stays.
    private var owner: String?
    /// Whether `caller` has become nil because it shows nothing any more.
    private var hasLostCaller = false
    /// The version of `access` that `caller` was found in.
    private var version = 0
    /// What is told of changes of `access`.
    var follower: Int?
    /// What waits for `expiry`, as it was then.
    var expiryTimer: (expiry: Int, task: Scheduled<Void>)?
    /// What closes the connection if nobody is known by then.
    var helloTimer: Scheduled<Void>?

    init(_ connection: ServerConnection, access: AccessControl?) {
        host = ClientID(connection.host)
        self.access = access
        guard let access else { return }
        version = access.version
        if let name = connection.certificateName { caller = access.caller(certificate: name) }
        if caller == nil, let user = connection.peerUser { caller = access.caller(user: user) }
    }

    /// Nil if the server has no tenants.
    var tenant: Tenant? { caller?.tenant }

    /// The client whose limits count its acquires and executions.
    var client: ClientID { tenant?.client ?? host }

    /// Finds out who makes a call, if that must be known.
    /// - Returns: false if it must, and is not.
    func authenticate(_ call: ServerCall) -> Bool {
        guard let access else { return true }
        lookAgain(access)
        let value = call.metadata.first { $0.key.lowercased() == "authorization" }?.value
        if value != nil || caller == nil {
            // Also without a token: what it takes must not tell whether there was one.
            let found = access.caller(authorization: value)
            if let owner {
                // A connection has one tenant, and keeps it. A later token of that tenant may take the place of the first.
                guard let found, found.tenant.name == owner else { return false }
            }
            // A token counts for more than a certificate and a user id. Who gives a wrong one is not taken for who these name.
            caller = found
            owner = found?.tenant.name
        }
        return caller != nil
    }

    /// Forgets a caller whose token, tenant or user id counts no more.
    private func lookAgain(_ access: AccessControl) {
        guard let known = caller else { return }
        if version != access.version {
            version = access.version
            caller = access.again(known)
        }
        if let expiry, expiry <= access.now { caller = nil }
        if caller == nil { hasLostCaller = true }
    }

    /// Whether the caller that was known counts no more since this was asked last.
    func losesCaller() -> Bool {
        guard let access else { return false }
        lookAgain(access)
        defer { hasLostCaller = false }
        return hasLostCaller
    }

    // MARK: Handing over

    /// Who calls, for another program: "token HASH", "certificate NAME", "user ID", or nothing.
    var carried: String {
        switch caller?.proof {
        case .token(let entry): "token " + SHA256.hex(digits: entry.hash)
        case .certificate(let name): "certificate " + name
        case .user(let id): "user \(id)"
        case nil: ""
        }
    }

    func goOn(_ carried: String) {
        guard let access else { return }
        let words = carried.split(separator: " ", maxSplits: 1).map(String.init)
        guard words.count == 2 else { return }
        switch words[0] {
        case "token":
            caller = access.caller(hash: SHA256.bytes(hex: words[1]))
            owner = caller?.tenant.name
        case "certificate": caller = access.caller(certificate: words[1])
        default: caller = UInt32(words[1]).flatMap { access.caller(user: $0) }
        }
        version = access.version
    }

    // MARK: What a tenant's calls mean

    /// The lease that a token stands for. Each tenant's tokens are mixed with bits of its own, so that no call can name a lease
    /// of another, not even with its token.
    func lease(_ text: String) -> LeaseToken? {
        guard let token = LeaseToken(text), let tenant else { return LeaseToken(text) }
        return token.mixed(with: tenant.mask)
    }

    /// The token of a lease, for its owner.
    func text(_ token: LeaseToken) -> String {
        (tenant.map { token.mixed(with: $0.mask) } ?? token).description
    }

    /// The limits of requests, with the tenant's own.
    func limits(_ standard: ServiceLimits) -> ServiceLimits {
        guard let most = tenant?.policy.maxTimeout, most < standard.maxTimeout else { return standard }
        var limits = standard
        limits.maxTimeout = most
        limits.defaultTimeout = min(limits.defaultTimeout, most)
        limits.defaultGrace = min(limits.defaultGrace, most)
        return limits
    }

    /// Whether the caller's calls extend the leases that they use.
    var extendsLeases: Bool {
        do throws(LimitReached) {
            try tenant?.mayKeepLeases()
            return true
        } catch {
            return false
        }
    }

    /// The pools that the caller may use, of all.
    func pools(_ all: [String]) -> [String] {
        guard let pools = tenant?.policy.pools else { return all }
        return pools.filter(all.contains)
    }

    /// The pool that a request means.
    /// - Throws: NOT_FOUND for one that the caller may not use, as if it did not exist.
    func pool(_ name: String, of all: @autoclosure () -> [String]) throws(RPCError) -> String {
        guard let policy = tenant?.policy, policy.pools != nil else { return name }
        let pools = pools(all())
        guard !name.isEmpty || pools.isEmpty else { return pools[0] }
        guard pools.contains(name) else { throw .unknownPool(name, known: pools) }
        return name
    }
}

extension Tenant {
    /// As which it counts in pools, and owns what has no lease.
    package var client: ClientID { ClientID("tenant \(name)") }
}

extension RPCError {
    /// The same for all who are not known, and for all reasons.
    static var unauthenticated: RPCError {
        RPCError(
            .unauthenticated,
            "the server does not know who calls: give a token (--token-file, BERTH_TOKEN_FILE or BERTH_TOKEN) that is valid here",
            .unknownCaller)
    }

    static var operatorOnly: RPCError {
        RPCError(.permissionDenied, "only a tenant with the role operator may do this", .operatorOnly)
    }

    init(_ limit: LimitReached) {
        var metadata = ["limit": limit.limit]
        var words = limit.message
        if let time = limit.retryAfter {
            metadata["retry_after_ms"] = "\(time.wholeMilliseconds)"
            words += "; again in \(time.inWords)"
        }
        self.init(.resourceExhausted, words, .tenantLimit, metadata: metadata)
    }
}
