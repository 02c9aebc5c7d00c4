// SPDX-License-Identifier: Apache-2.0

import AgentLink
import Berth
import BerthRPC
import Configuration
import Embedded
import Hardening
import Housekeeping
import Logging
import Monitoring
import NIOCore
import Pool
import Service

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// A server that goes on where the program was whose place it has taken.
extension Server {
    /// The parts of a server that go on before it is made.
    struct Ground {
        var directory: StateDirectory
        var janitor: Janitor
    }

    func ground() throws -> Ground {
        if let carried {
            return Ground(
                directory: StateDirectory(goingOn: carried.directory, lock: carried.lock),
                janitor: Janitor(goingOn: carried.janitor, pipe: carried.janitorPipe))
        }
        let directory = try StateDirectory(
            base: settings.configuration.stateDirectory ?? StateDirectory.defaultBase, instance: instanceName)
        return Ground(directory: directory, janitor: try Janitor(state: directory))
    }

    var instanceName: String { carried?.instance ?? settings.instanceName }

    /// The runtime of the containers that are there, whatever else could be used now.
    func runtimeSettings() -> ServerSettings {
        guard let carried, let runtime = ServerConfiguration.Runtime(rawValue: carried.runtime) else { return settings }
        var settings = settings
        settings.configuration.runtime = runtime
        settings.knownTemplates = carried.fleet.pools.map(\.template)
        return settings
    }

    func claimUsers(_ limits: FleetConfiguration) throws -> UserIDClaim? {
        guard let carried, let range = carried.users, let descriptor = carried.usersDescriptor else {
            return try UserIDClaim.take(for: limits, logger)
        }
        return UserIDClaim(goingOn: range, descriptor: descriptor)
    }

    /// Goes on with the members, executions, connections and listeners of the program before.
    /// - Returns: where the server listens.
    func goOn(
        _ carried: CarriedServer, _ rpc: RPCServer, _ tls: ServerTLS?, _ fleet: Fleet, _ service: PoolServiceHandler,
        _ choice: RuntimeChoice, _ group: any EventLoopGroup
    ) async throws -> [ServerAddress] {
        let links = await links(carried, choice, group)
        fleet.goOn(carried.fleet, links: links.mapValues { $0 as any MemberLink })
        for (member, link) in links { link.whenClosed { fleet.memberDied(lost: member) } }
        service.goOn(carried.service, leases: carried.fleet, links: links, memory: rpc.budget)
        for connection in carried.connections {
            do throws(RPCError) {
                try await rpc.adopt(connection)
            } catch {
                logger.warning(
                    "a connection could not go on",
                    metadata: ["connection.peer": "\(connection.peer)", "error": "\(error.message)"])
                fleet.connectionClosed(ConnectionID(connection.id))
            }
        }
        service.connectionsGoOn()
        for listener in carried.listeners {
            try await rpc.listen(
                descriptor: listener.descriptor, isUnix: listener.isUnix, path: listener.path,
                tls: listener.hasTLS ? tls : nil)
        }
        service.thaw()
        for link in links.values { link.thaw() }
        await rpc.goOn()
        tellOfUpgrade(carried)
        reap(carried.helpers)
        return try carried.addresses.map { try ServerAddress($0) }
    }

    private func links(
        _ carried: CarriedServer, _ choice: RuntimeChoice, _ group: any EventLoopGroup
    ) async -> [MemberID: AgentConnection] {
        let containers = Dictionary(carried.containers.map { ($0.member, $0) }, uniquingKeysWith: { first, _ in first })
        for container in carried.containers { choice.embedded?.goOn(container) }
        var links: [MemberID: AgentConnection] = [:]
        for agent in carried.agents {
            let counters = containers[agent.member].flatMap { choice.embedded?.counters($0) }
            do throws(RPCError) {
                links[MemberID(agent.member)] = try await AgentConnection.adopt(
                    agent, memoryKills: counters?.memoryKills, cpu: counters?.cpu, group: group)
            } catch {
                logger.warning(
                    "a container could not go on, and is removed",
                    metadata: ["member.id": "\(agent.member)", "error": "\(error.message)"])
            }
        }
        return links
    }

    private func tellOfUpgrade(_ carried: CarriedServer) {
        let pause = (SystemClock().now().nanoseconds - carried.began) / 1_000_000
        logger.notice(
            "the server was upgraded in place",
            metadata: [
                "pause.ms": "\(pause)", "executions": "\(carried.service.runningCount)",
                "connections": "\(carried.connections.count)", "members": "\(carried.agents.count)",
            ])
    }

    /// What has ended with the program before waits to be reaped.
    private func reap(_ helpers: [Int32]) {
        Task {
            var left = helpers
            for _ in 0..<200 where !left.isEmpty {
                var status: Int32 = 0
                left.removeAll { waitpid($0, &status, WNOHANG) != 0 }
                try? await Task.sleep(for: .milliseconds(50))
            }
        }
    }
}
