// SPDX-License-Identifier: Apache-2.0

import Berth
import BerthRPC
import BerthSchema
import NIOCore
import NIOPosix
import Pool
import Service
import Synchronization
import Testing
import TestSupport

@Suite("Stats and WatchStats")
struct StatsTests {
    @Test("Stats tells what became of members, how long acquires took and creates take")
    func complete() async throws {
        let reusing = PoolConfiguration(name: "a", size: 1, max: 1)
        try await TestServer.with(FleetConfiguration(pools: [reusing], memoryBudgetBytes: 1 << 30)) { _, client in
            try await eventually("one is idle") { try await client.stats().pools[0].idle == 1 }
            var pool = try await client.stats().pools[0]
            #expect(pool.acquireP50Microseconds == 0)
            #expect(pool.createMicroseconds > 0)
            #expect(pool.retired.isEmpty)

            let lease = try await client.acquire()
            async let second = client.acquire()
            try await eventually("one waits, held by max") {
                pool = try await client.stats().pools[0]
                return pool.waiters == 1 && pool.isHeld
            }
            #expect(pool.heldReason == "the pool has its most members (1)")
            try await client.release(lease)
            try await client.release(try await second)
            try await eventually("both are gone") { try await client.stats().pools[0].destroyed == 2 }
            let stats = try await client.stats()
            pool = stats.pools[0]
            #expect(pool.retired == ["released": 2])
            #expect(pool.leases == 2)
            #expect(pool.acquireP99Microseconds >= pool.acquireP50Microseconds)
            #expect(pool.acquireP99Microseconds > 2)
            #expect(pool.arrivalsPerSecond > 0)
            #expect(!pool.isDraining)
            #expect(stats.memoryBudgetBytes == 1 << 30)
            #expect(stats.executions == 0)
        }
    }

    @Test("snapshots come at once and then again and again, and follow what happens")
    func watch() async throws {
        try await TestServer.with(PoolConfiguration(size: 1)) { server, client in
            let watcher = try await BerthClient.connect(to: server.address)
            defer { watcher.close() }
            var snapshots = watcher.watchStats(every: .milliseconds(1)).makeAsyncIterator()
            let first = try #require(try await snapshots.next())
            #expect(first.server == "berth/test")
            var next = try #require(try await snapshots.next())
            // 1 ms is less than the shortest interval.
            #expect(next.uptimeMilliseconds - first.uptimeMilliseconds >= 99)
            let lease = try await client.acquire()
            while next.pools[0].leased == 0 { next = try #require(try await snapshots.next()) }
            try await client.release(lease)
            while next.pools[0].leased == 1 { next = try #require(try await snapshots.next()) }
        }
    }

    @Test("a watch ends with its connection, and nothing of it stays in the server")
    func watchEnds() async throws {
        try await TestServer.with(PoolConfiguration(size: 0)) { server, client in
            let watcher = try await BerthClient.connect(to: server.address)
            var snapshots = watcher.watchStats(every: .milliseconds(100)).makeAsyncIterator()
            _ = try await snapshots.next()
            #expect(try await client.stats().connections == 2)
            watcher.close()
            let error = await refusal { while try await snapshots.next() != nil {} }
            #expect(error?.code == .unavailable)
            try await eventually("its connection is gone") { try await client.stats().connections == 1 }
        }
    }

    @Test("who does not read misses snapshots instead of getting old ones")
    func slowReader() async throws {
        try await TestServer.with(PoolConfiguration(size: 1)) { server, client in
            let connection = try await server.connect()
            defer { connection.close() }
            let uptimes = Mutex<[UInt64]>([])
            connection.stream(
                PoolService.watchStats, WatchStatsRequest(intervalMilliseconds: 100)
            ) { event in
                guard case .message(let bytes) = event else { return }
                let uptime = bytes.withUnsafeReadableBytes { raw in
                    (try? StatsResponse(decoding: raw, arena: Arena()))?.uptimeMilliseconds
                }
                uptimes.withLock { $0.append(uptime ?? 0) }
            }
            try await eventually("a snapshot") { uptimes.withLock { !$0.isEmpty } }
            // What fills the connection: a program that writes without end, and nobody who reads it.
            let isRunning = Atomic<Bool>(false)
            let program = ExecuteRequest(argv: ["yes"], cwd: "/tmp")
            connection.stream(PoolService.execute, program) { event in
                if !isRunning.load(ordering: .relaxed) { isRunning.store(true, ordering: .relaxed) }
            }
            try await eventually("it runs") { isRunning.load(ordering: .relaxed) }
            connection.pauseReading()
            let paused = try await client.stats().uptimeMilliseconds
            try await eventually("two seconds without reading") {
                try await client.stats().uptimeMilliseconds > paused + 2000
            }
            let read = uptimes.withLock { $0.count }
            connection.resumeReading()
            try await eventually("snapshots of now") { uptimes.withLock { ($0.last ?? 0) > paused + 2000 } }
            let times = uptimes.withLock { Array($0[max(0, read - 1)...]) }
            let longest = zip(times, times.dropFirst()).map { $1 - $0 }.max() ?? 0
            #expect(longest > 1000, "nothing was left out: \(times)")
        }
    }
}

extension TestServer {
    /// A connection for calls that `BerthClient` does not make.
    func connect() async throws -> ClientConnection {
        guard case .tcp(let host, let port) = address else { throw NeverHappened(description: "a TCP address") }
        return try await ClientConnection.connect(host: host, port: port, group: MultiThreadedEventLoopGroup.singleton)
    }
}
