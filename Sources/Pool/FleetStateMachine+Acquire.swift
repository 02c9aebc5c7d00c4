internal import DequeModule
internal import HeapModule

/// Acquires and the line in which they wait.
extension FleetStateMachine {
    public enum AcquireOutcome: Sendable {
        case granted(Grant)
        /// In line; the answer comes as an effect.
        case waiting
        case refused(AcquireError)
    }

    /// A caller wants a member. The longest-idle one is handed out at once; else the caller waits in line, first in,
    /// first out, and the next create is for it.
    public mutating func acquire(_ order: AcquireOrder, now: MonotonicInstant) -> AcquireOutcome {
        guard !isDraining else { return .refused(.draining) }
        guard let pool = order.pool.isEmpty ? poolOrder[0] : poolNamed[order.pool] else {
            return .refused(.unknownPool(order.pool, known: poolOrder.map { pools[$0].configuration.name }))
        }
        guard !pools[pool].isDraining else { return .refused(.poolDraining(pools[pool].configuration.name)) }
        if let client = order.client, let most = configuration.maxPerClient, countOfClient[client, default: 0] >= most {
            return .refused(.clientLimit(most))
        }
        pools[pool].demand.arrived(now)
        if let slot = popIdle(pool) {
            nudge()
            charge(order.client)
            pools[pool].latency.record(.zero)
            return .granted(lease(slot, to: order, isWarm: true, now: now))
        }
        let wait = min(order.wait ?? configuration.defaultWait, configuration.maxWait)
        let deadline = now + wait
        if case .open(let until, let cause) = pools[pool].breaker, deadline < until, now < until {
            return .refused(.unavailable(cause, nextTry: until - now))
        }
        guard pools[pool].waiting < configuration.maxWaiters else {
            return .refused(.lineFull(waiting: pools[pool].waiting))
        }
        charge(order.client)
        waiters[order.waiter] = Waiter(pool: pool, order: order, since: now, deadline: deadline)
        pools[pool].line.append(order.waiter)
        pools[pool].waiting += 1
        timers.insert(Timer(at: deadline, target: .waiter(order.waiter)))
        dropDeadTimers()
        nudge()
        return .waiting
    }

    /// The caller in line has gone. False when it is not in line any more: then its answer is on the way to it, and a
    /// grant has to be given back with `returnUnused`.
    public mutating func cancelWaiter(_ id: WaiterID) -> Bool {
        removeWaiter(id) != nil
    }

    /// A lease whose caller went away before it learnt of it: the member is as good as new. If it was used all the same,
    /// this is a release.
    public mutating func returnUnused(_ token: LeaseToken, now: MonotonicInstant) {
        guard let index = slotOfLease[token], case .leased(let lease) = slots[index].state else { return }
        guard !lease.isUsed else { return _ = release(token, now: now) }
        slots[index].uses -= 1
        unlease(index)
        offer(index, isWarm: true, now: now)
    }

    // MARK: Within the machine

    /// A member that is in no state's count, and free to be leased, goes to the first in line, or becomes idle.
    mutating func offer(_ index: Int, isWarm: Bool, now: MonotonicInstant) {
        let pool = slots[index].pool
        if isDraining || pools[pool].isDraining {
            retire(index, .draining, isCounted: false, now: now)
        } else if let reason = reasonToRetire(index, now: now), reason != .reconfigured {
            retire(index, reason, isCounted: false, now: now)
        } else if let waiter = popWaiter(pool) {
            pools[pool].latency.record(now - waiter.since)
            emit(.grant(waiter.order.waiter, lease(index, to: waiter.order, isWarm: isWarm, now: now)))
            nudge()
        } else {
            becomeIdle(index, now: now)
        }
    }

