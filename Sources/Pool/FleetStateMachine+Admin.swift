// SPDX-License-Identifier: Apache-2.0

internal import DequeModule

/// Changes by an operator while the server runs. These events are rare, and may visit all members.
extension FleetStateMachine {
    /// Changes the size and the maximum of a pool; nil leaves one unchanged. Idle members beyond a smaller size are removed at
    /// once; a pool with more members than `max` shrinks as their leases end. A size makes an adaptive pool fixed. The next
    /// `reload` restores what is configured.
    /// - Returns: false if there is no such pool.
    public mutating func resize(pool name: String, size: Int? = nil, max: Int? = nil, now: MonotonicInstant) -> Bool {
        guard let pool = poolNamed[name] else { return false }
        if let size { pools[pool].configuration.size = size }
        if let max { pools[pool].configuration.max = max }
        if case .fixed(let size) = pools[pool].configuration.sizing { pools[pool].target = size }
        trimOutdated(pool)
        while size != nil, pools[pool].supply > pools[pool].target, let (slot, _) = firstIdle(pool) {
            retire(slot, .surplus)
        }
        emit(.event(.reconfigured(pool: name)))
        nudge()
        return true
    }

    /// Closes the breaker, so that the next create may begin at once.
    /// - Parameter name: name of a pool; nil is all pools.
    /// - Returns: false if there is no such pool.
    public mutating func resetBackoff(pool name: String? = nil, now: MonotonicInstant) -> Bool {
        if let name, poolNamed[name] == nil { return false }
        for pool in pools.indices where pools[pool].breaker != .closed {
            if name == nil
                || poolNamed[pools[pool].configuration.name] == pool && pools[pool].configuration.name == name
            {
                closeBreaker(pool)
            }
        }
        return true
    }

    /// Refuses acquires of one pool, including queued ones, and removes its idle members. Leases continue. The next `reload`
    /// opens the pool again.
    /// - Returns: false if there is no such pool.
    public mutating func drainPool(_ name: String, now: MonotonicInstant) -> Bool {
        guard let pool = poolNamed[name] else { return false }
        drainPool(pool)
        return true
    }

    private mutating func drainPool(_ pool: PoolIndex) {
        let name = pools[pool].configuration.name
        pools[pool].isDraining = true
        setHeld(pool, nil)
        refuseWaiters(of: pool, with: .poolDraining(name))
        retireAll(of: pool, .draining)
        nudge()
    }

    private mutating func retireAll(of pool: PoolIndex, _ reason: RetireReason) {
        for slot in slots.indices where slots[slot].pool == pool {
            switch slots[slot].state {
            case .idle, .resetting: retire(slot, reason)
            case .free, .starting, .cleaning, .leased, .stopping: break
            }
        }
    }

    /// Changes to another configuration without ending a lease. A pool whose template changed rolls: leases continue, and idle
    /// members are retired as new ones get warm. A pool that is no longer configured drains. A new one is filled.
    public mutating func reload(_ new: FleetConfiguration, now: MonotonicInstant) {
        precondition(!new.pools.isEmpty, "a fleet has at least one pool")
        guard !isDraining else { return }
        let before = poolNamed
        configuration = new
        poolNamed = [:]
        poolOrder = []
        for settings in new.pools where poolNamed[settings.name] == nil {
            let pool: PoolIndex
            let leaving = pools.firstIndex {
                $0.isRemoved && !$0.isVacant && $0.configuration.name == settings.name
            }
            if let known = before[settings.name] ?? leaving {
                pool = known
                reconfigure(known, settings, now: now)
            } else {
                pool = vacantPool(settings)
            }
            poolNamed[settings.name] = pool
            poolOrder.append(pool)
            emit(.event(.reconfigured(pool: settings.name)))
        }
        for (name, pool) in before where poolNamed[name] == nil {
            pools[pool].isRemoved = true
            drainPool(pool)
        }
        nudge()
    }

    private mutating func vacantPool(_ settings: PoolConfiguration) -> PoolIndex {
        if let vacant = pools.firstIndex(where: \.isVacant) {
            pools[vacant] = PoolState(settings)
            return vacant
        }
        return pools.append(PoolState(settings))
    }

    private mutating func reconfigure(_ pool: PoolIndex, _ settings: PoolConfiguration, now: MonotonicInstant) {
        let isRolling = pools[pool].configuration.template != settings.template
        pools[pool].configuration = settings
        pools[pool].isDraining = false
        pools[pool].isRemoved = false
        if case .fixed(let size) = settings.sizing { pools[pool].target = size }
        if isRolling {
            // A member that is being reset would be outdated afterwards.
            for slot in slots.indices where slots[slot].pool == pool {
                if case .resetting = slots[slot].state { retire(slot, .reconfigured) }
            }
            pools[pool].beginGeneration()
            // The change may have mended the cause of the failure.
            if pools[pool].breaker != .closed { closeBreaker(pool) }
        }
        let nextPing = nextPing(pool, now)
        for slot in slots.indices where slots[slot].pool == pool {
            slots[slot].updateIdle { $0.nextPing = nextPing }
            if slots[slot].state.isReady { setEndOfLife(slot) }
            armIdleTimer(slot)
        }
        trimOutdated(pool)
    }
}
