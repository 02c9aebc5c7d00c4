internal import AgentLink
public import Logging
public import Pool
public import RPC
internal import Schema
internal import Synchronization

/// The service `berth.v1.Pool`: routes calls, and keeps what belongs to a connection.
public final class PoolServiceHandler: RPCService {
    public let pool: Pool
    let limits: ServiceLimits
    let server: String
    let runtimeKind: String
    let logger: Logger
    let clock: any MonotonicClock
    let started: MonotonicInstant
    let executions = ExecutionRegistry()
    private let connections = Mutex(0)
    private let draining = Mutex(false)

    /// - Parameters:
    ///   - server: "berth/0.1.0", as clients see it.
    ///   - runtimeKind: "docker" or "runc", as clients see it.
    public init(
        pool: Pool, server: String, runtimeKind: String, limits: ServiceLimits = ServiceLimits(), logger: Logger,
        clock: any MonotonicClock = SystemClock()
    ) {
        self.pool = pool
        self.server = server
        self.runtimeKind = runtimeKind
        self.limits = limits
        self.logger = logger
        self.clock = clock
        started = clock.now()
    }

    public func connectionOpened(_ connection: ServerConnection) {
        connections.withLock { $0 += 1 }
    }

    public func connectionClosed(_ connection: ServerConnection) {
        connections.withLock { $0 -= 1 }
        pool.connectionClosed(ConnectionID(connection.id))
    }

    public func serve(_ call: ServerCall) {
        guard call.service == PoolService.name else {
            return call.fail(.unimplemented(service: call.service, method: call.method))
        }
        do throws(RPCError) {
            switch (call.method, call.isServerStreaming) {
            case ("Hello", false): try hello(call)
            case ("Acquire", false): try acquire(call)
            case ("Execute", true): try execute(call)
            case ("Signal", false): try signal(call)
            case ("Release", false): try release(call)
            case ("Stats", false): stats(call)
            case ("Execute", false):
                throw RPCError(.invalidArgument, "Execute is server-streaming: its Request has the flags 0x01")
            case ("Hello", true), ("Acquire", true), ("Signal", true), ("Release", true), ("Stats", true):
                throw RPCError(.invalidArgument, "\(call.method) is unary: its Request has the flags 0")
            default: throw .unimplemented(service: call.service, method: call.method)
            }
        } catch {
            call.fail(error)
        }
    }

    /// New acquires and executions are refused from here on.
    public func drain() {
        draining.withLock { $0 = true }
        pool.drain()
    }

    /// Ends all that runs, as DRAINING.
    public func endAll() {
        pool.endLeases()
    }

    /// Executions that run now.
    public var executionCount: Int { executions.count }

    var isDraining: Bool { draining.withLock { $0 } }

    // MARK: The small calls

    private func hello(_ call: ServerCall) throws(RPCError) {
        let request = try call.decode(HelloRequest.self)
        logger.debug(
            "client said hello",
            metadata: ["connection.peer": "\(call.connection.peer)", "client.name": "\(request.client.prefix(64))"])
        call.respond(HelloResponse(server: server, pools: pool.poolNames))
    }

    private func release(_ call: ServerCall) throws(RPCError) {
        let request = try call.decode(ReleaseRequest.self)
        guard let token = LeaseToken(request.lease), pool.release(token) else { throw .noSuchLease }
        call.respond(Empty())
    }

    private func signal(_ call: ServerCall) throws(RPCError) {
        let request = try call.decode(SignalRequest.self)
        guard (1...64).contains(request.signal) else {
            throw RPCError(.invalidArgument, "signal \(request.signal) is not 1 to 64")
        }
        let lease = request.lease.isEmpty ? nil : LeaseToken(request.lease)
        if !request.lease.isEmpty {
            guard let lease, pool.use(lease) != nil else { throw .noSuchLease }
        }
        guard let execution = executions.find(request.execution, lease: lease) else {
            throw RPCError(.notFound, "no such execution, or it has ended")
        }
        if request.signal == 9 { execution.end(graceMilliseconds: 0) } else { execution.signal(request.signal) }
        call.respond(Empty())
    }

    private func stats(_ call: ServerCall) {
        let budget = pool.memoryBudgetBytes
        call.respond(
            StatsResponse(
                server: server, uptimeMilliseconds: (clock.now() - started).wholeMilliseconds, runtime: runtimeKind,
                connections: UInt32(clamping: connections.withLock { $0 }),
                executions: UInt32(clamping: executions.count),
                pools: pool.snapshot().map(PoolStats.init),
                memoryBudgetBytes: budget == .max ? 0 : UInt64(clamping: budget),
                memoryUsedBytes: UInt64(clamping: pool.usedMemoryBytes)))
    }
}

/// What one request may ask for.
public struct ServiceLimits: Sendable, Equatable {
    /// Of an execution that does not say.
    public var defaultTimeout: Duration
    /// Between TERM and KILL, of an execution that does not say.
    public var defaultGrace: Duration
    /// The longest of both.
    public var maxTimeout: Duration
    /// Who a program runs as that does not say.
    public var uid: UInt32

    public init(
        defaultTimeout: Duration = .seconds(60), defaultGrace: Duration = .seconds(2),
        maxTimeout: Duration = .seconds(24 * 3600), uid: UInt32 = 1000
    ) {
        self.defaultTimeout = defaultTimeout
        self.defaultGrace = defaultGrace
        self.maxTimeout = maxTimeout
        self.uid = uid
    }
}

extension RPCError {
    /// The same words for a lease that never was and one that ended: whoever guesses learns nothing.
    static var noSuchLease: RPCError { RPCError(.notFound, "no such lease, or it has ended") }
}