    private mutating func becomeIdle(_ index: Int, now: MonotonicInstant) {
        let pool = slots[index].pool
        stamp += 1
        slots[index].state = .idle(since: now)
        slots[index].idleStamp = stamp
        slots[index].nextPing = nextPing(pool, now)
        pools[pool].idle += 1
        if slots[index].generation == pools[pool].generation {
            pools[pool].idleLine.places.append((index, stamp))
            if pools[pool].idleLine.places.count > 2 * pools[pool].idle + 16 {
                pools[pool].idleLine.places = Deque(
                    pools[pool].idleLine.places.filter { isIdle($0.slot, stamp: $0.stamp) })
            }
        } else {
            pools[pool].outdatedIdle += 1
            pools[pool].outdatedLine.places.append((index, stamp))
        }
        armIdleTimer(index)
        trimOutdated(pool, now: now)
        let isSurplus = pools[pool].supply > pools[pool].target && pools[pool].surplusDue == nil
        if isSurplus || pools[pool].outdatedIdle > 0 { nudge() }
    }

    func isIdle(_ index: Int, stamp: UInt64) -> Bool {
        guard slots[index].idleStamp == stamp, case .idle = slots[index].state else { return false }
        return true
    }

    /// The longest-idle member; those that are outdated come last.
    private mutating func popIdle(_ pool: Int) -> Int? {
        guard pools[pool].idle > 0 else { return nil }
        guard let slot = firstIdle(pool) ?? firstOutdated(pool) else { return nil }
        uncountIdle(slot)
        return slot
    }

    mutating func firstIdle(_ pool: Int) -> Int? {
        while let place = pools[pool].idleLine.places.first {
            if isIdle(place.slot, stamp: place.stamp) { return place.slot }
            pools[pool].idleLine.places.removeFirst()
        }
        return nil
    }

    mutating func firstOutdated(_ pool: Int) -> Int? {
        while let place = pools[pool].outdatedLine.places.first {
            if isIdle(place.slot, stamp: place.stamp) { return place.slot }
            pools[pool].outdatedLine.places.removeFirst()
        }
        return nil
    }

    /// It is idle no longer; the caller sets its next state.
    mutating func uncountIdle(_ index: Int) {
        let pool = slots[index].pool
        pools[pool].idle -= 1
        if slots[index].generation != pools[pool].generation { pools[pool].outdatedIdle -= 1 }
    }

    // MARK: Clients

    mutating func charge(_ client: ClientID?) {
        if let client { countOfClient[client, default: 0] += 1 }
    }

    mutating func discharge(_ client: ClientID?) {
        guard let client, let count = countOfClient[client] else { return }
        countOfClient[client] = count > 1 ? count - 1 : nil
    }

    // MARK: The line

    private mutating func popWaiter(_ pool: Int) -> Waiter? {
        while let id = pools[pool].line.popFirst() {
            guard let waiter = waiters.removeValue(forKey: id) else { continue }
            pools[pool].waiting -= 1
            return waiter
        }
        return nil
    }

    /// The place in line stays behind, without effect; it is dropped when it comes to the front, or when there are more
    /// such places than waiters.
    mutating func removeWaiter(_ id: WaiterID) -> Waiter? {
        guard let waiter = waiters.removeValue(forKey: id) else { return nil }
        let pool = waiter.pool
        discharge(waiter.order.client)
        pools[pool].waiting -= 1
        if pools[pool].line.count > 2 * pools[pool].waiting + 16 {
            let living = waiters
            pools[pool].line = Deque(pools[pool].line.filter { living[$0] != nil })
        }
        if pools[pool].waiting == 0 { setHeld(pool, nil) }
        return waiter
    }

    mutating func refuseWaiters(of pool: Int, where condition: (Waiter) -> Bool, with error: (Waiter) -> AcquireError) {
        for id in pools[pool].line {
            guard let waiter = waiters[id], condition(waiter) else { continue }
            waiters[id] = nil
            discharge(waiter.order.client)
            pools[pool].waiting -= 1
            emit(.refuse(id, error(waiter)))
        }
        let living = waiters
        pools[pool].line = Deque(pools[pool].line.filter { living[$0] != nil })
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

    func firstWaiter(_ pool: Int) -> Waiter? {
        for id in pools[pool].line {
            if let waiter = waiters[id] { return waiter }
        }
        return nil
    }
}
