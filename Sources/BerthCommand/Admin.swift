// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Berth
import Console

/// The commands of `berth admin`.
struct Admin: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Change the pools of a running server (for operators).",
        discussion: """
              berth admin members                   every container, and its state
              berth admin reset-backoff             a failure is repaired: create again
              berth admin resize default --size 8   keep 8 containers warm
              berth admin drain default             take the pool out of service

            None of these commands ends a lease or changes the configuration file: a change lasts until the server \
            reloads its configuration or restarts.
            """,
        subcommands: [AdminMembers.self, AdminResetBackoff.self, AdminResize.self, AdminDrain.self])
}

struct AdminResetBackoff: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reset-backoff",
        abstract: "Close the breaker by hand.",
        discussion: """
            After a failed create, a pool creates nothing for five minutes. If you have repaired the cause sooner \
            (berth stats shows it), this command makes the pool try the next create at once. If that fails too, the \
            breaker opens again.

              berth admin reset-backoff          all pools
              berth admin reset-backoff python   one pool

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

            A value that is not given stays as it is. Idle containers beyond a smaller size are removed at once; \
            containers beyond a smaller max are removed when their leases end. A pool that follows demand gets a fixed \
            size.
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
            throw ValidationError("neither --size nor --max is given")
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
            Its idle containers are removed, no more are created, and acquires are refused, including those in the \
            queue. Leases are not ended; when the last one has ended, the pool is empty:

              berth admin drain default
              berth admin members default    which containers are left

            The pool is in service again when the server reloads its configuration or restarts.
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
    /// Connects, runs `body`, and closes the connection.
    /// - Throws: `Failure` for a `BerthError`; other errors of `body` unchanged.
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
    /// A failed call. The exit code is 2 if the request can't be right, for example names an unknown pool.
    init(_ error: BerthError) {
        self.init(error.message, code: error.code == .invalidArgument || error.code == .notFound ? 2 : 1)
    }
}
