import ArgumentParser
import BerthClient

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

struct Acquire: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Lease a warm container, for several commands, and print the lease.",
        discussion: """
              lease=$(berth acquire)
              berth run --lease $lease --shell 'echo 42 > answer'
              berth run --lease $lease -- cat answer
              berth release $lease

            Who knows the lease may use it. It ends when it was not used for a while.
            """)

    @OptionGroup var server: ServerOptions

    @Option(help: "The pool to take from (default: the server's default pool).")
    var pool: String?

    @Option(
        help: "How long to wait for a container when none is warm (default: the server's, 30s).",
        transform: DurationArgument.init(parsing:))
    var wait: DurationArgument?

    @Option(
        help: "How long the lease lasts without use (default, and at most: the server's, 5m).",
        transform: DurationArgument.init(parsing:))
    var time: DurationArgument?

    mutating func run() async throws {
        try await server.call { [pool, wait, time] client in
            let lease = try await client.acquire(
                pool: pool, wait: wait?.duration, isDetached: true, leaseTime: time?.duration)
            do throws(OutputFailure) {
                try printLine(lease.token)
            } catch {
                try await client.release(lease)
                throw error
            }
        }
    }
}

struct Release: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "End a lease from berth acquire, and what runs in it.")

    @OptionGroup var server: ServerOptions

    @Argument(help: "The lease.")
    var lease: String

    mutating func run() async throws {
        try await server.call { [lease] client in try await client.release(Lease(token: lease)) }
    }
}
