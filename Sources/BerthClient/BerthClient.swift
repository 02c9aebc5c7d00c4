public import NIOCore
public import NIOPosix
internal import RPC
public import Schema
internal import Synchronization

/// A connection to a Berth server, for any number of calls at a time, from any task.
///
///     let client = try await BerthClient.connect()
///     let lease = try await client.acquire()
///     for try await event in client.execute(Command(["python3", "-c", "print(1)"]), in: lease) { … }
///     try await client.release(lease)
///
/// Calls throw `BerthError`. When the connection ends, every open call ends with `unavailable`; a client does not
/// reconnect by itself. Close it when done.
public final class BerthClient: Sendable {
    let rpc: ClientConnection
    private let isOver = Atomic(false)

    /// For tasks that shall run on the connection's own thread, as in `withTaskExecutorPreference(client.executor) { … }`:
    /// what comes then reaches them without a switch of threads, which takes longer than the rest of a short call. Such a
    /// task must not block, and computes briefly: all calls of its connection wait for it.
    public let executor: any TaskExecutor

    private init(_ rpc: ClientConnection) {
        self.rpc = rpc
        executor = ConnectionExecutor(rpc.eventLoop)
        rpc.onClose.whenComplete { [weak self] _ in self?.isOver.store(true, ordering: .relaxed) }
    }

    /// False once the connection has ended: every call fails from then on.
    public var isConnected: Bool { !isOver.load(ordering: .relaxed) }

    /// - Parameters:
    ///   - group: where the connection's work is done.
    ///   - timeout: how long connecting may take.
    public static func connect(
        to address: ServerAddress = .standard, timeout: Duration = .seconds(5),
        group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton
    ) async throws(BerthError) -> BerthClient {
        let limit = TimeAmount.milliseconds(Int64(timeout.milliseconds))
        do throws(RPCError) {
            switch address {
            case .tcp(let host, let port):
                return BerthClient(
                    try await ClientConnection.connect(host: host, port: port, group: group, timeout: limit))
            case .unix(let path):
                return BerthClient(try await ClientConnection.connect(unixSocket: path, group: group, timeout: limit))
            }
        } catch {
            throw BerthError(
                .unavailable,
                "no Berth server at \(address): \(error.message); start one with \"berth serve\", "
                    + "or name another with --server or BERTH_SERVER")
        }
    }

    /// Closes the connection. What runs on it is cancelled; leases that are not detached end soon after.
    public func close() {
        rpc.close()
    }

    // MARK: Calls

    /// Who is there.
    public func hello(client: String = "berth-swift") async throws(BerthError) -> HelloResponse {
        try await call("Hello", HelloRequest(client: client))
    }

    /// Extends a lease, which every other call on it does too: for one that is kept without being used.
    /// - Parameter leaseTime: how long it lasts without use from now on, at most the server's longest; nil is as before.
    /// - Returns: the time left. A lease whose connection has closed is not extended.
    @discardableResult
    public func renew(_ lease: Lease, leaseTime: Duration? = nil) async throws(BerthError) -> Duration {
        let response: RenewResponse = try await call(
            "Renew", RenewRequest(lease: lease.token, ttlMilliseconds: leaseTime?.milliseconds ?? 0))
        return .milliseconds(response.ttlMilliseconds)
    }

    /// The server and its pools in numbers.
    public func stats() async throws(BerthError) -> StatsResponse {
        try await call("Stats", Empty())
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
                let response: AcquireResponse = try await call("Acquire", request)
                result = .success(Lease(response))
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
        let _: Empty = try await call("Release", ReleaseRequest(lease: lease.token))
    }

    func call<R: Message>(
        service: String = PoolService.name, _ method: String, _ message: some Message
    ) async throws(BerthError) -> R {
        try await rpc.call(service: service, method, message)
    }
}

/// A member, leased.
public struct Lease: Sendable, Equatable {
    /// Whoever knows it may use the lease.
    public var token: String
    /// The member's name, for logs; empty where only the token is known.
    public var member: String
    /// How long the lease lasts without use; 0 where only the token is known.
    public var time: Duration
    /// The member was warm; false: it was created while the call waited.
    public var isWarm: Bool

    /// One that was acquired elsewhere, by its token.
    public init(token: String) {
        self.token = token
        member = ""
        time = .zero
        isWarm = false
    }

    init(_ response: AcquireResponse) {
        token = response.lease
        member = response.member
        time = .milliseconds(response.ttlMilliseconds)
        isWarm = response.isWarm
    }
}
