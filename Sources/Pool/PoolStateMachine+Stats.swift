/// A pool in numbers.
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
    public var stopping: Int
    public var waiters: Int
    public var oldestWait: Duration
    public var held: HeldReason?
    public var breaker: Breaker
    public var failuresInRow: Int
    public var creates: UInt64
    public var createFailures: UInt64
    public var leases: UInt64
    public var removed: UInt64
}

extension PoolStateMachine {
    public func snapshot(now: MonotonicInstant) -> [PoolSnapshot] {
        pools.indices.map { index in
            let pool = pools[index]
            let breaker: PoolSnapshot.Breaker =
                switch pool.breaker {
                case .closed: .closed
                case .open(let until, let cause): .open(cause, nextTry: Swift.max(.zero, until - now))
                case .halfOpen(let cause): .halfOpen(cause)
                }
            return PoolSnapshot(
                name: pool.configuration.name, image: pool.configuration.template.image,
                target: pool.configuration.size, max: pool.configuration.max, starting: pool.starting, idle: pool.idle,
                leased: pool.leased, stopping: pool.stopping, waiters: pool.waiting,
                oldestWait: firstWaiter(index).map { now - $0.since } ?? .zero, held: pool.held, breaker: breaker,
                failuresInRow: pool.failuresInRow, creates: pool.creates, createFailures: pool.createFailures,
                leases: pool.leases, removed: pool.removed)
        }
    }
}
