internal import DequeModule

/// When a member has served its time: age, idleness, use, health, surplus, and a new configuration.
extension FleetStateMachine {
    /// Why a member should not be leased again; nil: it may.
    func reasonToRetire(_ index: Int, now: MonotonicInstant) -> RetireReason? {
        // Fields one by one: a copy of the whole configuration would cost more than all of this.
        let pool = slots[index].pool
        if slots[index].isUnhealthy { return .unhealthy }
        if let most = pools[pool].configuration.maxUses, slots[index].uses >= most { return .uses }
        if slots[index].endOfLife <= now { return .age }
        if slots[index].generation != pools[pool].generation { return .reconfigured }
        return nil
    }

    /// Sets when it is too old; earlier by the member's own share of the jitter.
    mutating func setEndOfLife(_ index: Int) {
        let pool = slots[index].pool
        let share = 1 - pools[pool].configuration.ageJitter * slots[index].jitter
        slots[index].endOfLife =
            pools[pool].configuration.maxAge.map { slots[index].readySince + $0 * share }
            ?? MonotonicInstant(nanoseconds: .max)
    }

    // MARK: Idle members

    mutating func armIdleTimer(_ index: Int) {
        guard case .idle(let since) = slots[index].state else { return }
        var next = min(slots[index].nextPing, slots[index].endOfLife)
        if let maxIdle = pools[slots[index].pool].configuration.maxIdle { next = min(next, since + maxIdle) }
        if next.nanoseconds < .max { setTimer(index, at: next) }
    }

    mutating func idleTimer(_ index: Int, now: MonotonicInstant) {
        guard case .idle(let since) = slots[index].state else { return }
        if slots[index].endOfLife <= now { return retire(index, .age, now: now) }
        if let maxIdle = pools[slots[index].pool].configuration.maxIdle, since + maxIdle <= now {
            return retire(index, .idle, now: now)
        }
        if slots[index].nextPing <= now {
            slots[index].nextPing = MonotonicInstant(nanoseconds: .max)
            if !slots[index].isPinging {
                slots[index].isPinging = true
                pingLine.append(slots[index].id)
            }
        }
        armIdleTimer(index)
    }

    // MARK: Health

    func nextPing(_ pool: Int, _ now: MonotonicInstant) -> MonotonicInstant {
        pools[pool].configuration.healthInterval.map { now + $0 } ?? MonotonicInstant(nanoseconds: .max)
    }

    /// Only idle members are asked: one that was just leased or reset has answered already.
    mutating func startPings(_ step: inout Step) {
        while pingsRunning < configuration.maxConcurrentPings, let id = pingLine.popFirst() {
            guard let index = slotOf[id] else { continue }
            guard case .idle = slots[index].state, let link = slots[index].link else {
                slots[index].isPinging = false
                continue
            }
            pingsRunning += 1
            step.pings.append(
                LinkOrder(
                    member: id, link: link, timeout: pools[slots[index].pool].configuration.pingTimeout))
        }
    }

    /// A member has answered a health ping; or, with an error, has not: then it is retired, after its lease if it has
    /// been leased since. Call once for each ping that was asked for, whatever has become of the member.
    public mutating func pingFinished(_ id: MemberID, _ error: MemberLinkError?, now: MonotonicInstant) {
        pingsRunning -= 1
        if !pingLine.isEmpty { nudge() }
        guard let index = slotOf[id] else { return }
        slots[index].isPinging = false
        let isIdle = if case .idle = slots[index].state { true } else { false }
        if let error {
            guard slots[index].link != nil else { return }
            emit(.event(.pingFailed(id, pool: pools[slots[index].pool].configuration.name, error)))
            slots[index].isUnhealthy = true
            if isIdle { retire(index, .unhealthy, now: now) }
        } else if isIdle {
            slots[index].nextPing = nextPing(slots[index].pool, now)
            armIdleTimer(index)
            nudge()
        }
    }

    // MARK: Too many

    /// Sets the pool's target, and lets go of a member beyond it, one at a time and far apart: what demand took up in
    /// seconds it gives back in minutes.
    mutating func followDemand(_ pool: Int, now: MonotonicInstant, wake: inout MonotonicInstant) {
        updateTarget(pool, now: now)
        trimOutdated(pool, now: now)
        guard pools[pool].supply > pools[pool].target, pools[pool].idle > pools[pool].outdatedIdle else {
            pools[pool].surplusDue = nil
            return
        }
        let interval = pools[pool].configuration.surplusInterval
        var due = pools[pool].surplusDue ?? now + interval
        if due <= now, let index = firstIdle(pool) {
            retire(index, .surplus, now: now)
            due = now + interval
        }
        pools[pool].surplusDue = due
        wake = min(wake, due)
    }

    private mutating func updateTarget(_ pool: Int, now: MonotonicInstant) {
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

    /// Outdated members go as new ones get warm, so that the pool is never short for the change.
    mutating func trimOutdated(_ pool: Int, now: MonotonicInstant) {
        while pools[pool].outdatedIdle > 0, pools[pool].idle > pools[pool].target, let index = firstOutdated(pool) {
            retire(index, .reconfigured, now: now)
        }
    }

    /// A limit is in the way of a new member, and the pool has outdated ones: one of them goes first.
    mutating func makeRoom(_ pool: Int, now: MonotonicInstant) {
        guard pools[pool].held != nil, pools[pool].stopping == 0, let index = firstOutdated(pool) else { return }
        retire(index, .reconfigured, now: now)
    }
}
