// SPDX-License-Identifier: Apache-2.0

internal import DequeModule

/// How the members go over to another program: what was decided about them stays decided.
extension FleetStateMachine {
    /// Whether the runtime or an agent is at work for the pool.
    public var isAtWork: Bool { creating != nil || removalsInFlight > 0 || resetsInFlight > 0 || pingsInFlight > 0 }

    /// What another program needs to go on. Members that are being created are not in it: to that program they are what an earlier
    /// server has left.
    public var carried: CarriedFleet {
        var carried = CarriedFleet()
        for pool in pools where !pool.isVacant { carried.pools.append(pool.carried) }
        for slot in slots.indices {
            if let member = carriedMember(slot) { carried.members.append(member) }
        }
        carried.released = released.all.map(\.description)
        return carried
    }

    /// The links of all members that are ready.
    public var allLinks: [any MemberLink] {
        slots.compactMap { slot in
            switch slot.state {
            case .idle(let idle): idle.link
            case .leased(let lease): lease.link
            case .resetting(let reset): reset.link
            case .free, .starting, .cleaning, .stopping: nil
            }
        }
    }

    private func carriedMember(_ index: SlotIndex) -> CarriedFleet.Member? {
        let slot = slots[index]
        var member = CarriedFleet.Member(
            id: slot.id.description, pool: pools[slot.pool].configuration.name, isOutdated: isOutdated(index),
            memoryBytes: slot.memoryBytes, readySince: slot.readySince.nanoseconds, jitter: slot.jitter,
            uses: slot.uses,
            isUnhealthy: slot.isUnhealthy)
        switch slot.state {
        case .idle(let idle): member.idleSince = idle.since.nanoseconds
        case .leased(let lease):
            member.lease = CarriedFleet.Lease(
                token: lease.token.description, owner: lease.owner?.number, client: lease.client?.name,
                since: lease.since.nanoseconds, time: lease.time.saturatedNanoseconds,
                expires: lease.expires.nanoseconds, active: lease.active, isOrphaned: lease.isOrphaned,
                isUsed: lease.isUsed)
        case .resetting: break
        case .stopping: member.isLeaving = true
        case .free, .starting, .cleaning: return nil
        }
        return member
    }

    /// Goes on with the members of another program, before anything else happens. Those without a link are removed.
    public mutating func goOn(
        _ carried: CarriedFleet, links: [MemberID: any MemberLink], now: MonotonicInstant
    ) {
        precondition(members == 0, "a fleet that has members already")
        var outdatedPools: Set<String> = []
        for pool in carried.pools {
            guard let index = poolNamed[pool.name] else {
                addRemovedPool(pool)
                continue
            }
            if pools[index].configuration.template != pool.template {
                outdatedPools.insert(pool.name)
                pools[index].beginGeneration()
            } else if carried.members.contains(where: { $0.pool == pool.name && $0.isOutdated }) {
                pools[index].beginGeneration()
            }
            pools[index].goOn(pool, keepsBreaker: !outdatedPools.contains(pool.name))
        }
        // The longest idle first, as the line has them.
        for member in carried.members.sorted(by: { ($0.idleSince ?? 0) < ($1.idleSince ?? 0) }) {
            let isOutdated = member.isOutdated || outdatedPools.contains(member.pool)
            goOn(member, links[MemberID(member.id)], isOutdated: isOutdated, now: now)
        }
        for text in carried.released {
            if let token = LeaseToken(text) { released.insert(token) }
        }
        nudge()
    }

    /// A pool that is no longer configured stays until its last lease has ended.
    private mutating func addRemovedPool(_ pool: CarriedFleet.Pool) {
        var settings = configuration.pools[0]
        (settings.name, settings.template, settings.size) = (pool.name, pool.template, 0)
        var state = PoolState(settings)
        (state.isRemoved, state.isDraining) = (true, true)
        _ = pools.append(state)
    }

    private mutating func goOn(
        _ member: CarriedFleet.Member, _ link: (any MemberLink)?, isOutdated: Bool, now: MonotonicInstant
    ) {
        guard let pool = pools.firstIndex(where: { $0.configuration.name == member.pool }) else { return }
        let generation = pools[pool].generation - (isOutdated ? 1 : 0)
        let slot = makeSlot(
            MemberID(member.id), pool: pool, generation: generation, memoryBytes: member.memoryBytes)
        slots[slot].readySince = MonotonicInstant(nanoseconds: member.readySince)
        slots[slot].jitter = member.jitter
        slots[slot].uses = member.uses
        slots[slot].isUnhealthy = member.isUnhealthy
        setEndOfLife(slot)
        guard let link, !member.isLeaving else { return queueRemoval(slot, attempt: 0) }
        if let carried = member.lease, let token = LeaseToken(carried.token) {
            let lease = Lease(carried, token, link)
            charge(lease.client)
            move(slot, to: .leased(lease))
            setTimer(slot, at: lease.expires)
        } else if let since = member.idleSince, !pools[pool].isDraining {
            becomeIdle(slot, link, now: now)
            slots[slot].updateIdle { $0.since = MonotonicInstant(nanoseconds: since) }
        } else {
            // What was released waits for its reset, where its pool still reuses members.
            move(slot, to: .resetting(Resetting(link: link)))
            if member.idleSince == nil, pools[pool].configuration.reuse == .reset, !pools[pool].isDraining {
                queueReset(slot, link)
            } else {
                retire(slot, pools[pool].isDraining ? .draining : .released)
            }
        }
    }
}

extension FleetStateMachine.Lease {
    fileprivate init(_ carried: CarriedFleet.Lease, _ token: LeaseToken, _ link: any MemberLink) {
        self.init(
            link: link, token: token, owner: carried.owner.map { ConnectionID($0) },
            client: carried.client.map { ClientID($0) }, since: MonotonicInstant(nanoseconds: carried.since),
            time: .nanoseconds(carried.time), expires: MonotonicInstant(nanoseconds: carried.expires),
            active: carried.active, isOrphaned: carried.isOrphaned, isUsed: carried.isUsed)
    }
}

extension FleetStateMachine.PoolState {
    fileprivate var carried: CarriedFleet.Pool {
        var carried = CarriedFleet.Pool(
            name: configuration.name, template: configuration.template, failuresInRow: failuresInRow, creates: creates,
            createFailures: createFailures, leases: leases, removed: removed, recycled: recycled, retired: retired)
        switch breaker {
        case .closed: break
        case .open(let until, let error):
            carried.breaker = .init(until: until.nanoseconds, cause: error.cause.rawValue, message: error.message)
        case .halfOpen(let error):
            carried.breaker = .init(until: 0, cause: error.cause.rawValue, message: error.message)
        }
        return carried
    }

    fileprivate mutating func goOn(_ carried: CarriedFleet.Pool, keepsBreaker: Bool) {
        (creates, createFailures, leases) = (carried.creates, carried.createFailures, carried.leases)
        (removed, recycled) = (carried.removed, carried.recycled)
        if carried.retired.count == retired.count { retired = carried.retired }
        guard keepsBreaker, let open = carried.breaker else { return }
        failuresInRow = carried.failuresInRow
        breaker = .open(
            until: MonotonicInstant(nanoseconds: open.until),
            RuntimeError(RuntimeError.Cause(rawValue: open.cause) ?? .failed, open.message))
    }
}
