// SPDX-License-Identifier: Apache-2.0

internal import AgentLink
package import Access
package import BerthRPC
internal import BerthSchema
internal import GatedLog
internal import NIOCore
package import Logging
package import Pool
internal import Synchronization

/// Serves `berth.v1.Pool` and `berth.v1.Admin`: routes calls, and keeps the sessions of connections.
package final class PoolServiceHandler: RPCService {
    package let fleet: Fleet
    let limits: ServiceLimits
    let server: String
    package let runtimeKind: String
    let unheldLimits: [String]
    let logger: Logger
    /// Limits log lines that clients can cause as often as they like.
    let gate: LogGate
    let clock: any MonotonicClock
    let started: MonotonicInstant
    let executions: ExecutionRegistry
    let contexts = ContextRegistry()
    let uploads = UploadRegistry()
    let connections = Mutex(0)
    /// Defaults of programs, by pool name.
    let programs = Mutex<[String: ProgramDefaults]>([:])
    /// Nil: whoever can connect may call.
    package let access: AccessControl?
    let helloTimeout: TimeAmount
    let audit: AuditTrail?
    /// Makes the tokens of leases and the ids of executions and contexts, which nobody must guess.
    let newToken: @Sendable () -> LeaseToken
    private let admin: AdminServiceHandler
    private let draining = Mutex(false)

    /// - Parameters:
    ///   - server: "berth/0.1.0", as clients see it.
    ///   - runtimeKind: "docker", "native" and so on, as clients see it.
    ///   - unheldLimits: the pools' limits that the server goes without, as clients see them.
    ///   - newToken: makes unguessable tokens.
    package init(
        fleet: Fleet, server: String, runtimeKind: String, unheldLimits: [String] = [],
        limits: ServiceLimits = ServiceLimits(), logger: Logger,
        clock: any MonotonicClock = SystemClock(), access: AccessControl? = nil,
        helloTimeout: Duration = .seconds(10), audit: AuditTrail? = nil,
        newToken: @escaping @Sendable () -> LeaseToken = LeaseToken.unguessable
    ) {
        self.newToken = newToken
        self.access = access
        self.helloTimeout = .nanoseconds(Int64(clamping: helloTimeout.wholeMilliseconds) * 1_000_000)
        self.audit = audit
        self.fleet = fleet
        self.server = server
        self.runtimeKind = runtimeKind
        self.unheldLimits = unheldLimits
        self.limits = limits
        self.logger = logger
        gate = LogGate(logger, clock: clock)
        var kept = ExecutionRegistry.Limits()
        kept.unreadTime = limits.unreadTime
        executions = ExecutionRegistry(limits: kept, clock: clock)
        self.clock = clock
        started = clock.now()
        admin = AdminServiceHandler(fleet: fleet, gate: gate)
    }

    package func connectionOpened(_ connection: ServerConnection) -> Session {
        connections.withLock { $0 += 1 }
        let session = Session(connection, access: access)
        expectHello(connection, session)
        follow(connection, session)
        return session
    }

    package func connectionClosed(_ connection: ServerConnection, _ session: Session) {
        connections.withLock { $0 -= 1 }
        unfollow(session)
        fleet.connectionClosed(ConnectionID(connection.id))
    }

    package func connectionRefused(_ connection: ServerConnection, speaking name: String) {
        gate.log(
            .warning, "a connection that does not speak ttrpc was closed",
            metadata: ["connection.peer": "\(connection.peer)", "connection.protocol": "\(name)"])
    }

    package func handshakeFailed(_ connection: ServerConnection, because words: String) {
        gate.log(
            .warning, "a TLS handshake failed", burst: 20,
            metadata: ["connection.peer": "\(connection.peer)", "error": "\(words)"])
    }

    package func acceptingPaused(because words: String) {
        gate.log(.warning, "connections are not accepted for a moment", metadata: ["error": "\(words)"])
    }

    package func serve(_ call: ServerCall, in session: Session) {
        guard access == nil || admit(call, session) else { return }
        do throws(RPCError) {
            switch call.service {
            case PoolService.name: try route(call, to: call.method(of: PoolService.self), session)
            case AdminService.name:
                audit?.follow(call, session, "admin")
                try admin.route(call, to: call.method(of: AdminService.self))
            default: throw .unimplemented(service: call.service, method: call.method)
            }
        } catch {
            call.fail(error)
        }
    }

    private func route(_ call: ServerCall, to method: PoolService.Method, _ session: Session) throws(RPCError) {
        switch method {
        case .hello: try hello(call, session)
        case .acquire: try acquire(call, session)
        case .execute: try execute(call, session)
        case .attach: try attach(call, session)
        case .detach: try detach(call, session)
        case .acknowledge: try acknowledge(call, session)
        case .input: try input(call, session)
        case .resize: try resizeTerminal(call, session)
        case .signal: try signal(call, session)
        case .listExecutions: try listExecutions(call, session)
        case .openContext: try openContext(call, session)
        case .closeContext: try closeContext(call, session)
        case .forkContext: try forkContext(call, session)
        case .listContexts: try listContexts(call, session)
        case .complete: try complete(call, session)
        case .connect: try connect(call, session)
        case .inspect: try inspect(call, session)
        case .writeFile: try writeFile(call, session)
        case .readFile: try readFile(call, session)
        case .listDirectory: try listDirectory(call, session)
        case .stat: try stat(call, session)
        case .makeDirectory: try makeDirectory(call, session)
        case .renameFile: try renameFile(call, session)
        case .changeMode: try changeMode(call, session)
        case .removeFile: try removeFile(call, session)
        case .writeArchive: try writeArchive(call, session)
        case .readArchive: try readArchive(call, session)
        case .release: try release(call, session)
        case .renew: try renew(call, session)
        case .stats: stats(call, session)
        case .quota: try quota(call, session)
        case .watchStats: try watchStats(call, session)
        }
    }

    /// Refuses new acquires and executions from now on.
    package func drain() {
        draining.withLock { $0 = true }
        fleet.drain()
    }

    /// Ends all executions, as DRAINING.
    package func endAll() {
        fleet.endLeases()
    }

    /// Number of running executions.
    package var executionCount: Int { executions.count }

    /// Number of open connections.
    package var connectionCount: Int { connections.withLock { $0 } }

    package var isDraining: Bool { draining.withLock { $0 } }

    // MARK: Simple calls

    private func hello(_ call: ServerCall, _ session: Session) throws(RPCError) {
        let request = try call.decode(HelloRequest.self)
        logger.debug(
            "client said hello",
            metadata: ["connection.peer": "\(call.connection.peer)", "client.name": "\(request.client.prefix(64))"])
        call.respond(HelloResponse(server: server, pools: session.pools(fleet.poolNames)))
    }

    private func release(_ call: ServerCall, _ session: Session) throws(RPCError) {
        let request = try call.decode(ReleaseRequest.self)
        guard let token = session.lease(request.lease), fleet.release(token) else { throw .noSuchLease }
        call.respond(ReleaseResponse())
    }

    private func renew(_ call: ServerCall, _ session: Session) throws(RPCError) {
        let request = try call.decode(RenewRequest.self)
        do throws(LimitReached) {
            try session.tenant?.mayKeepLeases()
        } catch {
            throw RPCError(error)
        }
        let time: Duration? = request.ttlMilliseconds == 0 ? nil : .milliseconds(request.ttlMilliseconds)
        guard let token = session.lease(request.lease), let use = fleet.renew(token, leaseTime: time) else {
            throw .noSuchLease
        }
        call.respond(RenewResponse(ttlMilliseconds: UInt32(clamping: use.timeLeft.wholeMilliseconds)))
    }
}

