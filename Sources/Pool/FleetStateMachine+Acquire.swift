// SPDX-License-Identifier: Apache-2.0

internal import DequeModule
internal import HeapModule

/// Acquires, and the queue in which they wait.
extension FleetStateMachine {
    public enum AcquireOutcome: Sendable {
        case granted(Grant)
        /// Queued; the answer comes as an effect.
        case waiting
        case refused(AcquireError)
    }

    /// A caller wants a member. The longest-idle one is handed out at once; else the caller is queued, first in,
    /// first out, and the next create is for it.
    public mutating func acquire(_ order: AcquireOrder, now: MonotonicInstant) -> AcquireOutcome {
        guard !isDraining else { return .refused(.draining) }
        guard let pool = order.pool.isEmpty ? poolOrder[0] : poolNamed[order.pool] else {
            return .refused(.unknownPool(order.pool, known: poolOrder.map { pools[$0].configuration.name }))
        }
        guard !pools[pool].isDraining else { return .refused(.poolDraining(pools[pool].configuration.name)) }
        if let client = order.client, let max = order.maxOfClient ?? configuration.maxPerClient,
            countOfClient[client, default: 0] >= max
        {
            return .refused(.clientLimit(max))
        }
        pools[pool].demand.arrived(now)
        if let (slot, link) = longestIdle(pool) {
            nudge()
            charge(order.client)
            pools[pool].latency.record(.zero)
            pools[pool].times.warmWait.record(.zero)
            return .granted(lease(slot, link, to: order, isWarm: true, now: now))
        }
        let wait = min(order.wait ?? configuration.defaultWait, configuration.maxWait)
        let deadline = now + wait
        if case .open(let until, let cause) = pools[pool].breaker, deadline < until, now < until {
            return .refused(.unavailable(cause, nextTry: until - now))
        }
        guard pools[pool].waiting < configuration.maxWaiters, !hasItsPart(order, of: pool) else {
            return .refused(.queueFull(waiting: pools[pool].waiting))
        }
        charge(order.client)
        enqueue(Waiter(pool: pool, order: order, since: now, deadline: deadline))
        timers.insert(Timer(at: deadline, target: .waiter(order.waiter)))
        dropDeadTimers()
        nudge()
        return .waiting
    }

    /// The caller of a queued acquire has left. Returns false if it is no longer queued: then its answer is about to be given,
    /// and a grant must be given back with `returnUnused`.
    public mutating func cancelWaiter(_ id: WaiterID) -> Bool {
        removeWaiter(id) != nil
    }

    /// Ends a lease whose caller left before it got the lease, so that the member is unused. If it was used nevertheless, this
    /// is a release.
    public mutating func returnUnused(_ token: LeaseToken, now: MonotonicInstant) {
        guard let slot = slotOfLease[token], let lease = slots[slot].leased else { return }
        guard !lease.isUsed else { return _ = release(token, now: now) }
        slots[slot].uses -= 1
        offer(slot, lease.link, isWarm: true, now: now)
    }

    // MARK: Within the machine

    /// Gives a member without a lease to the first waiter, or makes it idle.
    mutating func offer(_ slot: SlotIndex, _ link: any MemberLink, isWarm: Bool, now: MonotonicInstant) {
        let pool = slots[slot].pool
        if isDraining || pools[pool].isDraining {
            giveUp(slot, link, .draining)
        } else if let reason = reasonToRetire(slot, now: now), reason != .reconfigured {
            giveUp(slot, link, reason)
        } else if let waiter = popWaiter(pool) {
            pools[pool].latency.record(now - waiter.since)
            pools[pool].times.recordWait(now - waiter.since, isWarm: isWarm)
            emit(.grant(waiter.order.waiter, lease(slot, link, to: waiter.order, isWarm: isWarm, now: now)))
            nudge()
        } else {
            becomeIdle(slot, link, now: now)
        }
    }

    mutating func becomeIdle(_ slot: SlotIndex, _ link: any MemberLink, now: MonotonicInstant) {
        let pool = slots[slot].pool
        stamp += 1
        move(slot, to: .idle(Idle(link: link, since: now, nextPing: nextPing(pool, now), stamp: stamp)))
        let place = IdleQueue.Place(slot: slot, stamp: stamp)
        if isOutdated(slot) {
            pools[pool].outdatedQueue.places.append(place)
        } else {
            pools[pool].idleQueue.places.append(place)
            if pools[pool].idleQueue.places.count > 2 * pools[pool].idle + 16 {
                pools[pool].idleQueue.places = Deque(pools[pool].idleQueue.places.filter { idleLink(at: $0) != nil })
            }
        }
        armIdleTimer(slot)
        trimOutdated(pool)
        let isSurplus = pools[pool].supply > pools[pool].target && pools[pool].surplusDue == nil
        if isSurplus || pools[pool].outdatedIdle > 0 { nudge() }
    }

    /// The link of the member at a place of an idle queue; nil if that place is obsolete.
    private func idleLink(at place: IdleQueue.Place) -> (any MemberLink)? {
        guard case .idle(let idle) = slots[place.slot].state, idle.stamp == place.stamp else { return nil }
        return idle.link
    }

    /// The member that has been idle longest; outdated members come last.
    private mutating func longestIdle(_ pool: PoolIndex) -> (SlotIndex, any MemberLink)? {
        guard pools[pool].idle > 0 else { return nil }
        return firstIdle(pool) ?? firstOutdated(pool)
    }

