public import Logging
public import Pool

/// Every decision of the pool as a log line.
public struct PoolLog: PoolObserver {
    private let logger: Logger

    public init(_ logger: Logger) {
        self.logger = logger
    }

    public func record(_ event: PoolEvent) {
        switch event {
        case .createStarted(let member, let pool, let onDemand):
            logger.debug(
                "creating a member",
                metadata: ["member.id": "\(member)", "pool.name": "\(pool)", "create.on_demand": "\(onDemand)"])
        case .created(let member, let pool, let took):
            logger.info(
                "member is ready",
                metadata: ["member.id": "\(member)", "pool.name": "\(pool)", "create.ms": "\(took.wholeMilliseconds)"])
        case .createFailed(let member, let pool, let error, let failures, let nextTry):
            logger.error(
                "create failed, backing off",
                metadata: [
                    "member.id": "\(member)", "pool.name": "\(pool)", "error.cause": "\(error.cause.rawValue)",
                    "error.message": "\(error.message)", "breaker.failures": "\(failures)",
                    "breaker.next_try_s": "\(nextTry.wholeMilliseconds / 1000)",
                ])
        case .breakerClosed(let pool):
            logger.info("create succeeded again, breaker closed", metadata: ["pool.name": "\(pool)"])
        case .held(let pool, let reason):
            logger.warning(
                "a create is held by a limit", metadata: ["pool.name": "\(pool)", "held.reason": "\(reason)"])
        case .leaseExpired(let member, let pool):
            logger.info("lease expired", metadata: ["member.id": "\(member)", "pool.name": "\(pool)"])
        case .memberDied(let member, let pool, let wasLeased):
            logger.warning(
                "member died",
                metadata: ["member.id": "\(member)", "pool.name": "\(pool)", "member.leased": "\(wasLeased)"])
        case .retired(let member, let pool, let reason, let uses):
            logger.debug(
                "member retired",
                metadata: [
                    "member.id": "\(member)", "pool.name": "\(pool)", "retire.reason": "\(reason.rawValue)",
                    "member.uses": "\(uses)",
                ])
        case .diedYoung(let member, let pool, let error, let failures, let nextTry):
            logger.error(
                "member died unused soon after its creation, backing off",
                metadata: [
                    "member.id": "\(member)", "pool.name": "\(pool)", "error.cause": "\(error.cause.rawValue)",
                    "error.message": "\(error.message)", "breaker.failures": "\(failures)",
                    "breaker.next_try_s": "\(nextTry.wholeMilliseconds / 1000)",
                ])
        case .resetFailed(let member, let pool, let error):
            logger.warning(
                "reset failed, member is destroyed",
                metadata: ["member.id": "\(member)", "pool.name": "\(pool)", "error.message": "\(error)"])
        case .pingFailed(let member, let pool, let error):
            logger.warning(
                "health ping failed",
                metadata: ["member.id": "\(member)", "pool.name": "\(pool)", "error.message": "\(error)"])
        case .targetChanged(let pool, let from, let to):
            logger.debug(
                "pool follows demand",
                metadata: ["pool.name": "\(pool)", "pool.target": "\(to)", "pool.target_before": "\(from)"])
        case .reconfigured(let pool):
            logger.info("pool reconfigured", metadata: ["pool.name": "\(pool)"])
        case .removed(let member, let pool):
            logger.debug("member removed", metadata: ["member.id": "\(member)", "pool.name": "\(pool)"])
        case .removeFailed(let member, let pool, let error, let retry):
            logger.warning(
                "member not removed, trying again",
                metadata: [
                    "member.id": "\(member)", "pool.name": "\(pool)", "error.message": "\(error.message)",
                    "remove.retry_ms": "\(retry.wholeMilliseconds)",
                ])
        case .leftoverFound(let member):
            logger.warning("removing a leftover of this instance", metadata: ["member.id": "\(member)"])
        case .sweepFailed(let error):
            logger.warning("sweep for leftovers failed", metadata: ["error.message": "\(error.message)"])
        }
    }
}
