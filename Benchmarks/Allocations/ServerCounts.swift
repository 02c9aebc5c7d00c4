// SPDX-License-Identifier: Apache-2.0

import AgentLink
import BenchmarkKit
import BerthRPC
import BerthSchema
import Logging
import NIOCore
import NIOPosix
import Pool
import Service
import TestSupport

extension Allocations {
    /// A whole server, on real agents without containers, asked by a client that allocates nothing.
    static func serverCounts() async throws -> [Count] {
        let runtime = try ProcessRuntime()
        var logger = Logger(label: "count-allocations")
        logger.logLevel = .critical
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let members = PoolConfiguration(size: 1, max: 1, reuse: .reset, maxUses: nil)
        let fleet = Fleet(
            configuration: FleetConfiguration(pools: [members]), runtime: runtime,
            connector: AgentConnector(group: group), memberPrefix: "a", observer: PoolLog(logger))
        let service = PoolServiceHandler(
            fleet: fleet, server: "berth/bench", runtimeKind: runtime.kind, limits: ServiceLimits(), logger: logger)
        let rpc = RPCServer(group: group, service: service)
        let bound = try await rpc.listen(host: "127.0.0.1", port: 0)
        let maintenance = Task { await fleet.run() }
        let result: Result<[Count], any Error>
        do {
            try await eventually("the member is warm") { fleet.snapshot().first?.idle == 1 }
            result = .success(try countCalls(port: bound.port ?? 0))
        } catch {
            result = .failure(error)
        }
        service.drain()
        service.endAll()
        await maintenance.value
        await rpc.close()
        return try result.get()
    }

    private static func countCalls(port: Int) throws -> [Count] {
        let client = try RawConnection(port: port)
        let stats = RawConnection.frame(PoolService.name, "Stats", Empty())
        var counts = [
            try count("serve Stats, one at a time", 10_000) { operations in
                for _ in 0..<operations { try client.exchange(stats, ends: 1) }
            }
        ]
        let answer = try client.exchange(RawConnection.frame(PoolService.name, "Acquire", AcquireRequest()), ends: 1)
        let lease = try AcquireResponse(decoding: try Response(decoding: Array(answer)).payload).lease
        func execute(_ argv: [SystemString]) -> [UInt8] {
            RawConnection.frame(
                PoolService.name, "Execute", ExecuteRequest(lease: lease, argv: argv, cwd: "/tmp"), isStreaming: true)
        }
        let program = execute(["true"])
        counts.append(
            try count("relay an Execute of true", 400) { operations in
                for _ in 0..<operations { try client.exchange(program, ends: 1) }
            })
        let chunks = 1024
        let writer = execute(["head", "-c", "\(chunks * 32 << 10)", "/dev/zero"])
        counts.append(
            try count("relay 32 KiB of output", chunks * 4) { operations in
                for _ in 0..<operations / chunks { try client.exchange(writer, ends: 1) }
            })
        return counts
    }
}
