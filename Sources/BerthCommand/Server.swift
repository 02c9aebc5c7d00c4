// SPDX-License-Identifier: Apache-2.0

import AgentLink
import Berth
import BerthRPC
import Configuration
import Console
import Hardening
import Housekeeping
import Logging
import Monitoring
import NIOCore
import NIOPosix
import Pool
import Runc
import Service

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// A whole server: its parts are created, run, and shut down in order.
struct Server {
    /// How long the removal of all containers may take at the end, and everything after it: together 5 s, even if an
    /// engine hangs.
    private static let removalTime = Duration.milliseconds(4500)
    private static let closingTime = Duration.milliseconds(500)
    /// What a manager of services grants beyond the drain time.
    private static let endTime = removalTime + closingTime + .seconds(10)

    /// Half of the cores: programs need the others, and if the client and the container of a command share a loop, that
    /// saves four thread switches.
    private static let eventLoops = Swift.max(1, System.coreCount / 2)

    let settings: ServerSettings
    /// The state of the program whose place this one has taken; nil: it is a start.
    let carried: CarriedServer?
    let logger: Logger

    init(_ settings: ServerSettings, goingOn carried: CarriedServer? = nil) {
        self.settings = settings
        self.carried = carried
        logger = settings.logger
    }

    /// Serves until a signal asks it to end and everything is removed.
    func run() async throws {
        signal(SIGPIPE, SIG_IGN)
        // Before another program can be installed there.
        let binary = AgentBinary.realPath("/proc/self/exe") ?? CommandLine.arguments[0]
        // Also without a file, since otherwise a SIGHUP would end the server.
        let hangups = HangupSignals()
        let configuration = settings.configuration
        let descriptors = descriptors()
        let agent = try AgentBinary.find(configuration.agent)
        // Until the runtime is chosen, a signal ends the server at once, even during a long pull. There are no
        // containers yet, but this janitor must remove the directory.
        let ground = try ground()
        let choice = try await RuntimeChoice.make(runtimeSettings(), agent: agent, directory: ground.directory)
        let signals = EndSignals()
        let janitor = try Janitor(state: ground.directory, containers: choice.containers, commands: choice.sweeps)
        ground.janitor.leave()

        let group = MultiThreadedEventLoopGroup(numberOfThreads: Server.eventLoops)
        let budget = carried?.memoryBudgetBytes ?? choice.memory().map { $0 / 10 * 8 } ?? .max
        let (fleet, users) = try makeFleet(choice, memoryBudgetBytes: budget, group)
        let access = try AccessUpkeep.begin(configuration, instance: instanceName, secret: carried?.secret, logger)
        let service = try makeService(fleet, choice, access)
        let bounds = bounds(descriptors)
        let rpc = RPCServer(group: group, service: service, configuration: bounds)
        let monitoring = try await startMonitoring(fleet, service, bounds)
        let tls = try settings.tls.map { try ServerTLS($0) }
        let upkeep = Upkeep(tls: TLSUpkeep(tls: tls, logger: logger), access: access, service: service)
        let addresses: [ServerAddress] =
            if let carried {
                try await goOn(carried, rpc, tls, fleet, service, choice, group)
            } else {
                try await begin(rpc, tls, choice, monitoring)
            }
        let maintenance = Task { await fleet.run() }
        let manager = tellReady(addresses, group)

        let takeover = ServerTakeover(
            binary: binary, rpc: rpc, fleet: fleet, service: service, choice: choice, memoryBudgetBytes: budget,
            upkeep: upkeep, directory: ground.directory, instance: instanceName, janitor: janitor, users: users,
            monitoring: monitoring, addresses: addresses.map(\.description), group: group, signals: signals,
            logger: logger)
        let reload = ConfigurationReload(
            source: settings.source, fleet: fleet, service: service, choice: choice, upkeep: upkeep,
            memoryBudgetBytes: budget, logger: logger, manager: manager, status: status(addresses),
            takeover: takeover)
        let reloads = Task { [signals = hangups.stream] in await reload.run(signals, configuration) }
        let keeping = Task { await upkeep.run() }
        await signals.next()
        reloads.cancel()
        tellOfEnd(service, manager)
        await rpc.stopListening()
        service.drain()
        await end(service, fleet, maintenance, hurriedBy: signals)
        // After the last program: what tenants have used is saved.
        keeping.cancel()
        await keeping.value
        await close(rpc, monitoring, choice.runtime, group)
        withExtendedLifetime((ground, janitor, users)) {}
    }

