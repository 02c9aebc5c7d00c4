// SPDX-License-Identifier: Apache-2.0

import BerthSchema
import Console

/// Stats as text for people.
enum StatsTable {
    static func text(_ stats: StatsResponse) -> String {
        let head =
            "\(stats.server) on \(stats.runtime), up \(duration(stats.uptimeMilliseconds)), "
            + "\(count(stats.connections, "connection")), \(count(stats.executions, "execution")), "
            + "memory \(stats.memoryUsedBytes >> 20)"
            + (stats.memoryBudgetBytes == 0 ? " MiB" : " of \(stats.memoryBudgetBytes >> 20) MiB")
            // Older servers do not have this field.
            + (stats.heldBudgetBytes == 0 ? "" : ", held for callers \(held(stats))")
            + (stats.unheldLimits.isEmpty ? "" : ", without limits of \(stats.unheldLimits.joined(separator: ", "))")
        let now = TextTable.lines(
            [
                "POOL", "IMAGE", "TARGET", "IDLE", "LEASED", "STARTING", "RESETTING", "STOPPING", "MAX", "WAITING",
                "BREAKER",
            ],
            stats.pools.map { pool in
                [
                    pool.name, pool.image, "\(pool.target)", "\(pool.idle)", "\(pool.leased)", "\(pool.starting)",
                    "\(pool.resetting)", "\(pool.stopping)", "\(pool.max)", "\(pool.waiters)", breaker(pool),
                ]
            })
        let sinceStart = TextTable.lines(
            [
                "POOL", "LEASES", "PER S", "P50", "P90", "P99", "CREATES", "A CREATE", "FAILED", "RECYCLED", "RETIRED",
            ],
            stats.pools.map { pool in
                [
                    pool.name, "\(pool.leases)", rate(pool.arrivalsPerSecond), time(pool.acquireP50Microseconds),
                    time(pool.acquireP90Microseconds), time(pool.acquireP99Microseconds), "\(pool.creates)",
                    time(pool.createMicroseconds), "\(pool.createFailures)", "\(pool.recycled)",
                    "\(pool.retired.values.reduce(0, &+))",
                ]
            })
        let notes = stats.pools.flatMap(notes).map(\.printable)
        return ([head.printable, ""] + now + [""] + sinceStart + (notes.isEmpty ? [] : [""] + notes)).joined(
            separator: "\n")
    }

    /// "3 of 256 MiB": the held memory, rounded up, so that a little is not shown as 0.
    private static func held(_ stats: StatsResponse) -> String {
        let (mebibytes, rest) = stats.heldBytes.quotientAndRemainder(dividingBy: 1 << 20)
        return "\(mebibytes + (rest > 0 ? 1 : 0)) of \(stats.heldBudgetBytes >> 20) MiB"
    }

    /// Notes on unusual states of a pool.
    private static func notes(_ pool: PoolStats) -> [String] {
        var notes: [String] = []
        if pool.isDraining { notes.append("draining: acquires are refused") }
        if !pool.cause.isEmpty { notes.append("last create failed: \(pool.cause): \(pool.causeMessage)") }
        if pool.isHeld { notes.append("held: \(pool.heldReason)") }
        if pool.waiters > 0 {
            notes.append("the first acquire in the queue has waited for \(duration(pool.oldestWaitMilliseconds))")
        }
        if pool.outdated > 0 {
            notes.append("\(pool.outdated) idle containers of an earlier configuration, until new ones are warm")
        }
        let unusual = pool.retired.filter { $0.key != "released" }
        if !unusual.isEmpty {
            let counts = unusual.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }
            notes.append("retired: \(counts.joined(separator: ", "))")
        }
        return notes.map { "\(pool.name): \($0)" }
    }

    private static func breaker(_ pool: PoolStats) -> String {
        switch pool.breaker {
        case .closed: "closed"
        case .open: "open, next try in \(duration(pool.nextTryInMilliseconds))"
        case .halfOpen: "trying"
        }
    }

    private static func count(_ number: UInt32, _ noun: String) -> String {
        number == 1 ? "1 \(noun)" : "\(number) \(noun)s"
    }

    /// "0.4", "12", "3400".
    private static func rate(_ perSecond: Double) -> String {
        guard perSecond < 10 else { return "\(Int(min(perSecond, 1e15).rounded()))" }
        let tenths = Int((perSecond * 10).rounded())
        return "\(tenths / 10).\(tenths % 10)"
    }

    /// "-" for none, "2 us", "1.2 ms", "340 ms", "4.0 s".
    private static func time(_ microseconds: UInt64) -> String {
        switch microseconds {
        case 0: "-"
        case ..<1000: "\(microseconds) us"
        case ..<10_000: "\(microseconds / 1000).\(microseconds % 1000 / 100) ms"
        case ..<1_000_000: "\(microseconds / 1000) ms"
        default: "\(microseconds / 1_000_000).\(microseconds % 1_000_000 / 100_000) s"
        }
    }

    static func duration(_ milliseconds: UInt64) -> String {
        let seconds = milliseconds / 1000
        return switch seconds {
        case 0: "\(milliseconds) ms"
        case ..<60: "\(seconds) s"
        case ..<3600: "\(seconds / 60) min \(seconds % 60) s"
        default: "\(seconds / 3600) h \(seconds / 60 % 60) min"
        }
    }
}
