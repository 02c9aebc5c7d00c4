internal import Pool
internal import Schema

extension PoolStats {
    init(_ pool: PoolSnapshot) {
        self.init(
            name: pool.name, image: pool.image, target: UInt32(clamping: pool.target), max: UInt32(clamping: pool.max),
            starting: UInt32(clamping: pool.starting), idle: UInt32(clamping: pool.idle),
            leased: UInt32(clamping: pool.leased), stopping: UInt32(clamping: pool.stopping),
            waiters: UInt32(clamping: pool.waiters), oldestWaitMilliseconds: pool.oldestWait.wholeMilliseconds,
            isHeld: pool.held != nil, heldReason: pool.held?.description ?? "",
            failuresInRow: UInt32(clamping: pool.failuresInRow), creates: pool.creates,
            createFailures: pool.createFailures, leases: pool.leases, destroyed: pool.removed)
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
