// SPDX-License-Identifier: Apache-2.0

import Berth
import BerthRPC
import BerthSchema
import Pool
import Service
import Testing
import TestSupport

@Suite("Leases that are renewed, limits of one client, and long lines")
struct LineTests {
    @Test("a lease that is renewed outlives its time; the answer is the time left")
    func renew() async throws {
        try await TestServer.with(PoolConfiguration(size: 1, max: 1, leaseTime: .seconds(60))) { _, client in
            let lease = try await client.acquire(leaseTime: .seconds(5))
            #expect(lease.time == .seconds(5))
            #expect(try await client.renew(lease) == .seconds(5))
            #expect(try await client.renew(lease, leaseTime: .seconds(20)) == .seconds(20))
            // Kept for the next time, and never over the pool's.
            #expect(try await client.renew(lease) == .seconds(20))
            #expect(try await client.renew(lease, leaseTime: .seconds(3600)) == .seconds(60))
            // Also a shorter time takes effect.
            #expect(try await client.renew(lease, leaseTime: .milliseconds(1)) == .milliseconds(1))
            try await eventually("it has ended") { try await client.stats().pools[0].leased == 0 }
            let missing = BerthError(.notFound, "no such lease, or it has ended", .noSuchLease)
            #expect(await refusal { try await client.renew(lease) } == missing)
            var garbled = lease
            garbled.token = "no token"
            #expect(await refusal { try await client.renew(garbled) } == missing)
        }
    }

    @Test("a lease whose connection has closed is not renewed: what is left of its grace is the answer")
    func renewOrphan() async throws {
        let fleet = FleetConfiguration(pools: [PoolConfiguration(size: 1)], connectionGrace: .seconds(30))
        try await TestServer.with(fleet) { server, client in
            let owner = try await BerthClient.connect(to: server.address)
            let lease = try await owner.acquire()
            owner.close()
            try await eventually("its grace has begun") { try await client.renew(lease) <= .seconds(30) }
            #expect(try await client.renew(lease, leaseTime: .seconds(200)) <= .seconds(30))
            try await client.release(lease)
        }
    }

    @Test("the connections of one host are one client, with one limit for leases and waiting")
    func clientLimit() async throws {
        let fleet = FleetConfiguration(pools: [PoolConfiguration(size: 2, max: 8)], maxPerClient: 2)
        try await TestServer.with(fleet) { server, client in
            let other = try await BerthClient.connect(to: server.address)
            defer { other.close() }
            let lease = try await client.acquire()
            let second = try await other.acquire()
            let expected = BerthError(
                .resourceExhausted,
                "this client has or awaits 2 containers, the maximum for one client; release one, then try again",
                .clientLimit)
            #expect(await refusal { _ = try await client.acquire() } == expected)
            #expect(await refusal { _ = try await other.execute(Command(["true"])).collect() } == expected)
            // Whoever comes by a unix socket is another one.
            let path = "/tmp/berth-test-\(UInt64.random(in: 0 ... .max)).sock"
            try await server.rpc.listen(unixSocket: path)
            let local = try await BerthClient.connect(to: .unix(path: path))
            defer { local.close() }
            try await local.release(try await local.acquire())

            try await client.release(lease)
            try await other.release(try await other.acquire())
            try await other.release(second)
        }
    }

    @Test("a full line says which place the next one would have had")
    func fullLine() async throws {
        let pool = PoolConfiguration(size: 1, max: 1)
        try await TestServer.with(FleetConfiguration(pools: [pool], maxWaiters: 1)) { _, client in
            let lease = try await client.acquire()
            async let waiting = client.acquire()
            try await eventually("one is in line") { try await client.stats().pools[0].waiters == 1 }
            #expect(
                await refusal { _ = try await client.acquire() }
                    == BerthError(
                        .resourceExhausted,
                        "the line is full with 1 waiting; this acquire would be number 2 in it", .waiterLimit))
            try await client.release(lease)
            try await client.release(try await waiting)
        }
    }

    @Test("with 10 000 in line, Stats and another pool's acquire are answered, and the line is served from its front")
    func longLine() async throws {
        let crowded = PoolConfiguration(name: "crowded", size: 0, max: 1)
        let quick = PoolConfiguration(name: "quick", size: 1, max: 2)
        let fleet = FleetConfiguration(pools: [crowded, quick], maxWaiters: 10_000)
        try await TestServer.with(fleet) { server, client in
            let lease = try await client.acquire(pool: "crowded")
            let first = Task { try await client.acquire(pool: "crowded", wait: .seconds(600)) }
            try await eventually("the first is in line") { try await client.stats().pools[0].waiters == 1 }
            let crowd = try await BerthClient.connect(to: server.address)
            let rest = Task {
                await withTaskGroup { group in
                    for _ in 1..<10_000 {
                        group.addTask {
                            await refusal { _ = try await crowd.acquire(pool: "crowded", wait: .seconds(600)) }?.code
                        }
                    }
                    return await group.reduce(into: [BerthError.Code?]()) { $0.append($1) }
                }
            }
            try await eventually("all are in line", within: .seconds(60)) {
                try await client.stats().pools[0].waiters == 10_000
            }
            try await eventually("another pool's member is warm") { try await client.stats().pools[1].idle == 1 }

            let clock = ContinuousClock()
            var times: [Duration] = []
            for _ in 0..<101 { times.append(try await clock.measure { _ = try await client.stats() }) }
            let statsTime = times.sorted()[50]
            var other: Lease?
            let acquireTime = try await clock.measure { other = try await client.acquire(pool: "quick") }
            print("10 000 in line: Stats took \(statsTime) (median of 101), an acquire of another pool \(acquireTime)")
            let quickLease = try #require(other)
            #expect(quickLease.isWarm)
            #expect(try await client.stats().pools[0].waiters == 10_000)

            try await client.release(lease)
            let served = try await first.value
            #expect(try await client.stats().pools[0].waiters == 9_999)
            crowd.close()
            #expect(await rest.value.allSatisfy { $0 == .unavailable })
            try await eventually("all have left the line") { try await client.stats().pools[0].waiters == 0 }
            try await client.release(served)
            try await client.release(quickLease)
        }
    }
}
