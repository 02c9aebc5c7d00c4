// SPDX-License-Identifier: Apache-2.0

/// Creates: the one gate for all of them, and how they end.
extension FleetStateMachine {
    mutating func startCreate(
        _ now: MonotonicInstant, newMember: () -> MemberID, hostMemory: () -> Int64?, wake: inout MonotonicInstant
    ) -> CreateOrder? {
        for pool in pools.indices(from: nextServed) {
            guard pools[pool].wantsOnDemand, mayCreate(pool, now, hostMemory, &wake) else { continue }
            nextServed = pool.advanced(by: 1)
            return begin(pool, newMember(), isOnDemand: true)
        }
        for pool in pools.indices(from: nextFilled) {
            guard pools[pool].wantsFill else {
                pools[pool].filledInBatch = 0
                if pools[pool].waiting == 0 { setHeld(pool, nil) }
                continue
            }
            guard mayCreate(pool, now, hostMemory, &wake) else {
                pools[pool].filledInBatch = 0
                makeRoom(pool)
                continue
            }
            pools[pool].filledInBatch += 1
            nextFilled = pool
            if pools[pool].filledInBatch >= pools[pool].configuration.batch {
                pools[pool].filledInBatch = 0
                nextFilled = pool.advanced(by: 1)
            }
            return begin(pool, newMember(), isOnDemand: false)
        }
        return nil
    }

    /// The one gate for fill and for on-demand creates: breaker, then limits.
    private mutating func mayCreate(
        _ pool: PoolIndex, _ now: MonotonicInstant, _ hostMemory: () -> Int64?, _ wake: inout MonotonicInstant
    ) -> Bool {
        if case .open(let until, _) = pools[pool].breaker, now < until {
            wake = min(wake, until)
            return false
        }
        let needed = pools[pool].configuration.template.memoryBytes
        let reason: HeldReason? =
            if pools[pool].members >= pools[pool].configuration.max {
                .poolMax(pools[pool].configuration.max)
            } else if members >= configuration.max {
                .fleetMax(configuration.max)
            } else if configuration.memoryBudgetBytes - usedMemory < needed {
                .memoryBudget(needed: needed, used: usedMemory, budget: configuration.memoryBudgetBytes)
            } else if let available = hostMemory(), available < needed {
                .hostMemory(needed: needed, available: available)
            } else {
                nil
            }
        setHeld(pool, reason)
        return reason == nil
    }

    mutating func setHeld(_ pool: PoolIndex, _ reason: HeldReason?) {
        if let reason, pools[pool].held == nil {
            emit(.event(.held(pool: pools[pool].configuration.name, reason)))
        }
        pools[pool].held = reason
    }

    private mutating func begin(_ pool: PoolIndex, _ id: MemberID, isOnDemand: Bool) -> CreateOrder {
        if case .open(_, let cause) = pools[pool].breaker { pools[pool].breaker = .halfOpen(cause) }
        creating = makeSlot(id, pool: pool)
        pools[pool].creates += 1
        let settings = pools[pool].configuration
        emit(.event(.createStarted(id, pool: settings.name, onDemand: isOnDemand)))
        return CreateOrder(
            member: id, pool: settings.name, template: settings.template, timeout: settings.createTimeout,
            isOnDemand: isOnDemand)
    }

    /// The member has answered its first ping. Returns false if it has died since: then the create counts as failed, and must
    /// be cleaned up after (`createCleaned`).
    ///
    /// - Parameter jitter: a random number from 0 to 1, by which age limits of members differ.
    public mutating func createSucceeded(
        _ id: MemberID, link: any MemberLink, took: Duration, jitter: Double = 0, now: MonotonicInstant
    ) -> Bool {
        guard let slot = slotOf[id], slot == creating, case .starting(let died) = slots[slot].state else {
            preconditionFailure("\(id) is not being created")
        }
        guard !died else {
            emit(.close(link, .memberDied))
            createFailed(id, RuntimeError(.failed, "the container ended as soon as it was ready"), now: now)
            return false
        }
        let pool = slots[slot].pool
        creating = nil
        slots[slot].readySince = now
        slots[slot].jitter = jitter
        setEndOfLife(slot)
        pools[pool].demand.created(took: took)
        pools[pool].times.create.record(took)
        emit(.event(.created(id, pool: pools[pool].configuration.name, took: took)))
        // An open breaker was opened after this create began, and only a create that begins after a failure closes it.
        switch pools[pool].breaker {
        case .closed: pools[pool].failuresInRow = 0
        case .halfOpen: closeBreaker(pool)
        case .open: break
        }
        offer(slot, link, isWarm: false, now: now)
        nudge()
        return true
    }

