// SPDX-License-Identifier: Apache-2.0

import Pool
import Testing
import TestSupport

@Suite("Retiring, resetting, renewing, and what one client may have")
struct RuleTests {
    // MARK: Retiring

    @Test("a member is retired at its age, earlier by its share of the jitter, and replaced")
    func age() throws {
        var h = Harness([PoolConfiguration(size: 1, maxAge: .seconds(100), ageJitter: 0.5)])
        let order = try #require(h.next().create)
        let isReady = h.machine.createSucceeded(
            order.member, link: FakeLink(), took: .zero, jitter: 0.5, now: h.now)
        #expect(isReady)
        h.pass(.seconds(75) - .nanoseconds(1))
        let early = h.next()
        #expect(early.removals == [])
        #expect(early.wake == h.now + .nanoseconds(1))
        h.pass(.nanoseconds(1))
        let step = h.next()
        #expect(step.removals == [order.member])
        #expect(step.create != nil)
        #expect(h.snapshot.retired == [.age: 1])
    }

    @Test("a member past its age serves its lease to the end")
    func ageOfLeased() throws {
        var h = Harness([PoolConfiguration.reusing { $0.maxAge = .seconds(10) }])
        h.settle()
        let grant = try h.lease()
        h.pass(.seconds(20))
        let step = h.next()
        #expect(step.removals == [])
        let isReleased = h.release(grant.token)
        #expect(isReleased)
        #expect(h.snapshot.retired == [.age: 1])
    }

    @Test("a member that is idle for too long is retired")
    func idleTime() throws {
        var h = Harness([PoolConfiguration(size: 1, maxIdle: .seconds(20))])
        h.settle()
        h.pass(.seconds(20))
        h.settle()
        #expect(h.snapshot.retired == [.idle: 1])
        #expect(h.snapshot.idle == 1)
    }

    @Test("an idle member that fails its health ping is retired; one that answers is asked again later")
    func health() throws {
        var h = Harness([PoolConfiguration(size: 1, healthInterval: .seconds(7))])
        h.settle()
        h.pass(.seconds(7))
        let first = try #require(h.next().pings.first)
        let again = h.next()
        #expect(again.pings == [], "it is asked already")
        h.machine.pingFinished(first.member, nil, now: h.now)
        h.pass(.seconds(7))
        let second = try #require(h.next().pings.first)
        h.machine.pingFinished(second.member, .failed("no answer"), now: h.now)
        let step = h.next()
        #expect(step.removals == [first.member])
        #expect(h.snapshot.retired == [.unhealthy: 1])
    }

    @Test("a member that was leased while it failed its ping keeps the lease, and is not used again")
    func unhealthyWhileLeased() throws {
        var h = Harness([PoolConfiguration.reusing { $0.healthInterval = .seconds(7) }])
        h.settle()
        h.pass(.seconds(7))
        let ping = try #require(h.next().pings.first)
        let grant = try h.lease()
        h.machine.pingFinished(ping.member, .failed("no answer"), now: h.now)
        #expect(h.snapshot.leased == 1)
        let isReleased = h.release(grant.token)
        #expect(isReleased)
        #expect(h.snapshot.retired == [.unhealthy: 1])
    }

    @Test("members that die young and unused are not replaced without end: the second in a row opens the breaker")
    func diesYoung() throws {
        var h = Harness([PoolConfiguration(size: 1)])
        h.settle()
        h.machine.memberDied(MemberID("m1"), now: h.now)
        let replaced = h.settle()
        #expect(replaced == 1)
        h.pass(.seconds(9))
        h.machine.memberDied(MemberID("m2"), now: h.now)
        let step = h.next()
        #expect(step.create == nil)
        guard case .open(let cause, .seconds(300)) = h.snapshot.breaker else {
            Issue.record("the breaker is \(h.snapshot.breaker)")
            return
        }
        #expect(cause.message.contains("unused, 9000 ms after it was ready"))
    }

