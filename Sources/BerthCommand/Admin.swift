// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Berth
import Console

/// `berth admin …`.
struct Admin: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Change the pools of a running server (for operators).",
        discussion: """
              berth admin members                   every container, and its state
              berth admin reset-backoff             a failure is mended: create again
              berth admin resize default --size 8   keep 8 containers warm
              berth admin drain default             take the pool out of service

            No lease is ended by any of these. Nothing is written to the configuration: what is changed holds until \
            the server loads that again, or restarts.
            """,
        subcommands: [AdminMembers.self, AdminResetBackoff.self, AdminResize.self, AdminDrain.self])
}

struct AdminResetBackoff: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reset-backoff",
        abstract: "Close the breaker by hand.",
        discussion: """
            After a create that failed, a pool creates nothing for five minutes. When the cause is mended sooner (berth \
            stats shows it), this lets the next create be tried at once. If it fails too, the breaker opens again.

              berth admin reset-backoff          of all pools
              berth admin reset-backoff python   of one

            Prints the pools whose breaker was open.
            """)

    @OptionGroup var server: ServerOptions

    @Argument(help: "The pool (default: all pools).")
    var pool: String?

    mutating func run() async throws {
        try await server.call { [pool] client in
            let pools = try await client.resetBackoff(pool: pool)
            try printLine(
                pools.isEmpty
                    ? "no breaker was open"
                    : "closed the breaker of \(pools.joined(separator: ", ").printable); the next create is tried now")
        }
    }
}

struct AdminResize: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "resize",
        abstract: "Change the number of containers a pool keeps warm, and its maximum.",
        discussion: """
              berth admin resize default --size 8            keep 8 warm
              berth admin resize default --size 8 --max 32   and have 32 at most
              berth admin resize default --size 0            create them on demand

            What is not given stays as it is. Idle containers beyond a smaller size are removed at once; beyond a \
            smaller max, containers go as their leases end. A pool that follows demand has a fixed size from then on.
            """)

    @OptionGroup var server: ServerOptions

    @Argument(help: "The pool.")
    var pool: String

    @Option(help: "Containers kept warm.")
    var size: UInt32?

    @Option(help: "Maximum number of containers, including those being created, leased and removed.")
    var max: UInt32?

    mutating func validate() throws {
        guard size != nil || max != nil else {
            throw ValidationError("neither --size nor --max is given: say what to change")
        }
    }

    mutating func run() async throws {
        try await server.call { [pool, size, max] client in
            let now = try await client.resize(pool: pool, size: size.map { Int($0) }, max: max.map { Int($0) })
            try printLine("\(pool.printable): size \(now.size), max \(now.max)")
        }
    }
}

struct AdminDrain: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "drain",
        abstract: "Take a pool out of service.",
        discussion: """
            Its idle containers are removed, none is created, acquires are refused, those in line included. Leases go on \
            to their end, and when the last has ended the pool is empty:

              berth admin drain default
              berth admin members default    what is left of it

            It is in service again when the server loads its configuration again, or restarts.
            """)

    @OptionGroup var server: ServerOptions

    @Argument(help: "The pool.")
    var pool: String

    mutating func run() async throws {
        try await server.call { [pool] client in
            let leases = try await client.drain(pool: pool)
            try printLine(
                "\(pool.printable): draining, \(leases == 0 ? "no lease is" : leases == 1 ? "1 lease is" : "\(leases) leases are") left"
            )
        }
    }
}

extension ServerOptions {
    /// Connects, calls, and hangs up.
    /// - Throws: `Failure` for a `BerthError`; all else as `body` throws it.
    func call(_ body: (BerthClient) async throws -> Void) async throws {
        do {
            let client = try await BerthClient.connect(to: try address())
            defer { client.close() }
            try await body(client)
        } catch let error as BerthError {
            throw Failure(error)
        }
    }
}

extension Failure {
    /// A call that failed: code 2 when what was asked for can't be right, an unknown pool included.
    init(_ error: BerthError) {
        self.init(error.message, code: error.code == .invalidArgument || error.code == .notFound ? 2 : 1)
    }
}
