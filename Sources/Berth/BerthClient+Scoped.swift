// SPDX-License-Identifier: Apache-2.0

internal import BerthRPC
internal import BerthSchema
public import NIOCore
public import NIOPosix

extension BerthClient {
    /// Runs `body` with a client, and then closes the client, which ends what is still running on it.
    ///
    ///     try await BerthClient.withClient { client in
    ///         print(try await client.run(Command(["echo", "hello"])).text)
    ///     }
    ///
    /// - Parameters:
    ///   - address: the server; nil means the environment variable BERTH_SERVER, or 127.0.0.1:7411 without one.
    ///   - configuration: how the client behaves.
    ///   - eventLoopGroup: where the connection's work is done.
    ///   - isolation: the actor that `body` runs on: the caller's.
    ///   - body: is called with the client.
    /// - Throws: what `body` throws, and `invalidArgument` if BERTH_SERVER is not an address.
    public static func withClient<Result>(
        address: ServerAddress? = nil, configuration: Configuration = Configuration(),
        eventLoopGroup: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton,
        isolation: isolated (any Actor)? = #isolation,
        _ body: (BerthClient) async throws -> sending Result
    ) async throws -> sending Result {
        let client = try BerthClient(address: address, configuration: configuration, eventLoopGroup: eventLoopGroup)
        defer { client.close() }
        return try await body(client)
    }

    /// Leases a member, runs `body` with it, and releases it, whether `body` returns or throws.
    ///
    ///     try await client.withLease { lease in
    ///         try await client.writeFile("/workspace/in.txt", Array("3\n1\n2\n".utf8), in: lease)
    ///         print(try await client.run(Command(shell: "sort in.txt"), in: lease).text)
    ///     }
    ///
    /// - Parameters:
    ///   - pool: nil is the server's default pool.
    ///   - wait: maximum time in the queue if no member is warm; nil is the server's default, 30 s.
    ///   - leaseTime: how long the lease lasts without use; nil is the server's maximum, 5 min.
    ///   - isolation: the actor that `body` runs on: the caller's.
    ///   - body: is called with the lease.
    /// - Throws: what `body` throws, and what `acquire` does.
    public func withLease<Result>(
        pool: String? = nil, wait: Duration? = nil, leaseTime: Duration? = nil,
        isolation: isolated (any Actor)? = #isolation,
        _ body: (Lease) async throws -> sending Result
    ) async throws -> sending Result {
        let lease = try await acquire(pool: pool, wait: wait, leaseTime: leaseTime)
        do {
            let result = try await body(lease)
            await giveBack(lease)
            return result
        } catch {
            await giveBack(lease)
            throw error
        }
    }

    /// Releases a lease, even if the current task was cancelled. Without a connection the lease ends by itself.
    private func giveBack(_ lease: Lease) async {
        guard let line = connector.current else { return }
        await Task { _ = try? await line.rpc.call(PoolService.release, ReleaseRequest(lease: lease.token)) }.value
    }
}
