// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Berth
import Console
import FileTree

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

struct Acquire: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Lease a warm container for several commands and print the lease.",
        discussion: """
              lease=$(berth acquire)
              berth run --lease $lease --shell 'echo 42 > answer'
              berth run --lease $lease -- cat answer
              berth release $lease

            Everyone who knows the lease may use it, and everyone on this machine can see the arguments of all \
            programs. So you can keep it in the variable BERTH_LEASE, or in a file:

              berth acquire --lease-file ~/lease
              berth run --lease-file ~/lease -- true
              berth release --lease-file ~/lease

            The lease ends when it has not been used for some time (--time).
            """)

    @OptionGroup var server: ServerOptions

    @Option(help: "Pool to take the container from (default: the server's default pool).")
    var pool: String?

    @Option(
        help: "Maximum time to wait when no container is warm (default: the server's, 30s).",
        transform: DurationArgument.init(parsing:))
    var wait: DurationArgument?

    @Option(
        help: "Time after which the unused lease ends (default and maximum: the server's, 5m).",
        transform: DurationArgument.init(parsing:))
    var time: DurationArgument?

    @Option(help: ArgumentHelp("Write the lease to this file, for you alone, and print nothing.", valueName: "file"))
    var leaseFile: String?

    mutating func run() async throws {
        let file = try leaseFile.map { try NewLeaseFile($0) }
        try await server.call { [pool, wait, time] client in
            let lease = try await client.acquire(
                pool: pool, wait: wait?.duration, isDetached: true, leaseTime: time?.duration)
            do {
                if let file { try file.write(lease) } else { try printLine(lease.token.printable) }
            } catch {
                try await client.release(lease)
                throw error
            }
        }
    }
}

struct Release: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "End a lease and the programs that run in it.")

    @OptionGroup var server: ServerOptions

    @OptionGroup var leases: LeaseOptions

    @Argument(help: ArgumentHelp("The lease; instead of --lease.", valueName: "token"))
    var token: String?

    mutating func validate() throws {
        guard token == nil || !leases.isGiven else { throw ValidationError("two leases are given") }
    }

    mutating func run() async throws {
        var options = leases
        options.lease = options.lease ?? token
        let lease = try options.required()
        try await server.call { client in try await client.release(lease) }
    }
}

/// The file for a lease, which is created before the lease is acquired.
private struct NewLeaseFile {
    private let path: String
    private let descriptor: Int32

    init(_ path: String) throws {
        self.path = path
        // An existing file is removed first: it would keep its mode, and others might have it open.
        let bytes = path.argumentBytes
        _ = bytes.withC { unlink($0) }
        descriptor = bytes.withC { open($0, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600) }
        guard descriptor >= 0 else { throw Failure("\(path): \(String(cString: strerror(errno)))", code: 2) }
    }

    func write(_ lease: Lease) throws {
        guard writeAll(Array("\(lease.token)\n".utf8), to: descriptor) else {
            throw Failure("\(path): \(String(cString: strerror(errno)))")
        }
    }
}