    private func makeFleet(
        _ choice: RuntimeChoice, memoryBudgetBytes: Int64, _ group: any EventLoopGroup
    ) throws -> (Fleet, UserIDClaim?) {
        var limits = settings.configuration.fleetConfiguration(
            image: choice.image, memoryBudgetBytes: memoryBudgetBytes)
        let users = try claimUsers(limits)
        limits.uids = users?.range ?? limits.uids
        let fleet = Fleet(
            configuration: choice.resolved.applied(to: limits),
            runtime: patient(choice.runtime), connector: AgentConnector(group: group, warmRequest: ZygoteStart.request),
            memberPrefix: Server.memberPrefix(), observer: PoolLog(logger), hostMemory: choice.memory,
            wake: { group.any().execute($0) })
        return (fleet, users)
    }

    /// Listens, and says where.
    private func begin(
        _ rpc: RPCServer, _ tls: ServerTLS?, _ choice: RuntimeChoice, _ monitoring: MonitoringServer?
    ) async throws -> [ServerAddress] {
        let addresses = try await listen(rpc, tls)
        tellOfReuse(choice)
        announce(addresses, monitoring)
        return addresses
    }

    /// The bounds of connections and of the memory for callers.
    private func bounds(_ descriptors: Descriptors) -> RPCServer.Configuration {
        let freed = FreedMemory()
        var bounds = RPCServer.Configuration()
        bounds.maxConnections = descriptors.maxConnections
        bounds.handshakeTimeout = .milliseconds(Int64(clamping: settings.configuration.helloTimeout.wholeMilliseconds))
        bounds.memory = MemoryBudget(
            limit: Int(clamping: settings.configuration.heldMemoryBytes),
            clientLimit: settings.configuration.heldMemoryPerClientBytes.map { Int(clamping: $0) },
            freed: { freed.tell() })
        return bounds
    }

    private func tellOfEnd(_ service: PoolServiceHandler, _ manager: ServiceManager?) {
        manager?.tellStopping(within: settings.configuration.drainTime + Server.endTime)
        logger.notice("draining", metadata: ["executions": "\(service.executionCount)"])
    }

    /// Waits for programs, until a second signal, ends those that are left, and removes all containers.
    private func end(
        _ service: PoolServiceHandler, _ fleet: Fleet, _ maintenance: Task<Void, Never>, hurriedBy signals: EndSignals
    ) async {
        let hurry = Task {
            await signals.next()
            guard !Task.isCancelled else { return }
            logger.notice("second signal, not waiting for programs")
            service.endAll()
        }
        defer { hurry.cancel() }
        await drain(service, fleet)
        service.endAll()
        await removeAll(fleet, maintenance)
    }

    /// Closes what is left, for a limited time: the kernel closes everything that is still open after that.
    private func close(
        _ rpc: RPCServer, _ monitoring: MonitoringServer?, _ runtime: any ContainerRuntime,
        _ group: MultiThreadedEventLoopGroup
    ) async {
        _ = await finishes(within: Server.closingTime) {
            await monitoring?.close()
            await rpc.close()
            await runtime.shutdown()
            try? await group.shutdownGracefully()
        }
    }

    /// Logs once what `reuse` means for the pools and costs. The figures were measured on two cores
    /// (docs/benchmarks.md).
    private func tellOfReuse(_ choice: RuntimeChoice) {
        let pools = settings.configuration.pools.map(\.pool)
        let rate =
            switch choice.runtime.kind {
            case "docker", "podman": (new: "6", again: "80")
            case "native": (new: "115", again: "750")
            case "kubernetes": (new: "1", again: "750")
            default: (new: "25", again: "750")
            }
        for reuse in [PoolConfiguration.Reuse.never, .reset] {
            let names = pools.filter { $0.reuse == reuse }.map(\.name)
            guard !names.isEmpty else { continue }
            let meaning: Logger.Message =
                switch reuse {
                case .never:
                    "every lease gets a new container, which is destroyed after it: safest, but slow if leases are short"
                case .reset:
                    "containers are made as new after a lease and used again: fast, if you trust the reset"
                }
            logger.notice(
                meaning,
                metadata: [
                    "pool.reuse": reuse == .never ? "never" : "reset", "pools": "\(names.joined(separator: ","))",
                    "leases.per_second":
                        "about \(reuse == .never ? rate.new : rate.again) on 2 cores with \(choice.runtime.kind)",
                    "see": reuse == .never ? "--reuse reset, if leases may share containers" : "docs/threat-model.md",
                ])
        }
    }

    private func patient(_ runtime: some ContainerRuntime) -> any ContainerRuntime {
        PatientRuntime(runtime, isRoomLeft: Descriptors.areLeft)
    }

