// SPDX-License-Identifier: Apache-2.0

/// Statistics of a pool.
package struct PoolSnapshot: Sendable, Equatable {
    package enum Breaker: Sendable, Equatable {
        case closed
        case open(RuntimeError, nextTry: Duration)
        case halfOpen(RuntimeError)
    }

    package var name: String
    package var image: String
    package var target: Int
    package var max: Int
    package var starting: Int
    package var idle: Int
    package var leased: Int
    package var resetting: Int
    package var stopping: Int
    /// How many of `idle` were created by an earlier configuration.
    package var outdated: Int
    package var waiters: Int
    package var oldestWait: Duration
    package var held: HeldReason?
    package var breaker: Breaker
    package var failuresInRow: Int
    package var isDraining: Bool
    package var creates: UInt64
    package var createFailures: UInt64
    package var leases: UInt64
    package var removed: UInt64
    /// Resets that ended in a clean member.
    package var recycled: UInt64
    /// Members retired, by reason, without reasons that never occurred.
    package var retired: [RetireReason: UInt64]
    package var acquireLatency: LatencyQuantiles
    /// Acquires per second, from which the target is computed.
    package var arrivalRate: Double
    /// How long a create takes; nil before the first.
    package var createTime: Duration?
}

/// A member as an operator sees it.
package struct MemberInfo: Sendable, Equatable {
    package enum State: String, Sendable {
        case starting, idle, leased, resetting, stopping
    }

    package var id: MemberID
    package var pool: String
    package var state: State
    /// Time since its first answer; zero before.
    package var age: Duration
    /// How often it was leased.
    package var uses: Int
    /// Whether it was created by an earlier configuration.
    package var isOutdated: Bool
}

extension FleetStateMachine {
    /// Statistics of every pool, in the configured order, then of pools no longer configured that still have members.
    package func snapshot(now: MonotonicInstant) -> [PoolSnapshot] {
        let others = pools.indices.filter { pools[$0].isRemoved && pools[$0].members > 0 }
        return (poolOrder + others).map { snapshot(of: $0, now: now) }
    }

    private func snapshot(of index: PoolIndex, now: MonotonicInstant) -> PoolSnapshot {
        let pool = pools[index]
        let breaker: PoolSnapshot.Breaker =
            switch pool.breaker {
            case .closed: .closed
            case .open(let until, let cause): .open(cause, nextTry: Swift.max(.zero, until - now))
            case .halfOpen(let cause): .halfOpen(cause)
            }
        var retired: [RetireReason: UInt64] = [:]
        for reason in RetireReason.allCases where pool.retired[reason.ordinal] > 0 {
            retired[reason] = pool.retired[reason.ordinal]
        }
        var demand = pool.demand
        return PoolSnapshot(
            name: pool.configuration.name, image: pool.configuration.template.image, target: pool.target,
            max: pool.configuration.max, starting: pool.starting, idle: pool.idle, leased: pool.leased,
            resetting: pool.resetting, stopping: pool.stopping, outdated: pool.outdatedIdle, waiters: pool.waiting,
            oldestWait: firstWaiter(index).map { now - $0.since } ?? .zero, held: pool.held, breaker: breaker,
            failuresInRow: pool.failuresInRow, isDraining: pool.isDraining || isDraining, creates: pool.creates,
            createFailures: pool.createFailures, leases: pool.leases, removed: pool.removed, recycled: pool.recycled,
            retired: retired, acquireLatency: pool.latency.quantiles, arrivalRate: demand.rate(now),
            createTime: demand.createSeconds.map { .nanoseconds(Int64($0 * 1e9)) })
    }

    /// Every member of a pool, or of all pools, in the order of creation.
    package func listMembers(pool name: String? = nil, now: MonotonicInstant) -> [MemberInfo] {
        slots.compactMap { slot in
            let pool = pools[slot.pool].configuration.name
            guard name == nil || name == pool else { return nil }
            let state: MemberInfo.State
            var age = now - slot.readySince
            switch slot.state {
            case .free: return nil
            case .starting: (state, age) = (.starting, .zero)
            case .idle: state = .idle
            case .leased: state = .leased
            case .resetting: state = .resetting
            case .cleaning: (state, age) = (.stopping, .zero)
            case .stopping: state = .stopping
            }
            return MemberInfo(
                id: slot.id, pool: pool, state: state, age: age, uses: slot.uses,
                isOutdated: slot.generation != pools[slot.pool].generation)
        }
    }
}
