// SPDX-License-Identifier: Apache-2.0

import Pool
import Testing
import TestSupport

@Suite("A pool's times, for monitoring")
struct PoolTimesTests {
    private func total(_ times: DurationHistogram) -> UInt64 { times.counts.reduce(0, +) }

    @Test("waits count as warm or cold, creates and uses by how long they took")
    func times() throws {
        var h = Harness([PoolConfiguration(size: 1, max: 2)])
        let (waiter, _, outcome) = h.acquire()
        #expect(outcome.isWaiting)
        h.pass(.milliseconds(700))
        h.succeed(try #require(h.next().create))
        let cold = try #require(h.takeEffects().grant(waiter))
        h.settle()
        let warm = try h.lease()
        h.pass(.seconds(2))
        _ = h.release(warm.token)
        h.pass(.seconds(1))
        _ = h.release(cold.token)

        let times = h.snapshot.times
        #expect(times.coldWait.sum == .milliseconds(700) && total(times.coldWait) == 1)
        #expect(times.warmWait.sum == .zero && times.warmWait.counts[0] == 1)
        #expect(times.create.sum == .milliseconds(40) && total(times.create) == 2)
        #expect(times.use.sum == .seconds(5) && total(times.use) == 2)
    }

    @Test("a lease that expires, and one whose container dies, count as uses")
    func ends() throws {
        var h = Harness([PoolConfiguration(size: 2, leaseTime: .seconds(10))])
        h.settle()
        let dying = try h.lease()
        _ = try h.lease()
        h.pass(.seconds(4))
        h.machine.memberDied(dying.member, now: h.now)
        h.pass(.seconds(6))
        h.settle()
        #expect(h.snapshot.times.use.sum == .seconds(14))
        #expect(total(h.snapshot.times.use) == 2)
    }
}
