// SPDX-License-Identifier: Apache-2.0

internal import Digest
internal import Synchronization

/// Who calls. There is one for a server; tenants and tokens can be exchanged while it runs.
package final class AccessControl: Sendable {
    /// Who a connection's calls are made by.
    package struct Caller: Sendable {
        package let tenant: Tenant
        package let proof: Proof
    }

    /// What shows it.
    package enum Proof: Sendable, Equatable {
        /// The hash of a token.
        case token(TokenEntry)
        case certificate(String)
        case user(UInt32)

        /// For the audit log: "token 1a2b3c4d", "certificate alice", "uid 1000".
        package var words: String {
            switch self {
            case .token(let entry): "token \(entry.id)"
            case .certificate(let name): "certificate \(name)"
            case .user(let id): "uid \(id)"
            }
        }
    }

    private struct State {
        var tenants: [String: Tenant] = [:]
        /// Those that are not in the settings any more, with what they have used, in case they come back.
        var former: [String: Tenant] = [:]
        var tokens = TokenFile()
        /// The same, for those who have shown theirs already.
        var ofHash: [[UInt8]: TokenEntry] = [:]
        var ofUser: [UInt32: Tenant] = [:]
        var ofCertificate: [String: Tenant] = [:]
        var followers: [Int: @Sendable () -> Void] = [:]
        var nextFollower = 0
    }

    /// The tenant of the server's own user and of root, over a unix socket: an operator without limits.
    package static let local = "local"

    private let state = Mutex(State())
    /// Counts changes: what was found out before one is looked up again.
    private let generation = Atomic<Int>(0)
    /// Of this the tokens of tenants' leases are made; the program that takes this one's place goes on with it.
    package let secret: [UInt8]
    private let ownUser: UInt32
    private let seconds: @Sendable () -> Int
    private let find: @Sendable (TokenFile, [UInt8]) -> TokenEntry?

    /// - Parameters:
    ///   - secret: that of the program whose place this one has taken; nil: a new one.
    ///   - ownUser: the user id of the server.
    ///   - seconds: the time, since 1970.
    ///   - find: how a token's hash is looked up; for tests of what that costs.
    package init(
        _ policies: [TenantPolicy], _ tokens: TokenFile, secret: [UInt8]? = nil, ownUser: UInt32,
        seconds: @escaping @Sendable () -> Int,
        find: @escaping @Sendable (TokenFile, [UInt8]) -> TokenEntry? = { $0.find($1) }
    ) {
        self.find = find
        var random = SystemRandomNumberGenerator()
        self.secret =
            secret
            ?? (0..<4).flatMap { _ in
                let word = random.next() as UInt64
                return (0..<8).map { UInt8(truncatingIfNeeded: word >> UInt64(8 * $0)) }
            }
        self.ownUser = ownUser
        self.seconds = seconds
        set(policies)
        set(tokens)
    }

    /// The time, since 1970.
    package var now: Int { seconds() }

    package var version: Int { generation.load(ordering: .acquiring) }

    /// All tenants, by name.
    package var tenants: [Tenant] {
        state.withLock { $0.tenants.values.sorted { $0.name < $1.name } }
    }

    package func tenant(_ name: String) -> Tenant? { state.withLock { $0.tenants[name] } }

    // MARK: Changes

    /// Takes new settings. A tenant that is still there, or comes back, keeps what it has used.
    package func set(_ policies: [TenantPolicy]) {
        var all = policies
        if !all.contains(where: { $0.name == Self.local }) {
            var local = TenantPolicy(name: Self.local)
            local.role = .operator
            all.append(local)
        }
        state.withLock { state in
            var tenants: [String: Tenant] = [:]
            (state.ofUser, state.ofCertificate) = ([:], [:])
            for policy in all {
                let tenant =
                    state.tenants[policy.name] ?? state.former.removeValue(forKey: policy.name)
                    ?? Tenant(policy, mask: mask(policy.name), seconds: seconds)
                tenant.policy = policy
                tenants[policy.name] = tenant
                for user in policy.users { state.ofUser[user] = tenant }
                for name in policy.certificates { state.ofCertificate[name] = tenant }
            }
            if let local = tenants[Self.local] {
                for user in [0, ownUser] where state.ofUser[user] == nil { state.ofUser[user] = local }
            }
            for (name, tenant) in state.tenants where tenants[name] == nil { state.former[name] = tenant }
            state.tenants = tenants
        }
        tellOfChange()
    }

    /// All tenants that may have used something today, also those that are not in the settings any more.
    var everyTenant: [Tenant] { state.withLock { Array($0.tenants.values) + Array($0.former.values) } }

    /// A tenant, also if it is not in the settings: it may come.
    func everyTenant(named name: String) -> Tenant {
        state.withLock { state in
            if let tenant = state.tenants[name] ?? state.former[name] { return tenant }
            let tenant = Tenant(TenantPolicy(name: name), mask: mask(name), seconds: seconds)
            state.former[name] = tenant
            return tenant
        }
    }

    package func set(_ tokens: TokenFile) {
        // Of two entries with one hash the last counts, as for `find`.
        let ofHash = Dictionary(tokens.entries.map { ($0.hash, $0) }) { $1 }
        state.withLock { ($0.tokens, $0.ofHash) = (tokens, ofHash) }
        tellOfChange()
    }

    private func tellOfChange() {
        generation.add(1, ordering: .releasing)
        for follower in state.withLock({ Array($0.followers.values) }) { follower() }
    }

    /// Calls `body`, on any thread, after each change of tenants or tokens.
    /// - Returns: what `unfollow` takes, which must follow.
    package func follow(_ body: @escaping @Sendable () -> Void) -> Int {
        state.withLock { state in
            state.nextFollower += 1
            state.followers[state.nextFollower] = body
            return state.nextFollower
        }
    }

    package func unfollow(_ follower: Int) { state.withLock { $0.followers[follower] = nil } }

    /// 128 bits that nobody knows, always the same for a name.
    private func mask(_ name: String) -> (high: UInt64, low: UInt64) {
        let hash = SHA256.hash(secret + Array(name.utf8))
        return (hash[0..<8].reduce(0) { $0 << 8 | UInt64($1) }, hash[8..<16].reduce(0) { $0 << 8 | UInt64($1) })
    }

    // MARK: Callers

    /// Finds the caller of a token. What it costs does not depend on whether there is a token, or a caller.
    /// - Parameter value: of the metadata `authorization`.
    package func caller(authorization value: String?) -> Caller? {
        let hash = SHA256.hash(Array((value.flatMap(Self.token) ?? Self.nobody).utf8.prefix(256)))
        return state.withLock { state in
            guard let entry = find(state.tokens, hash), value != nil, entry.isValid(at: seconds()),
                let tenant = state.tenants[entry.tenant]
            else { return nil }
            return Caller(tenant: tenant, proof: .token(entry))
        }
    }

    /// As long as a token is.
    private static let nobody = Substring(String(repeating: "-", count: Token.prefix.utf8.count + 43))

    /// The token of "Bearer TOKEN".
    private static func token(_ value: String) -> Substring? {
        let scheme = "bearer "
        guard value.utf8.count > scheme.utf8.count, value.prefix(scheme.count).lowercased() == scheme else {
            return nil
        }
        return value.dropFirst(scheme.count)
    }

    /// Finds the caller of a token whose hash is known.
    package func caller(hash: [UInt8]) -> Caller? {
        state.withLock { state in
            guard let entry = state.ofHash[hash], entry.isValid(at: seconds()), let tenant = state.tenants[entry.tenant]
            else { return nil }
            return Caller(tenant: tenant, proof: .token(entry))
        }
    }

    /// - Parameter name: of a certificate that was verified.
    package func caller(certificate name: String) -> Caller? {
        state.withLock { $0.ofCertificate[name] }.map { Caller(tenant: $0, proof: .certificate(name)) }
    }

    /// - Parameter user: of the process at the other end of a unix socket.
    package func caller(user: UInt32) -> Caller? {
        state.withLock { $0.ofUser[user] }.map { Caller(tenant: $0, proof: .user(user)) }
    }

    /// The caller with the same proof as before, after a change; nil if it shows nothing any more, or is another tenant's now.
    /// What this costs tells nobody anything: the proof was right once.
    package func again(_ caller: Caller) -> Caller? {
        switch caller.proof {
        case .token(let entry):
            state.withLock { state in
                guard let now = state.ofHash[entry.hash], now.tenant == entry.tenant,
                    let tenant = state.tenants[now.tenant]
                else { return nil }
                // It may expire at another time than before.
                return Caller(tenant: tenant, proof: .token(now))
            }
        case .certificate(let name): self.caller(certificate: name)
        case .user(let user): self.caller(user: user)
        }
    }

    /// When what a caller shows expires, in seconds since 1970; nil: it does not.
    package func expiry(_ caller: Caller) -> Int? {
        if case .token(let entry) = caller.proof { entry.expires } else { nil }
    }
}
