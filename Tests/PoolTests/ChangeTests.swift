// SPDX-License-Identifier: Apache-2.0

import Pool
import Testing
import TestSupport

@Suite("Pools that follow demand, and changes while they run")
struct ChangeTests {
    // MARK: Sizing

    @Test("an adaptive pool follows demand up within seconds, and down one member at a time")
    func adaptive() throws {
        var h = Harness([
            PoolConfiguration(max: 50, sizing: .adaptive(min: 1, max: 20), maxAge: nil, healthInterval: nil)
        ])
        h.settle()
        #expect(h.snapshot.target == 1)
        // Ten a second, each create 20 ms, three in a batch: m = 10 · 0.06 = 0.6, and 0.6 + 2.33·√0.6 rounds up to 3.
        for _ in 0..<600 {
            h.pass(.milliseconds(100))
            let (_, token, _) = h.acquire()
            h.settle()
            _ = h.release(token)
            h.settle()
        }
        #expect(h.snapshot.target == 3)
        #expect(h.snapshot.idle >= 3)
        #expect(abs(h.snapshot.arrivalRate - 10) < 1)
        h.pass(.seconds(3600))
        _ = h.next()
        #expect(h.snapshot.target == 1)
        #expect(h.snapshot.idle >= 3, "nothing is given up at once")
        for _ in 0..<200 {
            h.pass(.seconds(30))
            h.settle()
        }
        #expect(h.snapshot.idle == 1)
    }

    // MARK: Changes

    @Test("resize fills up, or lets go of what is idle beyond the size at once")
    func resize() throws {
        var h = Harness()
        h.settle()
        let isGrown = h.machine.resize(pool: "default", size: 4, now: h.now)
        #expect(isGrown)
        let creates = h.settle()
        #expect(creates == 2)
        _ = h.machine.resize(pool: "default", size: 1, now: h.now)
        #expect(h.snapshot.idle == 1)
        #expect(h.snapshot.retired == [.surplus: 3])
        let isKnown = h.machine.resize(pool: "nowhere", size: 1, now: h.now)
        #expect(!isKnown)
    }

    @Test("resetBackoff lets the next create begin at once")
    func resetBackoff() throws {
        var h = Harness()
        h.fail(try #require(h.next().create))
        let closed = h.next()
        #expect(closed.create == nil)
        let isKnown = h.machine.resetBackoff(pool: "default", now: h.now)
        #expect(isKnown)
        let step = h.next()
        #expect(step.create != nil)
    }

    @Test("a drained pool refuses acquires, keeps its leases, and leaves the others alone")
    func drainPool() throws {
        var h = Harness([PoolConfiguration(name: "a", size: 2), PoolConfiguration(name: "b", size: 1)])
        h.settle()
        let grant = try h.lease()
        _ = h.machine.drainPool("a", now: h.now)
        h.settle()
        let (_, _, refused) = h.acquire(pool: "a")
        #expect(refused.error == .poolDraining("a"))
        let (_, _, granted) = h.acquire(pool: "b")
        guard case .granted = granted else { Issue.record("\(granted)"); return }
        #expect(h.snapshot.leased == 1)
        let use = h.machine.use(grant.token, begins: false, now: h.now)
        #expect(use != nil)
    }

    @Test("a changed pool rolls: leases go on, idle members go one by one as new ones get warm")
    func roll() throws {
        var h = Harness([PoolConfiguration.reusing { $0.size = 2 }])
        h.settle()
        let grant = try h.lease()
        h.settle()
        h.machine.reload(
            FleetConfiguration(pools: [
                PoolConfiguration.reusing {
                    $0.size = 2; $0.template.image = "new"
                }
            ]), now: h.now)
        #expect(h.snapshot.idle == 2, "nothing goes before something new is warm")
        let order = try #require(h.next().create)
        #expect(order.template.image == "new")
        h.succeed(order)
        #expect(h.snapshot.idle == 2)
        #expect(h.snapshot.outdated == 1)
        h.settle()
        #expect(h.snapshot.outdated == 0)
        #expect(h.snapshot.idle == 2)
        #expect(h.snapshot.leased == 1)
        _ = h.release(grant.token)
        #expect(h.snapshot.retired == [.reconfigured: 3])
    }

    @Test("a pool that is configured no more drains; a new one is filled; the names follow")
    func reloadPools() throws {
        var h = Harness([PoolConfiguration(name: "a", size: 1), PoolConfiguration(name: "b", size: 1)])
        h.settle()
        h.machine.reload(
            FleetConfiguration(pools: [PoolConfiguration(name: "c", size: 1), PoolConfiguration(name: "a", size: 1)]),
            now: h.now)
        h.settle()
        let (_, _, gone) = h.acquire(pool: "b")
        #expect(gone.error == .unknownPool("b", known: ["c", "a"]))
        #expect(h.machine.snapshot(now: h.now).map(\.name) == ["c", "a"])
        #expect(h.machine.snapshot(now: h.now).map(\.idle) == [1, 1])
        _ = try h.lease()
        #expect(h.snapshot.leased == 1, "the default pool is the first that is configured")
    }

    @Test("members are listed with their state, age and uses")
    func list() throws {
        var h = Harness()
        h.settle()
        h.pass(.seconds(5))
        let grant = try h.lease()
        let list = h.machine.listMembers(pool: "default", now: h.now)
        #expect(list.map(\.state) == [.leased, .idle])
        #expect(list.first?.id == grant.member)
        #expect(list.map(\.age) == [.seconds(5), .seconds(5)])
        #expect(list.map(\.uses) == [1, 0])
    }

    @Test("how long acquires took is told in quantiles")
    func latency() throws {
        var h = Harness([PoolConfiguration(size: 90, max: 200)])
        h.settle()
        for _ in 0..<90 { _ = try h.lease() }
        _ = h.machine.resize(pool: "default", size: 0, now: h.now)
        for _ in 0..<10 {
            let (_, _, outcome) = h.acquire()
            #expect(outcome.isWaiting)
            h.pass(.seconds(1))
            h.succeed(try #require(h.next().create))
        }
        let latency = h.snapshot.acquireLatency
        #expect(latency.p50 < .microseconds(2))
        #expect(latency.p99 >= .seconds(1) && latency.p99 <= .milliseconds(1250))
    }
}
