// SPDX-License-Identifier: Apache-2.0

internal import DequeModule

/// When a member is retired: age, idleness, number of uses, health, surplus, and a new configuration.
extension FleetStateMachine {
    /// Why a member should not be leased again; nil if it may.
    func reasonToRetire(_ slot: SlotIndex, now: MonotonicInstant) -> RetireReason? {
        // Fields one by one: a copy of the whole configuration would cost more than all of this.
        let pool = slots[slot].pool
        if slots[slot].evictionEnd != nil { return .evicted }
        if slots[slot].isUnhealthy { return .unhealthy }
        if let maxUses = pools[pool].configuration.maxUses, slots[slot].uses >= maxUses { return .uses }
        if slots[slot].endOfLife <= now { return .age }
        if isOutdated(slot) { return .reconfigured }
        return nil
    }

    /// Sets when the member is too old, earlier by its own share of the jitter.
    mutating func setEndOfLife(_ slot: SlotIndex) {
        let pool = slots[slot].pool
        let share = 1 - pools[pool].configuration.ageJitter * slots[slot].jitter
        slots[slot].endOfLife =
            pools[pool].configuration.maxAge.map { slots[slot].readySince + $0 * share }
            ?? MonotonicInstant(nanoseconds: .max)
    }

    // MARK: Idle members

    mutating func armIdleTimer(_ slot: SlotIndex) {
        guard case .idle(let idle) = slots[slot].state else { return }
        var next = min(idle.nextPing, slots[slot].endOfLife)
        if let maxIdle = pools[slots[slot].pool].configuration.maxIdle { next = min(next, idle.since + maxIdle) }
        if next.nanoseconds < .max { setTimer(slot, at: next) }
    }

    mutating func idleTimer(_ slot: SlotIndex, now: MonotonicInstant) {
        guard case .idle(let idle) = slots[slot].state else { return }
        if slots[slot].endOfLife <= now { return retire(slot, .age) }
        if let maxIdle = pools[slots[slot].pool].configuration.maxIdle, idle.since + maxIdle <= now {
            return retire(slot, .idle)
        }
        if idle.nextPing <= now {
            slots[slot].updateIdle { $0.nextPing = MonotonicInstant(nanoseconds: .max) }
            if !slots[slot].isPinging {
                slots[slot].isPinging = true
                pingQueue.append(slots[slot].id)
            }
        }
        armIdleTimer(slot)
    }

    // MARK: Health

    func nextPing(_ pool: PoolIndex, _ now: MonotonicInstant) -> MonotonicInstant {
        pools[pool].configuration.healthInterval.map { now + $0 } ?? MonotonicInstant(nanoseconds: .max)
    }

    /// Pings idle members only: one that was just leased or reset has answered already.
    mutating func startPings(_ step: inout Step) {
        while pingsInFlight < configuration.maxConcurrentPings, let id = pingQueue.popFirst() {
            guard let slot = slotOf[id] else { continue }
            guard case .idle(let idle) = slots[slot].state else {
                slots[slot].isPinging = false
                continue
            }
            pingsInFlight += 1
            step.pings.append(
                LinkOrder(
                    member: id, link: idle.link, timeout: pools[slots[slot].pool].configuration.pingTimeout))
        }
    }

    /// A health ping has ended. With an error the member is retired, after its lease if it has been leased since. Call it once
    /// for each requested ping, even if the member is gone.
    public mutating func pingFinished(_ id: MemberID, _ error: MemberLinkError?, now: MonotonicInstant) {
        pingsInFlight -= 1
        if !pingQueue.isEmpty { nudge() }
        guard let slot = slotOf[id] else { return }
        slots[slot].isPinging = false
        let isIdle = if case .idle = slots[slot].state { true } else { false }
        if let error {
            guard slots[slot].state.isReady else { return }
            emit(.event(.pingFailed(id, pool: pools[slots[slot].pool].configuration.name, error)))
            slots[slot].isUnhealthy = true
            if isIdle { retire(slot, .unhealthy) }
        } else if isIdle {
            let nextPing = nextPing(slots[slot].pool, now)
            slots[slot].updateIdle { $0.nextPing = nextPing }
            armIdleTimer(slot)
            nudge()
        }
    }

    // MARK: Evictions

    /// The runtime takes a member back: it is not leased again, and another is created in its place. A lease of it goes on for
    /// the grace; what runs then ends as DRAINING.
    public mutating func evict(_ id: MemberID, _ eviction: Eviction, now: MonotonicInstant) {
        guard let slot = slotOf[id] else { return }
        let end = eviction.grace.map { now + $0 } ?? MonotonicInstant(nanoseconds: .max)
        if let known = slots[slot].evictionEnd, known <= end { return }
        let isNew = slots[slot].evictionEnd == nil
        slots[slot].evictionEnd = end
        let link: any MemberLink
        switch slots[slot].state {
        case .starting: return  // `offer` gives it up.
        case .free, .cleaning, .stopping: return
        case .idle(let idle): link = idle.link
        case .leased(let lease): link = lease.link
        case .resetting(let resetting): link = resetting.link
        }
        let isLeased = slots[slot].leased != nil
        if isNew {
            emit(.event(.evicted(id, pool: pools[slots[slot].pool].configuration.name, eviction, isLeased: isLeased)))
        }
        emit(.foretell(link, eviction.message))
        guard isLeased else { return retire(slot, .evicted) }
        if end.nanoseconds < .max { setTimer(slot, at: end) }
    }

    // MARK: Too many

    /// Sets the pool's target, and retires members beyond it one at a time and far apart: what grew within seconds shrinks
    /// within minutes.
    mutating func followDemand(_ pool: PoolIndex, now: MonotonicInstant, wake: inout MonotonicInstant) {
        updateTarget(pool, now: now)
        trimOutdated(pool)
        guard pools[pool].supply > pools[pool].target, pools[pool].idle > pools[pool].outdatedIdle else {
            pools[pool].surplusDue = nil
            return
        }
        let interval = pools[pool].configuration.surplusInterval
        var due = pools[pool].surplusDue ?? now + interval
        if due <= now, let (slot, _) = firstIdle(pool) {
            retire(slot, .surplus)
            due = now + interval
        }
        pools[pool].surplusDue = due
        wake = min(wake, due)
    }

    private mutating func updateTarget(_ pool: PoolIndex, now: MonotonicInstant) {
        let before = pools[pool].target
        switch pools[pool].configuration.sizing {
        case .fixed(let size):
            pools[pool].target = size
        case .adaptive(let min, let max):
            let batch = pools[pool].configuration.batch
            pools[pool].target = pools[pool].demand.target(now, min: min, max: max, batch: batch)
            if pools[pool].target != before {
                emit(.event(.targetChanged(pool: pools[pool].configuration.name, from: before, to: pools[pool].target)))
            }
        }
    }

    /// Retires outdated members as new ones get warm, so that the pool never has too few because of the change.
    mutating func trimOutdated(_ pool: PoolIndex) {
        while pools[pool].outdatedIdle > 0, pools[pool].idle > pools[pool].target, let (slot, _) = firstOutdated(pool) {
            retire(slot, .reconfigured)
        }
    }

    /// If a limit prevents a new member and the pool has outdated ones, retires one of them first.
    mutating func makeRoom(_ pool: PoolIndex) {
        guard pools[pool].held != nil, pools[pool].stopping == 0, let (slot, _) = firstOutdated(pool) else { return }
        retire(slot, .reconfigured)
    }
}
