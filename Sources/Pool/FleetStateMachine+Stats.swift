// SPDX-License-Identifier: Apache-2.0

/// Statistics of a pool.
public struct PoolSnapshot: Sendable, Equatable {
    public enum Breaker: Sendable, Equatable {
        case closed
        case open(RuntimeError, nextTry: Duration)
        case halfOpen(RuntimeError)
    }

    public var name: String
    public var image: String
    public var target: Int
    public var max: Int
    public var starting: Int
    public var idle: Int
    public var leased: Int
    public var resetting: Int
    public var stopping: Int
    /// How many of `idle` were created by an earlier configuration.
    public var outdated: Int
    public var waiters: Int
    public var oldestWait: Duration
    public var held: HeldReason?
    public var breaker: Breaker
    public var failuresInRow: Int
    public var isDraining: Bool
    public var creates: UInt64
    public var createFailures: UInt64
    public var leases: UInt64
    public var removed: UInt64
    /// Resets that ended in a clean member.
    public var recycled: UInt64
    /// Members retired, by reason, without reasons that never occurred.
    public var retired: [RetireReason: UInt64]
    public var acquireLatency: LatencyQuantiles
    /// Acquires per second, from which the target is computed.
    public var arrivalRate: Double
    /// How long a create takes; nil before the first.
    public var createTime: Duration?
    public var times: PoolTimes
}

/// How long things took since the server's start.
public struct PoolTimes: Sendable, Equatable {
    /// From an acquire to its lease, if the member was warm or made clean again.
    public var warmWait = DurationHistogram()
    /// The same, if the member was created for the caller.
    public var coldWait = DurationHistogram()
    /// From the start of a create until its member was ready.
    public var create = DurationHistogram()
    /// From a lease to its end.
    public var use = DurationHistogram()

    mutating func recordWait(_ time: Duration, isWarm: Bool) {
        if isWarm { warmWait.record(time) } else { coldWait.record(time) }
    }
}

/// A member as an operator sees it.
public struct MemberInfo: Sendable, Equatable {
    public enum State: String, Sendable {
        case starting, idle, leased, resetting, stopping
    }

    public var id: MemberID
    public var pool: String
    public var state: State
    /// Time since its first answer; zero before.
    public var age: Duration
    /// How often it was leased.
    public var uses: Int
    /// Whether it was created by an earlier configuration.
    public var isOutdated: Bool
}

extension FleetStateMachine {
    /// Statistics of every pool, in the configured order, then of pools no longer configured that still have members.
    public func snapshot(now: MonotonicInstant) -> [PoolSnapshot] {
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
            createTime: demand.createSeconds.map { .nanoseconds(Int64($0 * 1e9)) }, times: pool.times)
    }

    /// The links of all members that are leased.
    public var leasedLinks: [any MemberLink] { slots.compactMap { $0.leased?.link } }

    /// Every member of a pool, or of all pools, in the order of creation.
    public func listMembers(pool name: String? = nil, now: MonotonicInstant) -> [MemberInfo] {
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