    /// Raises the limit of descriptors, since shells set it to 1024, and divides them between connections and
    /// containers.
    private func descriptors() -> Descriptors {
        let configuration = settings.configuration
        let members = min(configuration.pools.reduce(0) { $0 + $1.pool.max }, configuration.max ?? 300)
        let descriptors = Descriptors(
            limit: Descriptors.raiseLimit(), maxConnections: configuration.maxConnections, maxMembers: members,
            refused: RPCServer.Configuration().maxRefusedConnections)
        if descriptors.limit < descriptors.needed {
            logger.warning(
                "fewer descriptors than all connections and containers may need",
                metadata: [
                    "limit.nofile": "\(descriptors.limit)", "limit.needed": "\(descriptors.needed)",
                    "connections.max": "\(descriptors.maxConnections)",
                ])
        }
        return descriptors
    }

    /// Waits until the runtime has confirmed that every container is gone, but not for ever, since an engine may hang.
    private func removeAll(_ fleet: Fleet, _ maintenance: Task<Void, Never>) async {
        guard await finishes(within: Server.removalTime, { await maintenance.value }) else {
            let left = fleet.listMembers().map(\.id.description)
            logger.error(
                "containers could not be removed in time, leaving them to the janitor",
                metadata: [
                    "members.count": "\(left.count)", "members.ids": "\(left.joined(separator: ","))",
                    "limit.ms": "\(Server.removalTime.wholeMilliseconds)",
                ])
            return maintenance.cancel()
        }
        logger.notice("ended, every container is removed")
    }

    /// Waits until nothing runs, no lease is left, or the drain time is over.
    private func drain(_ service: PoolServiceHandler, _ fleet: Fleet) async {
        let deadline = ContinuousClock.now + settings.configuration.drainTime
        while service.executionCount > 0, fleet.leaseCount > 0, ContinuousClock.now < deadline {
            try? await Task.sleep(for: .milliseconds(20))
        }
    }

    private func listen(_ rpc: RPCServer, _ tls: ServerTLS?) async throws -> [ServerAddress] {
        guard settings.sockets.isEmpty else { return try await listen(rpc, tls, on: settings.sockets) }
        var bound: [ServerAddress] = []
        for address in settings.addresses {
            do {
                switch address {
                case .tcp(let host, let port), .tls(let host, let port):
                    let socket = try await rpc.listen(host: host, port: port, tls: tls)
                    let (host, port) = (socket.ipAddress ?? host, socket.port ?? port)
                    bound.append(tls == nil ? .tcp(host: host, port: port) : .tls(host: host, port: port))
                case .unix(let path):
                    let access = try SocketAccess(settings.configuration)
                    try TrustedDirectory.check(SocketAccess.directory(of: path), isOwn: false)
                    try await rpc.listen(unixSocket: path, mode: access.mode, group: access.group)
                    bound.append(address)
                }
            } catch let error as RPCError {
                let advice =
                    switch error.code {
                    case .alreadyExists: "; stop what listens there, or use another --listen (port 0: a free one)"
                    case .permissionDenied: "; use a port over 1023, or a writable directory"
                    default: ""
                    }
                throw Failure(error.message + advice)
            }
        }
        return bound
    }

    private func announce(_ addresses: [ServerAddress], _ monitoring: MonitoringServer?) {
        for address in addresses { announce("berth: listening on \(address)") }
        if let bound = monitoring?.address, let host = bound.ipAddress, let port = bound.port {
            announce("berth: metrics and health on http://\(ServerAddress.tcp(host: host, port: port))")
        }
    }

    private func announce(_ line: String) {
        do throws(OutputFailure) {
            try printLine(line)
        } catch {
            // If nobody reads the line, the server runs all the same.
            if !error.isClosedPipe { printError("\(error.message); the line was: \(line)") }
        }
    }

    /// A random prefix, so that members of this start and of earlier ones do not have the same names.
    private static func memberPrefix() -> String {
        let digits = Array("0123456789abcdefghijklmnopqrstuvwxyz")
        return String((0..<6).map { _ in digits[Int.random(in: 0..<digits.count)] })
    }
}

/// Returns whether `body` ends in time. If not, it goes on in the background, since it may hang.
func finishes(within limit: Duration, _ body: @escaping @Sendable () async -> Void) async -> Bool {
    let (ends, continuation) = AsyncStream.makeStream(of: Bool.self, bufferingPolicy: .bufferingOldest(1))
    let timer = Task {
        try await Task.sleep(for: limit)
        continuation.yield(false)
    }
    Task {
        await body()
        continuation.yield(true)
    }
    var isInTime = false
    for await end in ends {
        isInTime = end
        break
    }
    timer.cancel()
    return isInTime
}
