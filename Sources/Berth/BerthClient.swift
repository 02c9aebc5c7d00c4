// SPDX-License-Identifier: Apache-2.0

internal import BerthRPC
internal import BerthSchema
public import NIOCore
public import NIOPosix

/// A client of a Berth server: one connection, for any number of calls at a time, from any task.
///
///     try await BerthClient.withClient { client in
///         try await client.withLease { lease in
///             for try await event in client.execute(Command(["python3", "-c", "print(1)"]), in: lease) { … }
///         }
///     }
///
/// It connects at its first call. When the connection is lost, open calls fail with `unavailable`, since nobody knows how
/// far they came; the next call connects again, and tries until `Configuration.connectTimeout` is up. Nothing is run twice
/// by itself. Calls throw `BerthError`.
public final class BerthClient: Sendable {
    /// What a server's log says of its clients.
    static let name = "berth-swift"

    let connector: Connector

    /// For tasks that shall run on the connection's own thread, as in `withTaskExecutorPreference(client.executor) { … }`:
    /// what comes then reaches them without a switch of threads, which takes longer than the rest of a short call. Such a
    /// task must not block, and computes briefly: all calls of its connection wait for it.
    public let executor: any TaskExecutor

    /// Makes no call; `withClient` does the same, and closes it.
    ///
    /// - Parameters:
    ///   - address: nil is where BERTH_SERVER says, else 127.0.0.1:7411.
    ///   - configuration: how the client behaves.
    ///   - eventLoopGroup: where the connection's work is done.
    /// - Throws: `invalidArgument` for a BERTH_SERVER that is no address.
    public init(
        address: ServerAddress? = nil, configuration: Configuration = Configuration(),
        eventLoopGroup: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton
    ) throws(BerthError) {
        let eventLoop = eventLoopGroup.next()
        let there = if let address { address } else { try ServerAddress.fromEnvironment() }
        connector = Connector(there, configuration, on: eventLoop)
        executor = ConnectionExecutor(eventLoop)
    }

    /// Whether it is connected now.
    package var isConnected: Bool { connector.current != nil }

    /// A client of one connection, which is made now, at the first try, and never again: for those who reconnect by rules of
    /// their own.
    package static func connect(
        to address: ServerAddress = .standard, timeout: Duration = .seconds(5),
        group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton
    ) async throws(BerthError) -> BerthClient {
        var configuration = Configuration()
        configuration.connectTimeout = timeout
        (configuration.reconnects, configuration.retries) = (false, false)
        let client = try BerthClient(address: address, configuration: configuration, eventLoopGroup: group)
        _ = try await client.connector.line()
        return client
    }

    /// Closes the connection; every call fails from then on. What runs on it is cancelled; leases that are not detached end
    /// soon after.
    public func close() { connector.close() }

    // MARK: Calls

    /// Who is there. Also the way to ask whether a server is alive.
    /// - Parameter client: who asks, for the server's log.
    public func hello(client: String = "berth-swift") async throws(BerthError) -> HelloResponse {
        try await call(PoolService.hello, HelloRequest(client: client))
    }

    /// Extends a lease, which every other call on it does too: for one that is kept without being used.
    /// - Parameters:
    ///   - lease: the one to extend.
    ///   - leaseTime: how long it lasts without use from now on, at most the server's longest; nil is as before.
    /// - Returns: the time left. A lease whose connection has closed is not extended.
    @discardableResult
    public func renew(_ lease: Lease, leaseTime: Duration? = nil) async throws(BerthError) -> Duration {
        let response = try await call(
            PoolService.renew, RenewRequest(lease: lease.token, ttlMilliseconds: leaseTime?.milliseconds ?? 0))
        return .milliseconds(response.ttlMilliseconds)
    }

    /// The server and its pools in numbers.
    public func stats() async throws(BerthError) -> StatsResponse {
        try await call(PoolService.stats, StatsRequest())
    }

    /// Leases a member. When the task is cancelled meanwhile, this throws at once, and a lease that comes of it all the
    /// same is released.
    ///
    /// - Parameters:
    ///   - pool: nil is the server's default pool.
    ///   - wait: how long to wait in line when none is warm; nil is the server's default, 30 s.
    ///   - isDetached: the lease outlives this connection.
    ///   - leaseTime: how long it lasts without use; nil is the server's longest, 5 min.
    public func acquire(
        pool: String? = nil, wait: Duration? = nil, isDetached: Bool = false, leaseTime: Duration? = nil
    ) async throws(BerthError) -> Lease {
        let request = AcquireRequest(
            pool: pool ?? "", waitMilliseconds: wait?.milliseconds ?? 0, isDetached: isDetached,
            ttlMilliseconds: leaseTime?.milliseconds ?? 0)
        let (answers, answer) = AsyncStream.makeStream(of: Result<Lease, BerthError>.self)
        // A task of its own: a unary call can't be taken back, so that its answer is needed even when nobody waits.
        let asking = Task { [self] () -> Result<Lease, BerthError> in
            let result: Result<Lease, BerthError>
            do throws(BerthError) {
                result = .success(Lease(try await call(PoolService.acquire, request)))
            } catch {
                result = .failure(error)
            }
            answer.yield(result)
            return result
        }
        for await result in answers { return try result.get() }
        Task { if case .success(let lease) = await asking.value { try? await release(lease) } }
        throw BerthError(.cancelled, "the caller left the call")
    }

    /// Ends a lease and what runs in it.
    public func release(_ lease: Lease) async throws(BerthError) {
        _ = try await call(PoolService.release, ReleaseRequest(lease: lease.token))
    }

    /// Any unary call of the contract.
    func call<Request, Response>(
        _ method: UnaryMethod<Request, Response>, _ message: Request
    ) async throws(BerthError) -> Response {
        // The usual way, without a wait.
        if let line = connector.current { return try await line.rpc.call(method, message) }
        return try await connector.line().rpc.call(method, message)
    }
}