extension ServerCall {
    /// The method of a service that is called.
    /// - Throws: UNIMPLEMENTED for an unknown method; INVALID_ARGUMENT if the client expects a single answer from a streaming
    ///   method, or a stream from a unary one.
    func method<S: ServiceContract>(of _: S.Type) throws(RPCError) -> S.Method {
        guard let called = S.Method(rawValue: method) else { throw .unimplemented(service: service, method: method) }
        guard called.isStreaming == isServerStreaming else {
            let kind = called.isStreaming ? "server-streaming" : "unary"
            let flags = called.isStreaming ? "0x01" : "0"
            throw RPCError(.invalidArgument, "\(method) is \(kind): its Request has the flags \(flags)")
        }
        return called
    }
}

/// Limits and defaults for requests.
package struct ServiceLimits: Sendable, Equatable {
    /// Timeout used when the request sets none.
    package var defaultTimeout: Duration
    /// Time between TERM and KILL, used when the request sets none.
    package var defaultGrace: Duration
    /// How long processes that a program has left may be silent while they hold its output open.
    package var outputGrace: Duration
    /// Maximum time for that in all.
    package var maxOutputGrace: Duration
    /// Maximum of timeouts and graces.
    package var maxTimeout: Duration
    /// User id used when the request sets none.
    package var uid: UInt32
    /// How long the output of an ended program is held for a client that does not read it.
    package var unreadTime = Duration.seconds(600)
    /// Maximum number of programs at a time in one lease.
    package var maxExecutionsPerLease = 64
    /// Maximum number of connections at a time in one lease.
    package var maxConnectionsPerLease = 256
    /// Maximum number of watchers of one execution.
    package var maxWatchers = 64
    /// Maximum number of contexts in one lease.
    package var maxContexts = 32
    /// Maximum size of one display, in bytes.
    package var maxDisplay = 3 << 20

    package init(
        defaultTimeout: Duration = .seconds(60), defaultGrace: Duration = .seconds(2),
        maxTimeout: Duration = .seconds(24 * 3600), uid: UInt32 = 1000,
        outputGrace: Duration = .milliseconds(100), maxOutputGrace: Duration = .seconds(1)
    ) {
        self.defaultTimeout = defaultTimeout
        self.defaultGrace = defaultGrace
        self.maxTimeout = maxTimeout
        self.uid = uid
        self.outputGrace = outputGrace
        self.maxOutputGrace = maxOutputGrace
    }
}

extension RPCError {
    static func unknownPool(_ name: String, known: [String]) -> RPCError {
        RPCError(.notFound, "there is no pool \"\(name)\"; there is: \(known.joined(separator: ", "))", .noSuchPool)
    }

    /// The same message for an unknown lease and one that has ended, so that guessing tokens reveals nothing.
    static var noSuchLease: RPCError { RPCError(.notFound, "no such lease, or it has ended", .noSuchLease) }

    static var shuttingDown: RPCError { RPCError(.unavailable, "the server is shutting down", .shuttingDown) }
}
