// SPDX-License-Identifier: Apache-2.0

internal import Berth
internal import BerthSchema

/// Everything that a load test needs before it begins: connections, leases, and information about the server.
struct Setup: Sendable {
    private static let openingAtOnce = 64

    let connections: [Connection]
    /// A connection to watch the pool, in addition to those that carry the load.
    let watch: Connection
    let held: [HeldLease]
    let docker: DockerExec?
    let server: ServerReport
    let costPerOperation: Double

    /// Number of recorders: at most one per CPU, since more would not be used at the same time.
    var shards: Int { max(1, min(connections.count, MachineUse.cpus)) }

    /// - Throws: `LoadError`, with everything closed again.
    init(_ plan: LoadPlan) async throws {
        var opened: [Connection] = []
        var held: [HeldLease] = []
        do {
            let watch = try await Connection(to: plan.server)
            opened.append(watch)
            self.watch = watch
            let client = try await watch.client()
            let stats = try await client.stats()
            guard let pool = stats.pool(plan.pool) else {
                let names = stats.pools.map(\.name).joined(separator: ", ")
                throw LoadError("there is no pool \"\(plan.pool ?? "")\"; there is: \(names)")
            }
            let roundTrip = try await Calibration.roundTrip(client)
            server = ServerReport(
                version: stats.server, runtime: stats.runtime, pool: pool.name, image: pool.image,
                roundTrip: roundTrip.report)
            costPerOperation = Calibration.costPerOperation()
            connections = try await Setup.connect(plan)
            opened += connections
            if plan.scenario.shares.contains(where: \.operation.needsHeldLease) {
                let count = plan.leases ?? max(1, min(plan.workers, Int(pool.idle)))
                for index in 0..<count {
                    let lease = HeldLease(connections[index % connections.count], pool: plan.pool, wait: plan.wait)
                    _ = try await lease.get()
                    held.append(lease)
                }
            }
            self.held = held
            docker = try await Setup.baseline(plan, stats.runtime, pool)
        } catch {
            for lease in held { await lease.release() }
            for connection in opened { connection.close() }
            if let error = error as? BerthError { throw LoadError(error.message) }
            throw error
        }
    }

    func close() async {
        await docker?.close()
        for lease in held { await lease.release() }
        for connection in connections + [watch] { connection.close() }
    }

    /// By default, the image of the pool if the server uses Docker; other runtimes may have images that Docker does not
    /// know.
    private static func baseline(_ plan: LoadPlan, _ runtime: String, _ pool: PoolStats) async throws -> DockerExec? {
        guard let baseline = plan.baseline else { return nil }
        let image = baseline.image ?? (runtime == "docker" ? pool.image : "python:3.9-slim")
        let lifetime = (plan.warmup + plan.duration + plan.drain + .seconds(600)).components.seconds
        return try await DockerExec(baseline, image: image, lifetime: lifetime)
    }

    private static func connect(_ plan: LoadPlan) async throws -> [Connection] {
        try await withThrowingTaskGroup(of: Connection.self) { group in
            var opened: [Connection] = []
            var begun = 0
            do {
                while opened.count < plan.connections {
                    while begun < plan.connections, begun - opened.count < openingAtOnce {
                        group.addTask { try await Connection(to: plan.server) }
                        begun += 1
                    }
                    if let connection = try await group.next() { opened.append(connection) }
                }
            } catch {
                for connection in opened { connection.close() }
                throw error
            }
            return opened
        }
    }
}
