// SPDX-License-Identifier: Apache-2.0

internal import GatedLog
package import Logging
package import Pool

/// Logs every decision of the pool. Lines that clients can cause as often as they like are limited by a gate.
package struct PoolLog: PoolObserver {
    /// How many lines of a kind are logged before further ones are only counted: for a few members it helps to know which.
    private static let burst = 10

    private let logger: Logger
    private let gate: LogGate

    package init(_ logger: Logger, clock: any MonotonicClock = SystemClock()) {
        self.logger = logger
        gate = LogGate(logger, clock: clock)
    }

    private func gated(
        _ level: Logger.Level, _ message: String, _ pool: String, burst: Int = PoolLog.burst,
        metadata: @autoclosure () -> Logger.Metadata
    ) {
        gate.log(level, message, subject: pool, burst: burst, metadata: metadata())
    }

    private func names(_ member: MemberID, _ pool: String, _ more: Logger.Metadata = [:]) -> Logger.Metadata {
        var metadata = more
        metadata["member.id"] = "\(member)"
        metadata["pool.name"] = "\(pool)"
        return metadata
    }

    private func backOff(_ error: RuntimeError, _ failures: Int, _ nextTry: Duration) -> Logger.Metadata {
        [
            "error.cause": "\(error.cause.rawValue)", "error.message": "\(error.message)",
            "breaker.failures": "\(failures)", "breaker.next_try_s": "\(nextTry.wholeMilliseconds / 1000)",
        ]
    }

    private func evicted(_ metadata: Logger.Metadata, _ eviction: Eviction, _ pool: String) {
        var metadata = metadata
        metadata["runtime.reason"] = "\(eviction.message)"
        if let grace = eviction.grace { metadata["eviction.grace_ms"] = "\(grace.wholeMilliseconds)" }
        gated(.warning, "the runtime takes a member back", pool, metadata: metadata)
    }

    package func record(_ event: PoolEvent) {
        switch event {
        case .createStarted(let member, let pool, let onDemand):
            logger.debug("creating a member", metadata: names(member, pool, ["create.on_demand": "\(onDemand)"]))
        case .created(let member, let pool, let took):
            gated(
                .info, "member is ready", pool,
                metadata: names(member, pool, ["create.ms": "\(took.wholeMilliseconds)"]))
        case .createFailed(let member, let pool, let error, let failures, let nextTry):
            gated(
                error.isServersOwn ? .warning : .error,
                error.isServersOwn ? "the server has no room for a create" : "create failed, backing off", pool,
                metadata: names(member, pool, backOff(error, failures, nextTry)))
        case .breakerClosed(let pool):
            gated(.info, "create succeeded again, breaker closed", pool, metadata: ["pool.name": "\(pool)"])
        case .held(let pool, let reason):
            gated(
                .warning, "a create is held by a limit", pool, burst: 1,
                metadata: ["pool.name": "\(pool)", "held.reason": "\(reason)"])
        case .leaseExpired(let member, let pool):
            gated(.info, "lease expired", pool, metadata: names(member, pool))
        case .memberDied(let member, let pool, let wasLeased):
            gated(.warning, "member died", pool, metadata: names(member, pool, ["member.leased": "\(wasLeased)"]))
        case .evicted(let member, let pool, let eviction, let isLeased):
            evicted(names(member, pool, ["member.leased": "\(isLeased)"]), eviction, pool)
        case .retired(let member, let pool, let reason, let uses):
            logger.debug(
                "member retired",
                metadata: names(member, pool, ["retire.reason": "\(reason.rawValue)", "member.uses": "\(uses)"]))
        case .diedYoung(let member, let pool, let error, let failures, let nextTry):
            gated(
                .error, "member died unused soon after its creation, backing off", pool,
                metadata: names(member, pool, backOff(error, failures, nextTry)))
        case .resetFailed(let member, let pool, let error):
            gated(
                .warning, "reset failed, member is destroyed", pool,
                metadata: names(member, pool, ["error.message": "\(error)"]))
        case .pingFailed(let member, let pool, let error):
            gated(.warning, "health ping failed", pool, metadata: names(member, pool, ["error.message": "\(error)"]))
        case .targetChanged(let pool, let from, let to):
            logger.debug(
                "pool follows demand",
                metadata: ["pool.name": "\(pool)", "pool.target": "\(to)", "pool.target_before": "\(from)"])
        case .reconfigured(let pool):
            logger.info("pool reconfigured", metadata: ["pool.name": "\(pool)"])
        case .removed(let member, let pool):
            logger.debug("member removed", metadata: names(member, pool))
        case .removeFailed(let member, let pool, let error, let retry):
            gated(
                .warning, "member not removed, trying again", pool,
                metadata: names(
                    member, pool,
                    ["error.message": "\(error.message)", "remove.retry_ms": "\(retry.wholeMilliseconds)"]))
        case .leftoverFound(let member):
            logger.warning("removing a leftover of this instance", metadata: ["member.id": "\(member)"])
        case .sweepFailed(let error):
            logger.warning("sweep for leftovers failed", metadata: ["error.message": "\(error.message)"])
        }
    }
}
