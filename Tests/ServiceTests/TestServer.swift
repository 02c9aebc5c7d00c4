// SPDX-License-Identifier: Apache-2.0

import Access
import AgentLink
import Berth
import BerthRPC
import Logging
import NIOCore
import NIOPosix
import Pool
import Service
import TestSupport

/// A whole server in this process, with real sockets and real agents, but without containers.
final class TestServer: Sendable {
    let runtime: ProcessRuntime
    let fleet: Fleet
    let service: PoolServiceHandler
    let rpc: RPCServer
    let address: ServerAddress
    private let maintenance: Task<Void, Never>

    private init(
        runtime: ProcessRuntime, fleet: FleetConfiguration, limits: ServiceLimits, clock: any MonotonicClock,
        memory: MemoryBudget, access: AccessControl?, helloTimeout: Duration, audit: AuditTrail?
    ) async throws {
        self.runtime = runtime
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        let group = MultiThreadedEventLoopGroup.singleton
        let fleet = Fleet(
            configuration: fleet, runtime: runtime, connector: AgentConnector(group: group), memberPrefix: "t",
            observer: PoolLog(logger))
        self.fleet = fleet
        service = PoolServiceHandler(
            fleet: fleet, server: "berth/test", runtimeKind: runtime.kind, limits: limits, logger: logger,
            clock: clock, access: access, helloTimeout: helloTimeout, audit: audit)
        var bounds = RPCServer.Configuration()
        bounds.memory = memory
        rpc = RPCServer(group: group, service: service, configuration: bounds)
        let bound = try await rpc.listen(host: "127.0.0.1", port: 0)
        address = .tcp(host: "127.0.0.1", port: bound.port ?? 0)
        maintenance = Task { await fleet.run() }
    }

    /// A client that calls with a token.
    func connect(_ token: String?) async throws(BerthError) -> BerthClient {
        var credentials = BerthClient.Credentials()
        credentials.token = token
        return try await BerthClient.connect(to: address, credentials: credentials)
    }

    /// Runs `body` with a server, and shuts it down, also if `body` fails.
    /// - Parameter clock: the clock of the service; the pool has another one.
    static func with(
        _ configuration: PoolConfiguration = PoolConfiguration(size: 1), limits: ServiceLimits = ServiceLimits(),
        clock: any MonotonicClock = SystemClock(), _ body: (TestServer, BerthClient) async throws -> Void
    ) async throws {
        try await with(FleetConfiguration(pools: [configuration]), limits: limits, clock: clock, body)
    }

    /// The same, with any number of pools.
    static func with(
        _ fleet: FleetConfiguration, limits: ServiceLimits = ServiceLimits(),
        clock: any MonotonicClock = SystemClock(), memory: MemoryBudget = MemoryBudget(limit: 256 << 20),
        access: AccessControl? = nil, helloTimeout: Duration = .seconds(10), audit: AuditTrail? = nil,
        as token: String? = nil, cpu: CPUMeter.Count? = nil,
        _ body: (TestServer, BerthClient) async throws -> Void
    ) async throws {
        let server = try await TestServer(
            runtime: try ProcessRuntime(cpu: cpu), fleet: fleet, limits: limits, clock: clock, memory: memory,
            access: access, helloTimeout: helloTimeout, audit: audit)
        let client = try await server.connect(token)
        var failure: (any Error)?
        do {
            try await body(server, client)
        } catch {
            failure = error
        }
        client.close()
        server.service.drain()
        server.service.endAll()
        await server.maintenance.value
        await server.rpc.close()
        if let failure { throw failure }
        guard server.runtime.alive == 0 else { throw NeverHappened(description: "agents are left after the end") }
    }
}

extension Command {
    /// A command in /tmp, since agents without containers have no /workspace.
    static func shell(_ script: String, stdin: [UInt8] = [], timeout: Duration? = nil) -> Command {
        Command(["sh", "-c", script], cwd: "/tmp", stdin: stdin, timeout: timeout)
    }
}

extension [UInt8] {
    var text: String { String(decoding: self, as: UTF8.self) }
}

/// The error of `body`; nil if it succeeds.
func refusal(_ body: () async throws -> Void) async -> BerthError? {
    do {
        try await body()
        return nil
    } catch {
        return error as? BerthError
    }
}
