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
        abstract: "Show a server's pools in numbers.",
        discussion: """
              berth stats            once, as a table
              berth stats --watch    every second, until Ctrl-C
              berth stats --json     for programs

            target: members kept warm. held: a create is wanted, and the named limit is in its way.
            breaker: "open" means that the last create failed and none is tried until the time shown.
            """)

    @OptionGroup var server: ServerOptions

    @Flag(help: "Print JSON, one object a line.")
    var json = false

    @Flag(help: "Print again every second.")
    var watch = false

    mutating func run() async throws {
        do {
            let client = try await BerthClient.connect(to: try server.address())
            defer { client.close() }
            while true {
                let stats = try await client.stats()
                // A screen that is watched is cleared.
                let text =
                    json ? JSON.line(StatsLine(stats)) : (watch ? "\u{1B}[H\u{1B}[2J" : "") + StatsTable.text(stats)
                guard writeAll(Array((text + "\n").utf8), to: STDOUT_FILENO), watch else { return }
                try await Task.sleep(for: .seconds(1))
            }
        } catch let error as BerthError {
            throw Failure(error.message, code: error.code == .invalidArgument ? 2 : 1)
        }
    }
}

/// Stats for people.
enum StatsTable {
    static func text(_ stats: StatsResponse) -> String {
        var lines = [
            "\(stats.server) on \(stats.runtime), up \(duration(stats.uptimeMilliseconds)), "
                + "\(stats.connections) connections, \(stats.executions) executions, "
                + "memory \(stats.memoryUsedBytes >> 20)"
                + (stats.memoryBudgetBytes == 0 ? " MiB" : " of \(stats.memoryBudgetBytes >> 20) MiB"), "",
        ]
        let header = [
            "POOL", "IMAGE", "TARGET", "IDLE", "LEASED", "STARTING", "STOPPING", "MAX", "WAITING", "LEASES", "CREATES",
            "FAILED", "BREAKER",
        ]
        let rows = stats.pools.map { pool in
            [
                pool.name, pool.image, "\(pool.target)", "\(pool.idle)", "\(pool.leased)", "\(pool.starting)",
                "\(pool.stopping)", "\(pool.max)", "\(pool.waiters)", "\(pool.leases)", "\(pool.creates)",
                "\(pool.createFailures)", breaker(pool),
            ]
        }
        let widths = header.indices.map { column in ([header] + rows).map { $0[column].count }.max() ?? 0 }
        for row in [header] + rows {
            let cells = row.indices.map { index in
                row[index] + String(repeating: " ", count: widths[index] - row[index].count)
            }
            var line = cells.joined(separator: "  ")
            while line.hasSuffix(" ") { line.removeLast() }
            lines.append(line)
        }
        for pool in stats.pools {
            if !pool.cause.isEmpty {
                lines.append("\(pool.name): last create failed: \(pool.cause): \(pool.causeMessage)")
            }
            if pool.isHeld { lines.append("\(pool.name): held: \(pool.heldReason)") }
            if pool.waiters > 0 {
                lines.append("\(pool.name): the first in line waits for \(duration(pool.oldestWaitMilliseconds))")
            }
        }
        return lines.joined(separator: "\n")
    }

    private static func breaker(_ pool: PoolStats) -> String {
        switch pool.breaker {
        case .closed: "closed"
        case .open: "open, next try in \(duration(pool.nextTryInMilliseconds))"
        case .halfOpen: "trying"
        }
    }

    private static func duration(_ milliseconds: UInt64) -> String {
        let seconds = milliseconds / 1000
        return switch seconds {
        case 0: "\(milliseconds) ms"
        case ..<60: "\(seconds) s"
        case ..<3600: "\(seconds / 60) min \(seconds % 60) s"
        default: "\(seconds / 3600) h \(seconds / 60 % 60) min"
        }
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
                create_failures: pool.createFailures, leases: pool.leases, destroyed: pool.destroyed)
        }
    }
}
