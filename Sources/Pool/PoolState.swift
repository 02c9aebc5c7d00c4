// SPDX-License-Identifier: Apache-2.0

internal import DequeModule

extension FleetStateMachine {
    typealias PoolIndex = Table<PoolState>.Index

    struct PoolState: Sendable {
        var configuration: PoolConfiguration
        var breaker = Breaker.closed
        var failuresInRow = 0
        /// When a member last died young and unused; nil if none has since the last lease.
        var lastYoungDeath: MonotonicInstant?
        // Members by state: counted by `move` alone.
        var starting = 0
        var idle = 0
        var leased = 0
        var resetting = 0
        var stopping = 0
        /// Those of `idle` that are outdated.
        var outdatedIdle = 0
        /// How many idle members there should be.
        var target: Int
        /// Number of changes of the template; members of an earlier one are outdated.
        private(set) var generation = 0
        var idleQueue = IdleQueue()
        /// Outdated idle members: leased if no other is idle, and retired as new ones get warm.
        var outdatedQueue = IdleQueue()
        var demand = Demand()
        /// When the next member beyond the target is retired; nil while there is none.
        var surplusDue: MonotonicInstant?
        var isDraining = false
        /// Whether the pool is no longer configured, and is removed after its last member.
        var isRemoved = false
        /// Waiters, first in, first out. The place of a waiter that left remains, without effect.
        var queue: Deque<WaiterID> = []
        /// The waiters of `queue` between whose clients it is fair.
        var turns = Turns()
        /// How many of `queue` still wait.
        var waiting = 0
        /// Which limit throttles its creates.
        var held: HeldReason?
        var filledInBatch = 0
        var creates: UInt64 = 0
        var createFailures: UInt64 = 0
        var leases: UInt64 = 0
        var removed: UInt64 = 0
        var recycled: UInt64 = 0
        var retired = [UInt64](repeating: 0, count: RetireReason.allCases.count)
        var latency = LatencyHistogram()
        var times = PoolTimes()

        init(_ configuration: PoolConfiguration) {
            self.configuration = configuration
            target = configuration.size
        }

        var members: Int { starting + idle + leased + resetting + stopping }
        /// Idle members, and those that soon will be.
        var supply: Int { idle - outdatedIdle + starting + resetting }
        var wantsFill: Bool { supply < target && !isDraining }
        /// Whether more wait than there are members being reset, which will serve the queue first.
        var wantsOnDemand: Bool { waiting > resetting }
        var isVacant: Bool { isRemoved && members == 0 }

        /// Counts members that come into a state, or leave it with a negative change. For `move`.
        mutating func count(_ state: SlotState, generation: Int, by change: Int) {
            switch state {
            case .free: break
            case .starting: starting += change
            case .idle:
                idle += change
                if generation != self.generation { outdatedIdle += change }
            case .leased: leased += change
            case .resetting: resetting += change
            case .cleaning, .stopping: stopping += change
            }
        }

        /// The template has changed: members created before are outdated.
        mutating func beginGeneration() {
            generation += 1
            outdatedIdle = idle
            outdatedQueue.places.append(contentsOf: idleQueue.places)
            idleQueue.places = []
        }
    }

    /// Slots in the order in which they became idle. When a slot is no longer idle, its place remains, without effect.
    struct IdleQueue: Sendable {
        struct Place: Sendable {
            var slot: SlotIndex
            var stamp: UInt64
        }

        var places: Deque<Place> = []
    }

    /// The gate of a pool's creates.
    enum Breaker: Sendable, Equatable {
        /// Creates go on. → `open`
        case closed
        /// No create until then; the next one is the probe. → `halfOpen`; `closed` by an operator or a new template
        case open(until: MonotonicInstant, RuntimeError)
        /// The probe is in flight. → `closed` when it succeeds, `open` when it fails
        case halfOpen(RuntimeError)
    }
}
