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
/// It connects at its first call. When the connection is lost, open calls fail with `unavailable`, because the client cannot
/// know how far they got; the next call connects again, and retries until `Configuration.connectTimeout` has passed. No call
/// is sent twice. Calls throw `BerthError`.
public final class BerthClient: Sendable {
    /// The name of this client in a server's log.
    static let name = "berth-swift"

    let connector: Connector

    /// Runs tasks on the connection's own thread, as in `withTaskExecutorPreference(client.executor) { … }`. Answers then
    /// reach the task without a switch of threads, which takes longer than the rest of a short call. Such a task must not
    /// block or compute for long, because all other calls on the connection wait for it.
    public let executor: any TaskExecutor

    /// Creates a client without connecting. Call `close()` when done, or use `withClient`, which does.
    ///
    /// - Parameters:
    ///   - address: the server; nil means the environment variable BERTH_SERVER, or 127.0.0.1:7411 without one.
    ///   - configuration: how the client behaves.
    ///   - eventLoopGroup: where the connection's work is done.
    /// - Throws: `invalidArgument` if BERTH_SERVER is not an address.
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

    /// A client that connects now, with a single try, and never reconnects: for callers with their own rules for that.
    package static func connect(
        to address: ServerAddress = .standard, timeout: Duration = .seconds(5), credentials: Credentials? = nil,
        group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton
    ) async throws(BerthError) -> BerthClient {
        var configuration = Configuration()
        configuration.connectTimeout = timeout
        configuration.credentials = credentials
        (configuration.reconnects, configuration.retries) = (false, false)
        let client = try BerthClient(address: address, configuration: configuration, eventLoopGroup: group)
        _ = try await client.connector.line()
        return client
    }

    /// Closes the connection. Every later call fails; executions on it are cancelled, and leases that are not detached end
    /// soon after.
    public func close() { connector.close() }

    // MARK: Calls

    /// Asks the server for its version and the names of its pools; also a way to check that it is alive.
    /// - Parameter client: the name of this client in the server's log.
    public func hello(client: String = "berth-swift") async throws(BerthError) -> HelloResponse {
        try await call(PoolService.hello, HelloRequest(client: client))
    }

    /// Extends a lease. Every other call on a lease does that too, so this is for a lease that is kept without being used.
    /// - Parameters:
    ///   - lease: the lease to extend.
    ///   - leaseTime: how long it lasts without use from now on, up to the server's maximum; nil leaves it unchanged.
    /// - Returns: the time left. A lease whose connection has closed is not extended.
    @discardableResult
    public func renew(_ lease: Lease, leaseTime: Duration? = nil) async throws(BerthError) -> Duration {
        let response = try await call(
            PoolService.renew, RenewRequest(lease: lease.token, ttlMilliseconds: leaseTime?.milliseconds ?? 0))
        return .milliseconds(response.ttlMilliseconds)
    }

    /// Statistics of the server and its pools.
    public func stats() async throws(BerthError) -> StatsResponse {
        try await call(PoolService.stats, StatsRequest())
    }

    /// Leases a member. If the task is cancelled meanwhile, this throws at once, and a lease that is granted after that is
    /// released.
    ///
    /// - Parameters:
    ///   - pool: nil is the server's default pool.
    ///   - wait: maximum time in the queue if no member is warm; nil is the server's default, 30 s.
    ///   - isDetached: whether the lease outlives this connection.
    ///   - leaseTime: how long the lease lasts without use; nil is the server's maximum, 5 min.
    public func acquire(
        pool: String? = nil, wait: Duration? = nil, isDetached: Bool = false, leaseTime: Duration? = nil
    ) async throws(BerthError) -> Lease {
        let request = AcquireRequest(
            pool: pool ?? "", waitMilliseconds: wait?.milliseconds ?? 0, isDetached: isDetached,
            ttlMilliseconds: leaseTime?.milliseconds ?? 0)
        let (answers, answer) = AsyncStream.makeStream(of: Result<Lease, BerthError>.self)
        // In a task of its own: a unary call cannot be withdrawn, so its answer is needed even if nobody waits for it.
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

    /// Ends a lease and everything that runs in it.
    public func release(_ lease: Lease) async throws(BerthError) {
        _ = try await call(PoolService.release, ReleaseRequest(lease: lease.token))
    }

    /// Any unary call of the contract.
    func call<Request, Response>(
        _ method: UnaryMethod<Request, Response>, _ message: Request
    ) async throws(BerthError) -> Response {
        // The usual case, without suspending.
        if let line = connector.current { return try await line.rpc.call(method, message) }
        return try await connector.line().rpc.call(method, message)
    }
}
