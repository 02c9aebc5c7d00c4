// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Berth
import BerthSchema
import Console

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
              berth stats --watch                    repeatedly, until Ctrl-C
              berth stats --watch --interval 200ms   every 200ms; at least 100ms
              berth stats --json                     for programs, one object per line

            memory: the sum of the containers' memory limits. held for callers: the server's own memory for waiting \
            requests, unfinished frames, queues and output (held_memory).

            TARGET: containers to keep warm. MAX: maximum number of containers in all states together. WAITING: \
            acquires in the queue. PER S: acquires per second. P50, P90, P99: how long acquires took. A CREATE: how \
            long a create takes. RECYCLED: containers made as new by a reset. RETIRED: containers that were given up.

            held: a create is needed, but the named limit does not allow it. breaker: "open" means that the last \
            create failed and none is tried until the time shown; berth admin reset-backoff closes it.
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
            throw ValidationError("--interval \(interval) is less than 100ms, the minimum")
        }
    }

    mutating func run() async throws {
        let (json, watch, interval) = (json, watch, interval)
        try await server.call { client in
            guard watch else { return try printLine(Stats.text(try await client.stats(), json: json)) }
            try await Stats.show(client.watchStats(every: interval.duration), json: json)
        }
    }

    /// Prints each snapshot as it arrives.
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
        json ? JSON.line(stats) : StatsTable.text(stats)
    }
}
