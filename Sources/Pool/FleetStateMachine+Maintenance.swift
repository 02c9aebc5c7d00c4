// SPDX-License-Identifier: Apache-2.0

internal import DequeModule
internal import HeapModule

/// The events of the maintenance task.
extension FleetStateMachine {
    /// One create, the only one in flight.
    public struct CreateOrder: Sendable, Equatable {
        public var member: MemberID
        public var pool: String
        public var template: MemberTemplate
        public var timeout: Duration
        /// Whether it is for the first waiter, and not to fill the pool.
        public var isOnDemand: Bool
    }

    /// A reset or ping to do over a member's link; `resetFinished` or `pingFinished` reports the result.
    public struct LinkOrder: Sendable, Equatable {
        public var member: MemberID
        public var link: any MemberLink
        public var timeout: Duration

        public static func == (a: LinkOrder, b: LinkOrder) -> Bool {
            a.member == b.member && a.link === b.link && a.timeout == b.timeout
        }
    }

    /// What to start now, and when to call `next` again if nothing happens before.
    public struct Step: Sendable, Equatable {
        public var create: CreateOrder?
        public var removals: [MemberID] = []
        public var resets: [LinkOrder] = []
        public var pings: [LinkOrder] = []
        public var wake: MonotonicInstant
        /// Whether draining is finished: no member is left.
        public var isFinished = false
    }

    /// One cycle: ends what has expired, then serves waiters, then fills pools, one create at a time.
    ///
    /// - Parameters:
    ///   - newMember: a new name for a member to create.
    ///   - hostMemory: bytes of memory that the host has available now; nil if unknown.
    public mutating func next(
        now: MonotonicInstant, newMember: () -> MemberID, hostMemory: () -> Int64?
    ) -> Step {
        fireTimers(now)
        var step = Step(wake: now + configuration.tick)
        for pool in pools.indices { followDemand(pool, now: now, wake: &step.wake) }
        if isDraining {
            step.isFinished = members == 0
        } else if creating == nil {
            step.create = startCreate(now, newMember: newMember, hostMemory: hostMemory, wake: &step.wake)
        }
        // After creates, since a member may have been given up to make room for one.
        startRemovals(&step)
        startResets(&step)
        startPings(&step)
        if let timer = timers.min { step.wake = min(step.wake, timer.at) }
        return step
    }

    /// Refuses new and queued acquires, and removes idle members. Leases continue until they end, or `endLeases`.
    public mutating func drain(now: MonotonicInstant) {
        guard !isDraining else { return }
        isDraining = true
        for pool in pools.indices {
            refuseWaiters(of: pool, with: .draining)
        }
        for slot in slots.indices {
            switch slots[slot].state {
            case .idle, .resetting: retire(slot, .draining)
            case .free, .starting, .cleaning, .leased, .stopping: break
            }
        }
        nudge()
    }

    /// Ends every lease at once.
    public mutating func endLeases(now: MonotonicInstant) {
        for slot in slotOfLease.values { retire(slot, .draining) }
    }

    // MARK: Timers

    private mutating func fireTimers(_ now: MonotonicInstant) {
        while let timer = timers.min, timer.at <= now {
            timers.removeMin()
            guard isLive(timer) else { continue }
            switch timer.target {
            case .waiter(let id):
                waiterTimedOut(id, now: now)
            case .slot(let slot):
                slots[slot].timer = nil
                switch slots[slot].state {
                case .leased(let lease):
                    leaseTimer(slot, lease, now: now)
                case .stopping(.waiting(let attempt, let until)):
                    if until <= now {
                        queueRemoval(slot, attempt: attempt)
                    } else {
                        setTimer(slot, at: until)
                    }
                case .idle:
                    idleTimer(slot, now: now)
                case .free, .starting, .cleaning, .resetting, .stopping:
                    break
                }
            }
        }
    }
}
