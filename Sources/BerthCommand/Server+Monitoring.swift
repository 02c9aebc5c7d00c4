// SPDX-License-Identifier: Apache-2.0

import Berth
import BerthRPC
import Configuration
import Monitoring
import NIOCore
import Pool
import Service

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// What the server tells to monitors over HTTP.
extension Server {
    /// Listens where the configuration says; nil if it says nowhere.
    func startMonitoring(
        _ fleet: Fleet, _ service: PoolServiceHandler, _ rpc: RPCServer.Configuration
    ) async throws -> MonitoringServer? {
        guard let text = settings.configuration.http, case .tcp(let host, let port) = try ServerAddress(text) else {
            if let descriptor = carried?.monitoring { close(descriptor) }
            return nil
        }
        let monitoring = MonitoringServer(
            .init(figures: { Server.figures(fleet, service, rpc) }, members: { fleet.listMembers() }))
        do {
            if let descriptor = carried?.monitoring {
                try await monitoring.listen(descriptor: descriptor)
            } else {
                try await monitoring.listen(host: host, port: port)
            }
        } catch let error as IOError {
            await monitoring.close()
            let reason = String(cString: strerror(error.errnoCode))
            throw Failure(
                "--http \(text): \(reason); stop what listens there, or use another address (port 0: a free one)")
        }
        return monitoring
    }

    private static func figures(
        _ fleet: Fleet, _ service: PoolServiceHandler, _ rpc: RPCServer.Configuration
    ) -> ServerFigures {
        var figures = ServerFigures(version: Version.current, runtime: service.runtimeKind)
        figures.isDraining = service.isDraining
        figures.connections = service.connectionCount
        figures.maxConnections = rpc.maxConnections
        figures.executions = service.executionCount
        figures.heldBytes = rpc.memory.held
        figures.maxHeldBytes = rpc.memory.limit
        figures.memberBytes = fleet.usedMemoryBytes
        figures.maxMemberBytes = fleet.memoryBudgetBytes == .max ? nil : fleet.memoryBudgetBytes
        figures.pools = fleet.snapshot()
        return figures
    }
}
