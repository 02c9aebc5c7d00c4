// SPDX-License-Identifier: Apache-2.0

internal import Pool

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// What the charts show of one moment.
struct Sample: Sendable, Equatable {
    /// Counts from the listener's start on.
    var number: UInt64 = 0
    /// Milliseconds since then.
    var uptime: Int64 = 0
    var executions: Int32
    var connections: Int32
    var waiters: Int32
    /// Granted per second, times ten, within `History.rateWindow`.
    var leaseRate: Int32 = 0
    /// MiB that the members may use, that are held for callers, and of the server itself.
    var memberMemory: Int32
    var heldMemory: Int32
    var ownMemory: Int32
    var pools: [PoolSample]

    init(_ figures: ServerFigures) {
        executions = Int32(clamping: figures.executions)
        connections = Int32(clamping: figures.connections)
        waiters = figures.pools.reduce(0) { Int32(clamping: Int($0) + $1.waiters) }
        memberMemory = Int32(clamping: figures.memberBytes >> 20)
        heldMemory = Int32(clamping: figures.heldBytes >> 20)
        ownMemory = Int32(clamping: ProcessFigures.residentBytesNow() >> 20)
        pools = figures.pools.map(PoolSample.init)
    }

    /// The numbers of the whole server, by their names in JSON.
    static let columns: [(name: String, value: @Sendable (Sample) -> Int32)] = [
        ("executions", { $0.executions }), ("connections", { $0.connections }), ("waiters", { $0.waiters }),
        ("lease_rate", { $0.leaseRate }), ("member_mib", { $0.memberMemory }), ("held_mib", { $0.heldMemory }),
        ("own_mib", { $0.ownMemory }),
    ]
}

/// A pool at one moment.
struct PoolSample: Sendable, Equatable {
    var name: String
    var starting: Int32
    var idle: Int32
    var leased: Int32
    var resetting: Int32
    var stopping: Int32
    var target: Int32
    var max: Int32
    var waiters: Int32
    /// 1 while creates fail.
    var broken: Int32
    /// Of what ended within `History.timeWindow`; nil: nothing did.
    var acquire: Quantiles?
    var create: Quantiles?

    init(_ pool: PoolSnapshot) {
        name = pool.name
        starting = Int32(clamping: pool.starting)
        idle = Int32(clamping: pool.idle)
        leased = Int32(clamping: pool.leased)
        resetting = Int32(clamping: pool.resetting)
        stopping = Int32(clamping: pool.stopping)
        target = Int32(clamping: pool.target)
        max = Int32(clamping: pool.max)
        waiters = Int32(clamping: pool.waiters)
        broken = pool.breaker == .closed ? 0 : 1
    }

    /// The numbers of a pool, by their names in JSON. Times are in microseconds.
    static let columns: [(name: String, value: @Sendable (PoolSample) -> Int32?)] = [
        ("starting", { $0.starting }), ("idle", { $0.idle }), ("leased", { $0.leased }),
        ("resetting", { $0.resetting }),
        ("stopping", { $0.stopping }), ("target", { $0.target }), ("max", { $0.max }), ("waiters", { $0.waiters }),
        ("broken", { $0.broken }),
        ("acquire_p50", { $0.acquire?.p50 }), ("acquire_p99", { $0.acquire?.p99 }), ("create_p50", { $0.create?.p50 }),
        ("create_p99", { $0.create?.p99 }),
    ]
}

/// Quantiles of durations, in microseconds.
struct Quantiles: Sendable, Equatable {
    var p50: Int32
    var p99: Int32

    /// Of what was counted since an earlier time; nil if nothing was.
    init?(_ now: [UInt64], since before: [UInt64]) {
        guard now.count == before.count else { return nil }
        let counts = zip(now, before).map { $0 >= $1 ? $0 - $1 : 0 }
        let total = counts.reduce(0, +)
        guard total > 0 else { return nil }
        p50 = Self.quantile(0.5, counts, total)
        p99 = Self.quantile(0.99, counts, total)
    }

    /// Within a bucket, durations are taken to be spread evenly on a logarithmic scale.
    private static func quantile(_ fraction: Double, _ counts: [UInt64], _ total: UInt64) -> Int32 {
        let bounds = DurationHistogram.bounds
        let rank = (Double(total) * fraction).rounded(.up)
        var below = 0.0
        for (index, count) in counts.enumerated() where count > 0 {
            defer { below += Double(count) }
            guard below + Double(count) >= rank else { continue }
            guard index > 0 else { return microseconds(bounds[0].inSeconds) }
            guard index < bounds.count else { return microseconds(bounds[bounds.count - 1].inSeconds) }
            let (low, high) = (bounds[index - 1].inSeconds, bounds[index].inSeconds)
            return microseconds(low * pow(high / low, (rank - below) / Double(count)))
        }
        return 0
    }

    private static func microseconds(_ seconds: Double) -> Int32 { Int32(clamping: Int64((seconds * 1e6).rounded())) }
}
