internal import DequeModule
internal import HeapModule

/// What the one maintenance task asks for and reports.
extension PoolStateMachine {
    /// One create, the only one that is under way.
    public struct CreateOrder: Sendable, Equatable {
        public var member: MemberID
        public var pool: String
        public var template: MemberTemplate
        public var timeout: Duration
        /// For the first in line; else to fill the pool.
        public var isOnDemand: Bool
    }

    /// What to start now, and when to come again if nothing happens before.
    public struct Step: Sendable, Equatable {
        public var create: CreateOrder?
        public var removals: [MemberID] = []
        public var wake: MonotonicInstant
        /// Draining has come to its end: no member is left.
        public var isFinished = false
    }

    /// One cycle: what has passed its time is ended, then waiters are served, then pools are filled, one create at a
    /// time.
    ///
    /// - Parameters:
    ///   - newMember: a fresh name for a member to be created.
    ///   - hostMemory: bytes of memory that the host has available now; nil where that is not known.
    public mutating func next(
        now: MonotonicInstant, newMember: () -> MemberID, hostMemory: () -> Int64?
    ) -> Step {
        fireTimers(now)
        var step = Step(wake: now + configuration.tick)
        step.removals = startRemovals()
        if isDraining {
            step.isFinished = members == 0
        } else if creating == nil {
            step.create = startCreate(now, newMember: newMember, hostMemory: hostMemory, wake: &step.wake)
        }
        if let timer = timers.min { step.wake = min(step.wake, timer.at) }
        return step
    }

    /// Refuses new acquires and all in line, and removes what is idle. Leases go on until they end or `endLeases`.
    public mutating func drain(now: MonotonicInstant) {
        guard !isDraining else { return }
        isDraining = true
        for pool in pools.indices {
            refuseWaiters(of: pool, where: { _ in true }, with: { _ in .draining })
        }
        for index in slots.indices {
            if case .idle = slots[index].state { stop(index, .draining, now: now) }
        }
        nudge()
    }

    /// Ends every lease at once.
    public mutating func endLeases(now: MonotonicInstant) {
        for index in slotOfLease.values { stop(index, .draining, now: now) }
    }

    // MARK: Timers

    private mutating func fireTimers(_ now: MonotonicInstant) {
        while let timer = timers.min, timer.at <= now {
            timers.removeMin()
            guard isLive(timer) else { continue }
            switch timer.target {
            case .waiter(let id):
                waiterTimedOut(id, now: now)
            case .slot(let index):
                slots[index].timer = nil
                switch slots[index].state {
                case .leased(let lease):
                    leaseTimer(index, lease, now: now)
                case .stopping(.waiting(let attempt, let until)):
                    if until <= now {
                        slots[index].state = .stopping(.queued(attempt: attempt))
                        removalLine.append(index)
                    } else {
                        setTimer(index, at: until)
                    }
                case .free, .starting, .cleaning, .idle, .stopping:
                    break
                }
            }
        }
    }

    // MARK: Creates

    private mutating func startCreate(
        _ now: MonotonicInstant, newMember: () -> MemberID, hostMemory: () -> Int64?, wake: inout MonotonicInstant
    ) -> CreateOrder? {
        for turn in pools.indices {
            let pool = (nextServed + turn) % pools.count
            guard pools[pool].waiting > 0, mayCreate(pool, now, hostMemory, &wake) else { continue }
            nextServed = pool + 1
            return begin(pool, newMember(), isOnDemand: true)
        }
        for turn in pools.indices {
            let pool = (nextFilled + turn) % pools.count
            guard pools[pool].wantsFill else {
                pools[pool].filledInBatch = 0
                if pools[pool].waiting == 0 { setHeld(pool, nil) }
                continue
            }
            guard mayCreate(pool, now, hostMemory, &wake) else {
                pools[pool].filledInBatch = 0
                continue
            }
            pools[pool].filledInBatch += 1
            nextFilled = pool
            if pools[pool].filledInBatch >= pools[pool].configuration.batch {
                pools[pool].filledInBatch = 0
                nextFilled = pool + 1
            }
            return begin(pool, newMember(), isOnDemand: false)
        }
        return nil
    }

