// SPDX-License-Identifier: Apache-2.0

internal import DequeModule
internal import HeapModule

/// What the one maintenance task asks for and reports.
extension FleetStateMachine {
    /// One create, the only one in flight.
    package struct CreateOrder: Sendable, Equatable {
        package var member: MemberID
        package var pool: String
        package var template: MemberTemplate
        package var timeout: Duration
        /// For the first waiter; else to fill the pool.
        package var isOnDemand: Bool
    }

    /// Something to ask of a member over its link; `resetFinished` or `pingFinished` says how that went.
    package struct LinkOrder: Sendable, Equatable {
        package var member: MemberID
        package var link: any MemberLink
        package var timeout: Duration

        package static func == (a: LinkOrder, b: LinkOrder) -> Bool {
            a.member == b.member && a.link === b.link && a.timeout == b.timeout
        }
    }

    /// What to start now, and when to come again if nothing happens before.
    package struct Step: Sendable, Equatable {
        package var create: CreateOrder?
        package var removals: [MemberID] = []
        package var resets: [LinkOrder] = []
        package var pings: [LinkOrder] = []
        package var wake: MonotonicInstant
        /// Draining has come to its end: no member is left.
        package var isFinished = false
    }

    /// One cycle: what has passed its time is ended, then waiters are served, then pools are filled, one create at a
    /// time.
    ///
    /// - Parameters:
    ///   - newMember: a fresh name for a member to be created.
    ///   - hostMemory: bytes of memory that the host has available now; nil where that is not known.
    package mutating func next(
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
        // After creates, for which a member may have been given up to make room.
        startRemovals(&step)
        startResets(&step)
        startPings(&step)
        if let timer = timers.min { step.wake = min(step.wake, timer.at) }
        return step
    }

    /// Refuses new acquires and all that are queued, and removes what is idle. Leases go on until they end or `endLeases`.
    package mutating func drain(now: MonotonicInstant) {
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
    package mutating func endLeases(now: MonotonicInstant) {
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
