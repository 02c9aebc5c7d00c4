// SPDX-License-Identifier: Apache-2.0

internal import BerthSchema
internal import Pool

extension PoolStats {
    init(_ pool: PoolSnapshot) {
        self.init(
            name: pool.name, image: pool.image, target: UInt32(clamping: pool.target), max: UInt32(clamping: pool.max),
            starting: UInt32(clamping: pool.starting), idle: UInt32(clamping: pool.idle),
            leased: UInt32(clamping: pool.leased), stopping: UInt32(clamping: pool.stopping),
            waiters: UInt32(clamping: pool.waiters), oldestWaitMilliseconds: pool.oldestWait.wholeMilliseconds,
            isHeld: pool.held != nil, heldReason: pool.held?.description ?? "",
            failuresInRow: UInt32(clamping: pool.failuresInRow), creates: pool.creates,
            createFailures: pool.createFailures, leases: pool.leases, destroyed: pool.removed,
            resetting: UInt32(clamping: pool.resetting), outdated: UInt32(clamping: pool.outdated),
            isDraining: pool.isDraining, recycled: pool.recycled,
            retired: Dictionary(uniqueKeysWithValues: pool.retired.map { ($0.key.rawValue, $0.value) }),
            acquireP50Microseconds: pool.acquireLatency.p50.wholeMicroseconds,
            acquireP90Microseconds: pool.acquireLatency.p90.wholeMicroseconds,
            acquireP99Microseconds: pool.acquireLatency.p99.wholeMicroseconds, arrivalsPerSecond: pool.arrivalRate,
            createMicroseconds: pool.createTime?.wholeMicroseconds ?? 0)
        switch pool.breaker {
        case .closed:
            breaker = .closed
        case .open(let error, let nextTry):
            breaker = .open
            cause = error.cause.rawValue
            causeMessage = error.message
            nextTryInMilliseconds = nextTry.wholeMilliseconds
        case .halfOpen(let error):
            breaker = .halfOpen
            cause = error.cause.rawValue
            causeMessage = error.message
        }
    }
}