    @Test("a member that dies after its first use, or old, is simply replaced")
    func diesOld() throws {
        var h = Harness([PoolConfiguration(size: 1, maxAge: nil, healthInterval: nil)])
        for _ in 0..<5 {
            h.settle()
            h.pass(.seconds(10))
            h.machine.memberDied(try #require(h.machine.knownMembers.first), now: h.now)
        }
        #expect(h.snapshot.breaker == .closed)
        #expect(h.snapshot.retired == [.died: 5])
    }

    @Test("a success that began before the failure does not close the breaker")
    func earlierSuccessLater() throws {
        var h = Harness([PoolConfiguration(size: 3)])
        h.succeed(try #require(h.next().create))
        h.succeed(try #require(h.next().create))
        let third = try #require(h.next().create)
        h.machine.memberDied(MemberID("m1"), now: h.now)
        h.machine.memberDied(MemberID("m2"), now: h.now)
        h.succeed(third)
        guard case .open = h.snapshot.breaker else { Issue.record("it is \(h.snapshot.breaker)"); return }
    }

    // MARK: Resetting

    @Test("a released member is reset, and leased again once that is proven")
    func reset() throws {
        var h = Harness([PoolConfiguration.reusing()])
        h.settle()
        let grant = try h.lease()
        h.settle()
        _ = h.release(grant.token)
        #expect(h.snapshot.resetting == 1)
        let reset = try #require(h.next().resets.first)
        #expect(reset.member == grant.member)
        h.machine.resetFinished(reset.member, nil, now: h.now)
        #expect(h.snapshot.idle == 2)
        #expect(h.snapshot.recycled == 1)
        #expect(h.snapshot.removed == 0)
    }

    @Test("a member whose reset is not proven is destroyed")
    func resetFails() throws {
        var h = Harness([PoolConfiguration.reusing()])
        h.settle()
        _ = h.release(try h.lease().token)
        let reset = try #require(h.next().resets.first)
        h.machine.resetFinished(reset.member, .failed("a process is left"), now: h.now)
        // What still ran in it ended with its lease, and not for a fault of the container.
        #expect(h.machine.takeEffects().closings == [.released])
        let step = h.next()
        #expect(step.removals == [reset.member])
        #expect(h.snapshot.retired == [.resetFailed: 1])
    }

    @Test("a member that dies while it is reset is removed, and its late answer is ignored")
    func diesInReset() throws {
        var h = Harness([PoolConfiguration.reusing()])
        h.settle()
        _ = h.release(try h.lease().token)
        let reset = try #require(h.next().resets.first)
        h.machine.memberDied(reset.member, now: h.now)
        h.settle()
        h.machine.resetFinished(reset.member, nil, now: h.now)
        #expect(h.snapshot.recycled == 0)
        #expect(h.machine.memberCount == 1)
    }

    @Test("a reset member goes to the first in line, and no create begins for a waiter it will serve")
    func resetServesLine() throws {
        var h = Harness([
            PoolConfiguration.reusing {
                $0.max = 2; $0.size = 1
            }
        ])
        h.settle()
        let grant = try h.lease()
        h.settle()
        let second = try h.lease()
        _ = h.release(grant.token)
        let reset = try #require(h.next().resets.first)
        let (waiter, _, outcome) = h.acquire()
        #expect(outcome.isWaiting)
        let step = h.next()
        #expect(step.create == nil)
        h.machine.resetFinished(reset.member, nil, now: h.now)
        let effects = h.machine.takeEffects()
        #expect(effects.grant(waiter)?.member == grant.member)
        #expect(effects.grant(waiter)?.isWarm == true)
        #expect(second.member != grant.member)
    }

    @Test("a member is retired after its last use")
    func uses() throws {
        var h = Harness([PoolConfiguration.reusing { $0.maxUses = 2 }])
        h.settle()
        for _ in 0..<2 {
            _ = h.release(try h.lease().token)
            for reset in h.next().resets { h.machine.resetFinished(reset.member, nil, now: h.now) }
        }
        #expect(h.snapshot.retired == [.uses: 1])
        #expect(h.snapshot.recycled == 1)
    }

    @Test("a lease that time or its connection ended takes its member along")
    func expiredIsNotReused() throws {
        var h = Harness([PoolConfiguration.reusing { $0.leaseTime = .seconds(5) }])
        h.settle()
        _ = try h.lease()
        h.pass(.seconds(5))
        _ = h.next()
        #expect(h.snapshot.resetting == 0)
        #expect(h.snapshot.retired == [.leaseExpired: 1])
    }

    // MARK: Leases and clients

    @Test("renewing extends a lease, and may shorten how long it lasts without use")
    func renew() throws {
        var h = Harness()
        h.settle()
        let grant = try h.lease()
        h.pass(.seconds(200))
        let use = h.machine.renew(grant.token, leaseTime: .seconds(3), now: h.now)
        #expect(use?.leaseTime == .seconds(3))
        let isNudged = h.machine.takeNudge()
        #expect(isNudged)
        h.pass(.seconds(3))
        _ = h.next()
        #expect(h.snapshot.retired == [.leaseExpired: 1])
        let late = h.machine.renew(grant.token, now: h.now)
        #expect(late == nil)
    }

    @Test("a client has at most its share of leases and waiters together; others are not held up")
    func clientLimit() throws {
        var h = Harness([PoolConfiguration(size: 1, max: 9)]) { $0.maxPerClient = 2 }
        h.settle()
        func order(_ number: UInt64, _ client: String) -> AcquireOrder {
            var generator = SeededGenerator(seed: number)
            return AcquireOrder(
                token: LeaseToken(using: &generator), waiter: WaiterID(100 + number), connection: ConnectionID(1),
                client: ClientID(client))
        }
        guard case .granted(let grant) = h.machine.acquire(order(1, "a"), now: h.now) else {
            Issue.record("not granted")
            return
        }
        let second = h.machine.acquire(order(2, "a"), now: h.now)
        #expect(second.isWaiting)
        let third = h.machine.acquire(order(3, "a"), now: h.now)
        #expect(third.error == .clientLimit(2))
        let other = h.machine.acquire(order(4, "b"), now: h.now)
        #expect(other.isWaiting)
        _ = h.release(grant.token)
        let fourth = h.machine.acquire(order(5, "a"), now: h.now)
        #expect(fourth.isWaiting)
    }
}
