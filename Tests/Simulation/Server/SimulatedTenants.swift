// SPDX-License-Identifier: Apache-2.0

internal import Access
internal import NIOCore
internal import NIOEmbedded
internal import SimulationModel

/// The tenants of a world, their settings and their tokens. Each seed has its own.
final class SimulatedTenants {
    let parties: [Party]
    let access: AccessControl
    private let world: World
    private var random: Randomness
    private var entries: [TokenEntry] = []
    /// The token that each tenant's clients call with, and the ones that were good before.
    private var current: [String: String] = [:]
    private(set) var former: [String] = []
    /// One that nobody has.
    let wrong: String
    /// Called when a token is good no longer.
    var onLost: (String) -> Void = { _ in }
    /// Seconds since 1970 at the beginning.
    private let began: Int

    init(_ world: World, count: Int, _ random: inout Randomness) {
        self.world = world
        self.random = Randomness(seed: random.next())
        let began = 1_800_000_000 + random.below(86_400)
        self.began = began
        wrong = Token.make(using: &self.random)
        // Where all are one, their limits are not what is broken.
        let isFree = world.canary == .turnsAreIgnored || world.canary == .tenantsAreOne
        parties = (0..<count).map { index in
            let policy = SimulatedTenants.policy("t\(index)", &random)
            return Party(isFree ? TenantPolicy(name: policy.name) : policy)
        }
        let clock = NIOLoopBound(world, eventLoop: world.loop)
        access = AccessControl(
            [], TokenFile(), secret: (0..<32).map { _ in UInt8(truncatingIfNeeded: random.next()) },
            ownUser: 4_000_000, seconds: { began + Int(clock.value.now.uptimeNanoseconds / 1_000_000_000) })
        access.set(parties.map { altered($0.policy) })
        for party in parties { current[party.name] = make(party) }
        if world.canary == .strangerIsKnown {
            entries.append(TokenEntry(hash: Token.hash(wrong), tenant: parties[0].name, created: began))
        }
        publish()
    }

    private static func policy(_ name: String, _ random: inout Randomness) -> TenantPolicy {
        var policy = TenantPolicy(name: name)
        policy.role = random.chance(0.25) ? .operator : .user
        policy.maxLeases = [nil, nil, 1 + random.below(3), 1 + random.below(5)][random.below(4)]
        policy.maxExecutions = [nil, nil, 1 + random.below(4), 1 + random.below(10)][random.below(4)]
        policy.requestsPerSecond = random.chance(0.25) ? 5 + random.below(30) : nil
        policy.outputBytesPerDay = random.chance(0.25) ? Int64(10_000 + random.below(2_000_000)) : nil
        policy.maxTimeout = random.chance(0.2) ? .seconds(1 + random.below(30)) : nil
        policy.pools = random.chance(0.1) ? ["b"] : random.chance(0.3) ? ["a"] : nil
        return policy
    }

    /// What a canary makes of a tenant's settings.
    private func altered(_ right: TenantPolicy) -> TenantPolicy {
        var policy = right
        switch world.canary {
        case .leaseQuotaIsIgnored: policy.maxLeases = nil
        case .leaseQuotaIsShort: policy.maxLeases = right.maxLeases.map { max(1, $0 - 1) }
        case .executionQuotaIsIgnored: policy.maxExecutions = nil
        case .requestQuotaIsIgnored: policy.requestsPerSecond = nil
        case .requestQuotaIsShort: policy.requestsPerSecond = right.requestsPerSecond.map { $0 / 3 }
        case .outputQuotaIsIgnored: policy.outputBytesPerDay = nil
        case .tenantsTimeOutIsIgnored: policy.maxTimeout = nil
        case .othersPoolIsOpen: policy.pools = nil
        case .roleIsIgnored: policy.role = .operator
        case .tenantsAreOne, .turnsAreIgnored:
            (policy.maxLeases, policy.maxExecutions, policy.outputBytesPerDay) = (nil, nil, nil)
            (policy.requestsPerSecond, policy.maxTimeout, policy.pools) = (nil, nil, nil)
        default: break
        }
        return policy
    }

    func party(_ client: Int) -> Party { parties[client % parties.count] }

    func token(_ party: Party) -> String { current[party.name] ?? wrong }

    func mask(_ party: Party) -> (high: UInt64, low: UInt64)? { access.tenant(party.name)?.mask }

    func day(_ time: NIODeadline) -> Int { (began + Int(time.uptimeNanoseconds / 1_000_000_000)) / 86_400 }

    private var now: Int { access.now }

    private func make(_ party: Party) -> String {
        let token = Token.make(using: &random)
        let isOne = world.canary == .tenantsAreOne || world.canary == .turnsAreIgnored
        if world.canary == .tokenIsForgotten, entries.count % 3 == 1 { return token }
        entries.append(
            TokenEntry(hash: Token.hash(token), tenant: isOne ? parties[0].name : party.name, created: now))
        return token
    }

    private func publish() { access.set(TokenFile(entries: entries)) }

    // MARK: Changes

    /// The next token of a tenant: all its clients call with it from now on. The one before counts until `retire`.
    /// - Returns: the one before.
    func exchange(_ party: Party) -> String {
        let old = token(party)
        current[party.name] = make(party)
        publish()
        return old
    }

    /// A token counts no more.
    func retire(_ token: String) {
        former.append(token)
        let hash = Token.hash(token)
        if world.canary != .revokedTokenLives {
            entries.removeAll { $0.hash == hash }
            publish()
        }
        onLost(token)
    }

    /// A token counts no more soon: it has a date, in seconds.
    func expire(_ token: String, in seconds: Int) {
        let hash = Token.hash(token)
        let end = now + seconds
        for index in entries.indices where entries[index].hash == hash { entries[index].expires = end }
        publish()
        world.loop.scheduleTask(deadline: .uptimeNanoseconds(UInt64(end - began) * 1_000_000_000)) { [weak self] in
            guard let self else { return }
            former.append(token)
            onLost(token)
        }
    }

    /// An operator lifts what makes clients wait for their turn to ask.
    func calm() {
        access.set(
            parties.map { party in
                var policy = altered(party.policy)
                policy.requestsPerSecond = nil
                party.asksFreely = true
                return policy
            })
    }
}