    mutating func firstIdle(_ pool: PoolIndex) -> (SlotIndex, any MemberLink)? {
        while let place = pools[pool].idleQueue.places.first {
            if let link = idleLink(at: place) { return (place.slot, link) }
            pools[pool].idleQueue.places.removeFirst()
        }
        return nil
    }

    mutating func firstOutdated(_ pool: PoolIndex) -> (SlotIndex, any MemberLink)? {
        while let place = pools[pool].outdatedQueue.places.first {
            if let link = idleLink(at: place) { return (place.slot, link) }
            pools[pool].outdatedQueue.places.removeFirst()
        }
        return nil
    }

    // MARK: Clients

    /// Leases and waiting acquires of a client.
    public func count(of client: ClientID) -> Int { countOfClient[client, default: 0] }

    mutating func charge(_ client: ClientID?) {
        if let client { countOfClient[client, default: 0] += 1 }
    }

    mutating func discharge(_ client: ClientID?) {
        guard let client, let count = countOfClient[client] else { return }
        countOfClient[client] = count > 1 ? count - 1 : nil
    }

    // MARK: The queue

    private mutating func enqueue(_ waiter: Waiter) {
        waiters[waiter.order.waiter] = waiter
        pools[waiter.pool].queue.append(waiter.order.waiter)
        pools[waiter.pool].waiting += 1
        if let client = waiter.order.client { waitingOfClient[client, default: 0] += 1 }
        if let client = waiter.order.fairClient { pools[waiter.pool].turns.add(waiter.order.waiter, of: client) }
    }

    /// Removes a waiter. Its place in the queue may remain, without effect.
    private mutating func dequeue(_ id: WaiterID) -> Waiter? {
        guard let waiter = waiters.removeValue(forKey: id) else { return nil }
        pools[waiter.pool].waiting -= 1
        if let client = waiter.order.client, let count = waitingOfClient[client] {
            waitingOfClient[client] = count > 1 ? count - 1 : nil
        }
        if let client = waiter.order.fairClient { pools[waiter.pool].turns.remove(id, of: client) }
        return waiter
    }

    /// Whether a client has three quarters of a line that is fair: the rest is for others.
    private func hasItsPart(_ order: AcquireOrder, of pool: PoolIndex) -> Bool {
        guard let client = order.fairClient else { return false }
        let part = configuration.maxWaiters - configuration.maxWaiters / 4
        return waitingOfClient[client, default: 0] >= max(1, part)
    }

    /// The waiter who is served next: the first in the queue, or, if the queue is fair, the first of the client with the fewest
    /// leases; of several such clients, of the one whose turn it is.
    private mutating func popWaiter(_ pool: PoolIndex) -> Waiter? {
        guard let first = firstWaiter(pool) else { return nil }
        let next = first.order.fairClient == nil ? first.order.waiter : nextFair(pool) ?? first.order.waiter
        guard let waiter = dequeue(next) else { return nil }
        if let client = waiter.order.fairClient { pools[pool].turns.served(client) }
        dropLeftPlaces(pool)
        return waiter
    }

    private func nextFair(_ pool: PoolIndex) -> WaiterID? {
        pools[pool].turns.next { countOfClient[$0, default: 0] - waitingOfClient[$0, default: 0] }
    }

    mutating func removeWaiter(_ id: WaiterID) -> Waiter? {
        guard let waiter = dequeue(id) else { return nil }
        let pool = waiter.pool
        discharge(waiter.order.client)
        dropLeftPlaces(pool)
        if pools[pool].waiting == 0 { setHeld(pool, nil) }
        return waiter
    }

    mutating func refuseWaiters(
        of pool: PoolIndex, where condition: (Waiter) -> Bool = { _ in true }, with error: AcquireError
    ) {
        for id in pools[pool].queue {
            guard let waiter = waiters[id], condition(waiter) else { continue }
            _ = dequeue(id)
            discharge(waiter.order.client)
            emit(.refuse(id, error))
        }
        dropLeftPlaces(pool)
    }

    /// Drops the places of waiters that have left: those at the front, and all when there are more of them than waiters.
    private mutating func dropLeftPlaces(_ pool: PoolIndex) {
        while let id = pools[pool].queue.first, waiters[id] == nil { pools[pool].queue.removeFirst() }
        guard pools[pool].queue.count > 2 * pools[pool].waiting + 16 else { return }
        let living = waiters
        pools[pool].queue = Deque(pools[pool].queue.filter { living[$0] != nil })
    }

    mutating func waiterTimedOut(_ id: WaiterID, now: MonotonicInstant) {
        guard let waiter = waiters[id], waiter.deadline <= now else { return }
        let held = pools[waiter.pool].held
        let breaker = pools[waiter.pool].breaker
        _ = removeWaiter(id)
        let waited = now - waiter.since
        let error: AcquireError =
            if case .open(let until, let cause) = breaker, until > now {
                .unavailable(cause, nextTry: until - now)
            } else if let held {
                .exhausted(held, after: waited)
            } else {
                .timedOut(after: waited)
            }
        emit(.refuse(id, error))
    }

    func firstWaiter(_ pool: PoolIndex) -> Waiter? {
        for id in pools[pool].queue {
            if let waiter = waiters[id] { return waiter }
        }
        return nil
    }
}
