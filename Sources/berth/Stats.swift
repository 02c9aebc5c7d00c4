import ArgumentParser
import BerthClient
import Schema

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

struct Stats: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show the state and figures of a server's pools.",
        discussion: """
              berth stats                            once, as a table
              berth stats --watch                    again and again, until Ctrl-C
              berth stats --watch --interval 200ms   how often; at least 100ms
              berth stats --json                     for programs, an object a line

            TARGET: containers kept warm. MAX: containers at most, in all states together. WAITING: acquires in line. \
            PER S: acquires a second. P50, P90, P99: how long acquires took. A CREATE: how long a create takes. \
            RECYCLED: containers made as new by a reset. RETIRED: containers given up.

            held: a create is wanted, and the named limit is in its way. breaker: "open" means that the last create \
            failed and none is tried until the time shown; berth admin reset-backoff closes it by hand.
            """)

    @OptionGroup var server: ServerOptions

    @Flag(help: "Print JSON, one object per line.")
    var json = false

    @Flag(help: "Print repeatedly, until Ctrl-C.")
    var watch = false

    @Option(help: "With --watch: interval between two prints.", transform: DurationArgument.init(parsing:))
    var interval = DurationArgument(seconds: 1)

    mutating func validate() throws {
        guard interval.duration >= .milliseconds(100) else {
            throw ValidationError("--interval \(interval) is less than 100ms, the shortest")
        }
    }

    mutating func run() async throws {
        let (json, watch, interval) = (json, watch, interval)
        try await server.call { client in
            guard watch else { return try printLine(Stats.text(try await client.stats(), json: json)) }
            try await Stats.show(client.watchStats(every: interval.duration), json: json)
        }
    }

    /// Each snapshot as it comes.
    private static func show(_ snapshots: some AsyncSequence<StatsResponse, any Error>, json: Bool) async throws {
        var screen = json ? nil : Screen(STDOUT_FILENO)
        var isFirst = true
        for try await stats in snapshots {
            let text = text(stats, json: json)
            try printText(screen?.frame(text) ?? (json || isFirst ? "" : "\n") + text + "\n")
            isFirst = false
        }
    }

    private static func text(_ stats: StatsResponse, json: Bool) -> String {
        json ? JSON.line(StatsLine(stats)) : StatsTable.text(stats)
    }
}

/// Stats for programs: the names of pool.proto.
private struct StatsLine: Encodable {
    struct Pool: Encodable {
        var name, image: String
        var target, max, starting, idle, leased, stopping, waiters: UInt32
        var oldest_wait_ms: UInt64
        var held: Bool
        var held_reason, breaker, cause, cause_message: String
        var failures_in_row: UInt32
        var next_try_in_ms, creates, create_failures, leases, destroyed: UInt64
        var resetting, outdated: UInt32
        var draining: Bool
        var recycled: UInt64
        var retired: [String: UInt64]
        var acquire_p50_us, acquire_p90_us, acquire_p99_us: UInt64
        var arrivals_per_second: Double
        var create_us: UInt64
    }

    var server, runtime: String
    var uptime_ms: UInt64
    var connections, executions: UInt32
    var memory_budget_bytes, memory_used_bytes: UInt64
    var pools: [Pool]

    init(_ stats: StatsResponse) {
        server = stats.server
        runtime = stats.runtime
        uptime_ms = stats.uptimeMilliseconds
        connections = stats.connections
        executions = stats.executions
        memory_budget_bytes = stats.memoryBudgetBytes
        memory_used_bytes = stats.memoryUsedBytes
        pools = stats.pools.map { pool in
            Pool(
                name: pool.name, image: pool.image, target: pool.target, max: pool.max, starting: pool.starting,
                idle: pool.idle, leased: pool.leased, stopping: pool.stopping, waiters: pool.waiters,
                oldest_wait_ms: pool.oldestWaitMilliseconds, held: pool.isHeld, held_reason: pool.heldReason,
                breaker: pool.breaker == .closed ? "closed" : pool.breaker == .open ? "open" : "half_open",
                cause: pool.cause, cause_message: pool.causeMessage, failures_in_row: pool.failuresInRow,
                next_try_in_ms: pool.nextTryInMilliseconds, creates: pool.creates,
                create_failures: pool.createFailures, leases: pool.leases, destroyed: pool.destroyed,
                resetting: pool.resetting, outdated: pool.outdated, draining: pool.isDraining, recycled: pool.recycled,
                retired: pool.retired, acquire_p50_us: pool.acquireP50Microseconds,
                acquire_p90_us: pool.acquireP90Microseconds, acquire_p99_us: pool.acquireP99Microseconds,
                arrivals_per_second: pool.arrivalsPerSecond, create_us: pool.createMicroseconds)
        }
    }
}