    /// How long nothing is created after a create for which the server itself had no room.
    static let shortageBackoff = Duration.seconds(1)

    /// The create failed; the backoff begins `now`. What it left behind must be removed before the next create;
    /// `createCleaned` reports the result. A lack of the server's own descriptors or memory does not count as a failure, and
    /// the next create comes soon.
    public mutating func createFailed(_ id: MemberID, _ error: RuntimeError, now: MonotonicInstant) {
        guard let slot = slotOf[id], slot == creating, case .starting = slots[slot].state else {
            preconditionFailure("\(id) is not being created")
        }
        let pool = slots[slot].pool
        move(slot, to: .cleaning)
        let backoff: Duration
        if error.isServersOwn {
            backoff = min(pools[pool].configuration.backoff, Self.shortageBackoff)
            pauseCreates(pool, for: backoff, error, now: now)
        } else {
            pools[pool].createFailures += 1
            backoff = openBreaker(pool, error, now: now)
        }
        emit(
            .event(
                .createFailed(
                    id, pool: pools[pool].configuration.name, error, failuresInRow: pools[pool].failuresInRow,
                    nextTry: backoff)))
        nudge()
    }

    /// A member has died unused and young, within the pool's `minLife`. The first such member is replaced. A second one within
    /// two backoffs, with no lease in between, counts as a failed create from the time of its death: otherwise a container
    /// that always ends after a moment would be replaced endlessly. After that every one counts, until a member is leased.
    mutating func diedUnused(_ slot: SlotIndex, after life: Duration, now: MonotonicInstant) {
        let pool = slots[slot].pool
        guard life < pools[pool].configuration.minLife, !isDraining, !pools[pool].isDraining,
            !isOutdated(slot)
        else { return }
        let last = pools[pool].lastYoungDeath
        pools[pool].lastYoungDeath = now
        guard let last, now - last <= pools[pool].configuration.backoff * 2 else { return }
        let error = RuntimeError(
            .failed, "the container ended by itself, unused, \(life.wholeMilliseconds) ms after it was ready")
        let backoff = openBreaker(pool, error, now: now)
        emit(
            .event(
                .diedYoung(
                    slots[slot].id, pool: pools[pool].configuration.name, error,
                    failuresInRow: pools[pool].failuresInRow, nextTry: backoff)))
    }

    /// Opens the breaker: nothing is created until the backoff is over. Waiters that cannot wait that long fail now.
    private mutating func openBreaker(_ pool: PoolIndex, _ error: RuntimeError, now: MonotonicInstant) -> Duration {
        let backoff = pools[pool].configuration.backoff
        pools[pool].failuresInRow += 1
        pauseCreates(pool, for: backoff, error, now: now)
        return backoff
    }

    private mutating func pauseCreates(
        _ pool: PoolIndex, for backoff: Duration, _ error: RuntimeError, now: MonotonicInstant
    ) {
        let until = now + backoff
        pools[pool].filledInBatch = 0
        pools[pool].breaker = .open(until: until, error)
        setHeld(pool, nil)
        refuseWaiters(of: pool, where: { $0.deadline < until }, with: .unavailable(error, nextTry: backoff))
    }

    mutating func closeBreaker(_ pool: PoolIndex) {
        pools[pool].breaker = .closed
        pools[pool].failuresInRow = 0
        emit(.event(.breakerClosed(pool: pools[pool].configuration.name)))
        nudge()
    }

    /// What a failed create left behind is gone. With an error it is not, and is queued for removal.
    public mutating func createCleaned(_ id: MemberID, _ error: RuntimeError?, now: MonotonicInstant) {
        guard let slot = slotOf[id], slot == creating, case .cleaning = slots[slot].state else {
            preconditionFailure("\(id) is not being cleaned up")
        }
        creating = nil
        if let error {
            move(slot, to: .stopping(.inFlight(attempt: 0)))
            removalFinished(id, error, now: now)
        } else {
            freeSlot(slot)
        }
    }
}