    /// The one gate for fill and for on-demand creates: breaker, then limits.
    private mutating func mayCreate(
        _ pool: Int, _ now: MonotonicInstant, _ hostMemory: () -> Int64?, _ wake: inout MonotonicInstant
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

    mutating func setHeld(_ pool: Int, _ reason: HeldReason?) {
        if let reason, pools[pool].held == nil {
            emit(.event(.held(pool: pools[pool].configuration.name, reason)))
        }
        pools[pool].held = reason
    }

    private mutating func begin(_ pool: Int, _ id: MemberID, isOnDemand: Bool) -> CreateOrder {
        if case .open(_, let cause) = pools[pool].breaker { pools[pool].breaker = .halfOpen(cause) }
        creating = makeSlot(id, pool: pool)
        pools[pool].creates += 1
        let settings = pools[pool].configuration
        emit(.event(.createStarted(id, pool: settings.name, onDemand: isOnDemand)))
        return CreateOrder(
            member: id, pool: settings.name, template: settings.template, timeout: settings.createTimeout,
            isOnDemand: isOnDemand)
    }

    /// The member has answered its first ping. False: it has died since, so the create counts as failed and is to be
    /// cleaned up after (`createCleaned`).
    public mutating func createSucceeded(
        _ id: MemberID, link: any MemberLink, took: Duration, now: MonotonicInstant
    ) -> Bool {
        guard let index = slotOf[id], index == creating, case .starting(let died) = slots[index].state else {
            preconditionFailure("\(id) is not being created")
        }
        guard !died else {
            emit(.close(link, .memberDied))
            createFailed(id, RuntimeError(.failed, "the container ended as soon as it was ready"), now: now)
            return false
        }
        let pool = slots[index].pool
        creating = nil
        pools[pool].starting -= 1
        slots[index].link = link
        pools[pool].failuresInRow = 0
        emit(.event(.created(id, pool: pools[pool].configuration.name, took: took)))
        if pools[pool].breaker != .closed {
            pools[pool].breaker = .closed
            emit(.event(.breakerClosed(pool: pools[pool].configuration.name)))
        }
        offer(index, isWarm: false, now: now)
        nudge()
        return true
    }

    /// The create failed; the backoff counts from `now`. What it left behind has to be removed before anything else is
    /// created: `createCleaned` says how that went.
    public mutating func createFailed(_ id: MemberID, _ error: RuntimeError, now: MonotonicInstant) {
        guard let index = slotOf[id], index == creating, case .starting = slots[index].state else {
            preconditionFailure("\(id) is not being created")
        }
        let pool = slots[index].pool
        slots[index].state = .cleaning
        pools[pool].starting -= 1
        pools[pool].stopping += 1
        pools[pool].createFailures += 1
        pools[pool].failuresInRow += 1
        pools[pool].filledInBatch = 0
        let backoff = pools[pool].configuration.backoff
        let until = now + backoff
        pools[pool].breaker = .open(until: until, error)
        setHeld(pool, nil)
        emit(
            .event(
                .createFailed(
                    id, pool: pools[pool].configuration.name, error, failuresInRow: pools[pool].failuresInRow,
                    nextTry: backoff)))
        refuseWaiters(of: pool, where: { $0.deadline < until }, with: { _ in .unavailable(error, nextTry: backoff) })
        nudge()
    }

    /// What a failed create left behind is gone; or, with an error, is not, and joins what is to be removed.
    public mutating func createCleaned(_ id: MemberID, _ error: RuntimeError?, now: MonotonicInstant) {
        guard let index = slotOf[id], index == creating, case .cleaning = slots[index].state else {
            preconditionFailure("\(id) is not being cleaned up")
        }
        creating = nil
        if let error {
            slots[index].state = .stopping(.running(attempt: 0))
            removalsRunning += 1
            removalFinished(id, error, now: now)
        } else {
            pools[slots[index].pool].stopping -= 1
            freeSlot(index)
        }
    }

    // MARK: Removals

    /// The member is given up: its stream is closed, and it is removed.
    mutating func stop(_ index: Int, _ reason: LinkCloseReason, now: MonotonicInstant) {
        let pool = slots[index].pool
        switch slots[index].state {
        case .idle: pools[pool].idle -= 1
        case .leased: unlease(index)
        case .starting: break
        case .free, .cleaning, .stopping: return
        }
        slots[index].state = .stopping(.queued(attempt: 0))
        slots[index].timer = nil
        pools[pool].stopping += 1
        removalLine.append(index)
        if let link = slots[index].link { emit(.close(link, reason)) }
        slots[index].link = nil
        nudge()
    }

    private mutating func startRemovals() -> [MemberID] {
        var started: [MemberID] = []
        while removalsRunning < configuration.maxConcurrentRemovals, let index = removalLine.popFirst() {
            guard case .stopping(.queued(let attempt)) = slots[index].state else { continue }
            slots[index].state = .stopping(.running(attempt: attempt))
            removalsRunning += 1
            started.append(slots[index].id)
        }
        return started
    }

    /// One attempt to remove a member has ended; without an error it is confirmed gone. Failed attempts are repeated,
    /// 1 s to 60 s apart, until that.
    public mutating func removalFinished(_ id: MemberID, _ error: RuntimeError?, now: MonotonicInstant) {
        guard let index = slotOf[id], case .stopping(.running(let attempt)) = slots[index].state else {
            preconditionFailure("\(id) is not being removed")
        }
        removalsRunning -= 1
        let pool = slots[index].pool
        guard let error else {
            pools[pool].stopping -= 1
            freeSlot(index)
            return
        }
        let delay = Duration.seconds(1 << min(attempt, 6)).clamped(to: .seconds(1)...(.seconds(60)))
        let until = now + delay
        slots[index].state = .stopping(.waiting(attempt: attempt + 1, until: until))
        setTimer(index, at: until)
        let name = pools[pool].configuration.name
        emit(.event(.removeFailed(id, pool: name, error, retryIn: delay)))
        nudge()
    }
}

extension Duration {
    fileprivate func clamped(to range: ClosedRange<Duration>) -> Duration {
        Swift.min(Swift.max(self, range.lowerBound), range.upperBound)
    }
}
