// SPDX-License-Identifier: Apache-2.0

/// Leases: granting, use, and how they end.
extension FleetStateMachine {
    /// What a call on a lease needs.
    public struct LeaseUse: Sendable {
        public var member: MemberID
        /// The name of its pool.
        public var pool: String
        public var link: any MemberLink
        public var leaseTime: Duration
        /// Time until the lease ends, if it is not used again.
        public var timeLeft: Duration
    }

    /// Grants a lease. Its time starts here, not when its member got warm.
    mutating func lease(
        _ slot: SlotIndex, _ link: any MemberLink, to order: AcquireOrder, isWarm: Bool, now: MonotonicInstant
    ) -> Grant {
        let pool = slots[slot].pool
        let maxTime = pools[pool].configuration.leaseTime
        let time = min(order.leaseTime ?? maxTime, maxTime)
        let expires = now + time
        slots[slot].uses += 1
        pools[pool].leases += 1
        pools[pool].lastYoungDeath = nil
        move(
            slot,
            to: .leased(
                Lease(
                    link: link, token: order.token, owner: order.isDetached ? nil : order.connection,
                    client: order.client, since: now, time: time, expires: expires)))
        setTimer(slot, at: expires)
        return Grant(token: order.token, member: slots[slot].id, link: link, leaseTime: time, isWarm: isWarm)
    }

    /// Uses a lease, which extends it, unless `extends` is false. With `begins` it is an execution, which keeps the lease alive
    /// until `endUse`. Returns nil if there is no such lease, or it has ended.
    public mutating func use(
        _ token: LeaseToken, begins: Bool, extends: Bool = true, now: MonotonicInstant
    ) -> LeaseUse? {
        guard let slot = slotOfLease[token] else { return nil }
        let lease = slots[slot].updateLease { lease in
            if begins { lease.active += 1 }
            lease.isUsed = true
            if extends, !lease.isOrphaned { lease.expires = now + lease.time }
        }
        return lease.map { use(of: $0, slot, now: now) }
    }

    /// Extends a lease by its whole time, or by `leaseTime` from now on, up to the pool's maximum. A lease whose connection has
    /// closed is not extended. Returns nil if there is no such lease, or it has ended.
    public mutating func renew(_ token: LeaseToken, leaseTime: Duration? = nil, now: MonotonicInstant) -> LeaseUse? {
        guard let slot = slotOfLease[token] else { return nil }
        let maxTime = pools[slots[slot].pool].configuration.leaseTime
        let lease = slots[slot].updateLease { lease in
            lease.time = min(leaseTime ?? lease.time, maxTime)
            if !lease.isOrphaned { lease.expires = now + lease.time }
        }
        guard let lease else { return nil }
        if !lease.isOrphaned { setTimer(slot, at: lease.expires) }
        return use(of: lease, slot, now: now)
    }

    private func use(of lease: Lease, _ slot: SlotIndex, now: MonotonicInstant) -> LeaseUse {
        LeaseUse(
            member: slots[slot].id, pool: pools[slots[slot].pool].configuration.name, link: lease.link,
            leaseTime: lease.time, timeLeft: lease.expires - now)
    }

    /// An execution has ended.
    public mutating func endUse(_ token: LeaseToken, now: MonotonicInstant) {
        guard let slot = slotOfLease[token] else { return }
        let lease = slots[slot].updateLease { lease in
            lease.active = max(0, lease.active - 1)
            if !lease.isOrphaned { lease.expires = now + lease.time }
        }
        if let lease, !lease.isOrphaned { setTimer(slot, at: lease.expires) }
    }

    /// Ends a lease. Its member is removed, or reset if the pool reuses members and this one may be leased again. Returns true
    /// also for a lease that was released recently, and false if there is no such lease.
    public mutating func release(_ token: LeaseToken, now: MonotonicInstant) -> Bool {
        guard let slot = slotOfLease[token], let lease = slots[slot].leased else {
            return released.contains(token)
        }
        released.insert(token)
        let pool = slots[slot].pool
        pools[pool].times.use.record(now - lease.since)
        if pools[pool].configuration.reuse == .never {
            giveUp(slot, lease.link, .released)
        } else if isDraining || pools[pool].isDraining {
            giveUp(slot, lease.link, .draining)
        } else if let reason = reasonToRetire(slot, now: now) {
            giveUp(slot, lease.link, reason)
        } else {
            queueReset(slot, lease.link)
        }
        return true
    }

    /// A connection has closed: its leases end after the grace, unless they are detached.
    public mutating func connectionClosed(_ connection: ConnectionID, now: MonotonicInstant) {
        let graceEnd = now + configuration.connectionGrace
        var next = firstOwned.removeValue(forKey: connection)
        while let slot = next {
            next = slots[slot].nextOwned
            (slots[slot].previousOwned, slots[slot].nextOwned) = (nil, nil)
            let lease = slots[slot].updateLease { lease in
                lease.owner = nil
                lease.isOrphaned = true
                lease.expires = min(lease.expires, graceEnd)
            }
            if let lease { setTimer(slot, at: lease.expires) }
        }
        nudge()
    }

    /// The member's stream has ended, because its agent has ended or violated the protocol.
    public mutating func memberDied(_ id: MemberID, now: MonotonicInstant) {
        guard let slot = slotOf[id] else { return }
        let name = pools[slots[slot].pool].configuration.name
        let isEvicted = slots[slot].evictionEnd != nil
        switch slots[slot].state {
        case .starting:
            move(slot, to: .starting(died: true))
        case .idle:
            emit(.event(.memberDied(id, pool: name, wasLeased: false)))
            let (uses, life) = (slots[slot].uses, now - slots[slot].readySince)
            retire(slot, .died)
            if uses == 0 { diedUnused(slot, after: life, now: now) }
        case .leased, .resetting:
            if let lease = slots[slot].leased { pools[slots[slot].pool].times.use.record(now - lease.since) }
            if !isEvicted { emit(.event(.memberDied(id, pool: name, wasLeased: true))) }
            retire(slot, isEvicted ? .evicted : .died)
        case .free, .cleaning, .stopping:
            break
        }
    }

    // MARK: Within the machine

    mutating func leaseTimer(_ slot: SlotIndex, _ lease: Lease, now: MonotonicInstant) {
        if let end = slots[slot].evictionEnd, end.nanoseconds < .max {
            guard end > now else {
                pools[slots[slot].pool].times.use.record(now - lease.since)
                return retire(slot, .evicted)
            }
            setTimer(slot, at: end)
        }
        if lease.expires <= now, lease.active == 0 || lease.isOrphaned {
            pools[slots[slot].pool].times.use.record(now - lease.since)
            if !lease.isOrphaned {
                emit(.event(.leaseExpired(slots[slot].id, pool: pools[slots[slot].pool].configuration.name)))
            }
            retire(slot, lease.isOrphaned ? .connectionClosed : .leaseExpired)
        } else if lease.expires > now {
            setTimer(slot, at: lease.expires)
        }
    }
}
