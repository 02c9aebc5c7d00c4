/// Leases: handing out, use, and their ends.
extension FleetStateMachine {
    /// A lease being used: what a call on it needs.
    public struct LeaseUse: Sendable {
        public var member: MemberID
        /// The name of its pool.
        public var pool: String
        public var link: any MemberLink
        public var leaseTime: Duration
        /// Until the lease ends, if it is not used again.
        public var timeLeft: Duration
    }

    /// The lease's clock starts here, not when its member was warmed.
    mutating func lease(_ index: Int, to order: AcquireOrder, isWarm: Bool, now: MonotonicInstant) -> Grant {
        let pool = slots[index].pool
        guard let link = slots[index].link else { preconditionFailure("a member without a link was offered") }
        let longest = pools[pool].configuration.leaseTime
        let time = min(order.leaseTime ?? longest, longest)
        let lease = Lease(
            token: order.token, owner: order.isDetached ? nil : order.connection, client: order.client, time: time,
            expires: now + time)
        slots[index].uses += 1
        slots[index].state = .leased(lease)
        slotOfLease[order.token] = index
        pools[pool].leased += 1
        pools[pool].leases += 1
        pools[pool].lastYoungDeath = nil
        if let owner = lease.owner { own(index, owner) }
        setTimer(index, at: lease.expires)
        return Grant(
            token: order.token, member: slots[index].id, link: link, leaseTime: time, isWarm: isWarm)
    }

    /// A call on a lease; extends it. `begins` says that it is an execution, which keeps the lease alive until
    /// `endUse`. Nil: the lease never was, or has ended.
    public mutating func use(_ token: LeaseToken, begins: Bool, now: MonotonicInstant) -> LeaseUse? {
        guard let index = slotOfLease[token], let link = slots[index].link,
            case .leased(var lease) = slots[index].state
        else { return nil }
        if begins { lease.active += 1 }
        lease.isUsed = true
        if !lease.isOrphaned { lease.expires = now + lease.time }
        slots[index].state = .leased(lease)
        return LeaseUse(
            member: slots[index].id, pool: pools[slots[index].pool].configuration.name, link: link,
            leaseTime: lease.time, timeLeft: lease.expires - now)
    }

    /// The lease lasts for another whole time from now; for `leaseTime` from now on, if that is given and no longer
    /// than the pool's. A lease whose connection has closed ends all the same. Nil: the lease never was, or has ended.
    public mutating func renew(_ token: LeaseToken, leaseTime: Duration? = nil, now: MonotonicInstant) -> LeaseUse? {
        guard let index = slotOfLease[token], let link = slots[index].link,
            case .leased(var lease) = slots[index].state
        else { return nil }
        lease.time = min(leaseTime ?? lease.time, pools[slots[index].pool].configuration.leaseTime)
        if !lease.isOrphaned {
            lease.expires = now + lease.time
            setTimer(index, at: lease.expires)
        }
        slots[index].state = .leased(lease)
        return LeaseUse(
            member: slots[index].id, pool: pools[slots[index].pool].configuration.name, link: link,
            leaseTime: lease.time, timeLeft: lease.expires - now)
    }

    /// An execution has ended.
    public mutating func endUse(_ token: LeaseToken, now: MonotonicInstant) {
        guard let index = slotOfLease[token], case .leased(var lease) = slots[index].state else { return }
        lease.active = max(0, lease.active - 1)
        if !lease.isOrphaned {
            lease.expires = now + lease.time
            setTimer(index, at: lease.expires)
        }
        slots[index].state = .leased(lease)
    }

    /// Ends a lease; its member is removed, or reset where the pool reuses members and this one is worth it. True also
    /// for a lease that was released a while ago; false when there is no such lease.
    public mutating func release(_ token: LeaseToken, now: MonotonicInstant) -> Bool {
        guard let index = slotOfLease[token] else { return released.contains(token) }
        released.insert(token)
        let pool = slots[index].pool
        if pools[pool].configuration.reuse == .never {
            retire(index, .released, now: now)
        } else if isDraining || pools[pool].isDraining {
            retire(index, .draining, now: now)
        } else if let reason = reasonToRetire(index, now: now) {
            retire(index, reason, now: now)
        } else {
            unlease(index)
            beginReset(index)
        }
        return true
    }

    /// Its leases end after the grace, unless they are detached.
    public mutating func connectionClosed(_ connection: ConnectionID, now: MonotonicInstant) {
        var next = firstOwned.removeValue(forKey: connection)
        while let index = next {
            next = slots[index].nextOwned
            slots[index].previousOwned = nil
            slots[index].nextOwned = nil
            guard case .leased(var lease) = slots[index].state else { continue }
            lease.owner = nil
            lease.isOrphaned = true
            lease.expires = min(lease.expires, now + configuration.connectionGrace)
            slots[index].state = .leased(lease)
            setTimer(index, at: lease.expires)
        }
        nudge()
    }

    /// The member's stream has ended: its agent has gone, or broke the rules.
    public mutating func memberDied(_ id: MemberID, now: MonotonicInstant) {
        guard let index = slotOf[id] else { return }
        let name = pools[slots[index].pool].configuration.name
        switch slots[index].state {
        case .starting:
            slots[index].state = .starting(died: true)
        case .idle:
            emit(.event(.memberDied(id, pool: name, wasLeased: false)))
            let (uses, life) = (slots[index].uses, now - slots[index].readySince)
            retire(index, .died, now: now)
            if uses == 0 { diedUnused(index, after: life, now: now) }
        case .leased, .resetting:
            emit(.event(.memberDied(id, pool: name, wasLeased: true)))
            retire(index, .died, now: now)
        case .free, .cleaning, .stopping:
            break
        }
    }

    // MARK: Within the machine

    mutating func leaseTimer(_ index: Int, _ lease: Lease, now: MonotonicInstant) {
        if lease.expires <= now, lease.active == 0 || lease.isOrphaned {
            if !lease.isOrphaned {
                emit(.event(.leaseExpired(slots[index].id, pool: pools[slots[index].pool].configuration.name)))
            }
            retire(index, lease.isOrphaned ? .connectionClosed : .leaseExpired, now: now)
        } else if lease.expires > now {
            setTimer(index, at: lease.expires)
        }
    }

    /// Takes the lease off the books; the caller sets the slot's next state.
    mutating func unlease(_ index: Int) {
        guard case .leased(let lease) = slots[index].state else { return }
        slotOfLease[lease.token] = nil
        pools[slots[index].pool].leased -= 1
        if let owner = lease.owner { disown(index, owner) }
        discharge(lease.client)
    }

    private mutating func own(_ index: Int, _ owner: ConnectionID) {
        if let first = firstOwned[owner] {
            slots[first].previousOwned = index
            slots[index].nextOwned = first
        }
        firstOwned[owner] = index
    }

    private mutating func disown(_ index: Int, _ owner: ConnectionID) {
        let (previous, next) = (slots[index].previousOwned, slots[index].nextOwned)
        if let previous { slots[previous].nextOwned = next } else { firstOwned[owner] = next }
        if let next { slots[next].previousOwned = previous }
        slots[index].previousOwned = nil
        slots[index].nextOwned = nil
    }
}
