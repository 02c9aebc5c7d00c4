// SPDX-License-Identifier: Apache-2.0

internal import AgentLink
package import BerthRPC
internal import Logging
internal import NIOCore
package import Pool
internal import SimulationModel
package import Service

/// A server in a world: the real RPC, service and pool, over simulated connections and a simulated runtime.
package final class SimulatedServer {
    package let world: World
    package private(set) var runtime: SimulatedRuntime
    package let fleet: Fleet
    package let service: PoolServiceHandler
    package let rpc: RPCServer
    package let memory: MemoryBudget
    let tenants: SimulatedTenants?
    private var wires: [Wire] = []
    private var wireCount = 0
    private let run: Task<Void, Never>
    /// How long an acquire waits that says nothing, in milliseconds.
    static let defaultWait: Int64 = 20_000

    private struct Silent: PoolObserver {
        let world: World
        func record(_ event: PoolEvent) { world.trace("pool: \(event)", 12) }
    }

    /// Call it while the world lives.
    init(_ world: World, pool right: PoolConfiguration, heldBytes: Int, tenants: SimulatedTenants?) {
        (self.world, self.tenants) = (world, tenants)
        let pool = SimulatedServer.altered(right, world.canary)
        var fleetConfiguration = FleetConfiguration(pools: [pool], max: pool.max)
        fleetConfiguration.defaultWait = .milliseconds(SimulatedServer.defaultWait)
        let opening = Opening()
        runtime = SimulatedRuntime(
            world, max: right.max, createTimeout: .nanoseconds(right.createTimeout.saturatedNanoseconds)
        ) { try opening.open($0) }
        let fleet = Fleet(
            configuration: fleetConfiguration, runtime: runtime,
            connector: AgentConnector { [runtime] member, stream, limits throws(RPCError) in
                _ = stream.take()
                return try await runtime.open(member, limits)
            }, memberPrefix: "m", clock: WorldClock(world), observer: Silent(world: world),
            fraction: { world.fraction() })
        self.fleet = fleet
        var logger = Logger(label: "simulation", factory: { _ in SwiftLogNoOpLogHandler() })
        logger.logLevel = .critical
        var limits = ServiceLimits()
        if world.canary == .a1GraceIsNothing { limits.outputGrace = .zero }
        service = PoolServiceHandler(
            fleet: fleet, server: "berth/simulated", runtimeKind: "simulated", limits: limits, logger: logger,
            clock: WorldClock(world), access: tenants?.access,
            helloTimeout: world.canary == .strangerIsNotClosed ? .seconds(4000) : .seconds(10),
            newToken: { world.token() })
        memory = MemoryBudget(limit: heldBytes)
        var configuration = RPCServer.Configuration()
        switch world.canary {
        case .b8RequestsAreNotCounted: configuration.memory = MemoryBudget(limit: 1 << 40)
        case .shareIsIgnored:
            // With room beyond the budget: within it, what others hold is mostly met before one client has more than its share.
            configuration.memory = MemoryBudget(limit: 2 * heldBytes, clientLimit: 2 * heldBytes)
        default: configuration.memory = memory
        }
        rpc = RPCServer(group: world.loop, service: service, configuration: configuration)
        run = Task { await fleet.run() }
        opening.make = { [unowned self] in try wire(peer: "10.1.0.1") }
    }

    /// What a canary makes of the pool's settings.
    private static func altered(_ pool: PoolConfiguration, _ canary: ServerCanary?) -> PoolConfiguration {
        var pool = pool
        switch canary {
        case .poolIsTooLarge: pool.max += 1
        case .poolIsTooSmall: pool.size = 0
        case .createIsNotGivenUp: pool.createTimeout = .seconds(4000)
        case .reuseIsIgnored: pool.reuse = .reset
        default: break
        }
        return pool
    }

    /// A connection of a client, served.
    package func connect(client: Int) throws -> Wire {
        let wire = try wire(peer: "10.0.0.\(1 + client)")
        guard let far = wire.far.channel else { preconditionFailure("a wire without a channel") }
        try rpc.serve(far)
        wire.far.begin()
        return wire
    }

    private func wire(peer: String) throws -> Wire {
        wireCount += 1
        let capacity = [4 << 10, 32 << 10, 200 << 10, 1 << 20][world.random.below(4)]
        let wire = try Wire(world, number: wireCount, capacity: capacity, peer: peer)
        wires.append(wire)
        return wire
    }

    /// Ends what still runs, whatever state it is in. Call it while the world lives.
    package func dispose() {
        run.cancel()
        for wire in wires { wire.cut() }
        world.pass(.seconds(120))
        for wire in wires { wire.dispose() }
        wires = []
    }

    /// What makes connections to members, once there is a server.
    private final class Opening {
        var make: (() throws -> Wire)?

        func open(_ container: SimulatedRuntime.Container) throws -> Wire {
            guard let wire = try make?() else { preconditionFailure("a member before its server") }
            return wire
        }
    }
}
