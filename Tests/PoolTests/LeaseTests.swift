// SPDX-License-Identifier: Apache-2.0

import Pool
import Testing
import TestSupport

@Suite("Acquires, leases and their ends")
struct LeaseTests {
    @Test("the longest-idle member is handed out")
    func longestIdle() throws {
        var h = Harness([PoolConfiguration(size: 3)])
        h.settle()
        let result1 = try h.lease()
        #expect(result1.member.description == "m1")
        let result2 = try h.lease()
        #expect(result2.member.description == "m2")
        let result3 = h.settle()
        #expect(result3 == 2)
        let result4 = try h.lease()
        #expect(result4.member.description == "m3")
    }

    @Test("defect 5: a leased member counts as leased, not as idle: the pool is refilled to its size beside it")
    func leasedIsNotIdle() throws {
        var h = Harness()
        h.settle()
        _ = try h.lease()
        #expect(h.snapshot.idle == 1)
        #expect(h.snapshot.leased == 1)
        let result5 = h.settle()
        #expect(result5 == 1)
        #expect(h.snapshot.idle == 2)
        #expect(h.machine.memberCount == 3)
    }

    @Test("defect 7: two acquires at once do not overshoot")
    func noOvershoot() throws {
        var h = Harness()
        h.settle()
        _ = try h.lease()
        _ = try h.lease()
        let result6 = h.settle()
        #expect(result6 == 2)
        #expect(h.machine.memberCount == 4)
    }

    @Test("an empty pool creates for who waits, first in, first out, before it fills")
    func onDemand() throws {
        var h = Harness([PoolConfiguration(size: 1, max: 8)])
        let (a, _, first) = h.acquire()
        let (b, _, second) = h.acquire()
        #expect(first.isWaiting && second.isWaiting)
        let create = try #require(h.next().create)
        #expect(create.isOnDemand)
        h.succeed(create)
        var effects = h.takeEffects()
        #expect(effects.grant(a)?.isWarm == false)
        #expect(effects.grant(b) == nil)
        h.succeed(try #require(h.next().create))
        effects = h.takeEffects()
        #expect(effects.grant(b) != nil)
        let fill = try #require(h.next().create)
        #expect(!fill.isOnDemand)
    }

    @Test("a waiter is refused at its deadline, even while a create hangs")
    func waiterDeadline() throws {
        var h = Harness()
        let (waiter, _, _) = h.acquire(wait: .seconds(5))
        let step = h.next()
        #expect(step.create != nil)
        #expect(step.wake == h.now + .seconds(5))
        h.pass(.seconds(5))
        _ = h.next()
        let result7 = h.takeEffects()
        #expect(result7.refusal(waiter) == .timedOut(after: .seconds(5)))
        #expect(h.snapshot.waiters == 0)
    }

    @Test("a waiter whose create is held by a limit is told so at its deadline")
    func heldWaiter() throws {
        var h = Harness([PoolConfiguration(size: 1, max: 1)])
        h.settle()
        _ = try h.lease()
        let (waiter, _, _) = h.acquire(wait: .seconds(5))
        _ = h.next()
        h.pass(.seconds(5))
        _ = h.next()
        let result8 = h.takeEffects()
        #expect(result8.refusal(waiter) == .exhausted(.poolMax(1), after: .seconds(5)))
    }

    @Test("the line is bounded, and says how many wait")
    func boundedLine() throws {
        var h = Harness { $0.maxWaiters = 3 }
        for _ in 0..<3 {
            let (_, _, outcome) = h.acquire()
            #expect(outcome.isWaiting)
        }
        let (_, _, outcome) = h.acquire()
        #expect(outcome.error == .queueFull(waiting: 3))
    }

    @Test("a waiter that goes away leaves the line; the next one is served")
    func cancelledWaiter() throws {
        var h = Harness([PoolConfiguration(size: 0)])
        let (a, _, _) = h.acquire()
        let (b, _, _) = h.acquire()
        let result9 = h.machine.cancelWaiter(a)
        #expect(result9)
        let result10 = h.machine.cancelWaiter(a)
        #expect(!result10)
        h.succeed(try #require(h.next().create))
        let effects = h.takeEffects()
        #expect(effects.grant(a) == nil)
        #expect(effects.grant(b) != nil)
        let result11 = h.settle()
        #expect(result11 == 0)
    }

    @Test("a member just handed to a caller who has gone becomes idle again, unused")
    func returnUnused() throws {
        var h = Harness([PoolConfiguration(size: 0)])
        let (waiter, token, _) = h.acquire()
        h.succeed(try #require(h.next().create))
        let result12 = h.takeEffects()
        #expect(result12.grant(waiter) != nil)
        let result13 = h.machine.cancelWaiter(waiter)
        #expect(!result13, "the grant is on its way")
        h.machine.returnUnused(token, now: h.now)
        #expect(h.snapshot.idle == 1)
        #expect(h.snapshot.leased == 0)
        let result14 = try h.lease()
        #expect(result14.isWarm)
    }

    @Test("reported: a lease's time counts from when it was handed out, not from warming; use extends it")
    func leaseTime() throws {
        var h = Harness()
        h.settle()
        h.pass(.seconds(3600))
        let grant = try h.lease()
        h.settle()
        h.pass(.seconds(299))
        h.settle()
        let result15 = h.machine.use(grant.token, begins: false, now: h.now)
        #expect(result15 != nil)
        h.pass(.seconds(299))
        h.settle()
        let result16 = h.machine.use(grant.token, begins: false, now: h.now)
        #expect(result16 != nil)
        h.pass(.seconds(300))
        h.settle()
        let result17 = h.takeEffects()
        #expect(result17.closings.contains(.leaseExpired))
        let result18 = h.machine.use(grant.token, begins: false, now: h.now)
        #expect(result18 == nil)
        #expect(h.snapshot.leased == 0)
        let result19 = h.release(grant.token)
        #expect(!result19, "an expired lease is no lease")
    }

    @Test("while a program runs in it, time does not end a lease")
    func activeLease() throws {
        var h = Harness()
        h.settle()
        let grant = try h.lease()
        let result20 = h.machine.use(grant.token, begins: true, now: h.now)
        #expect(result20 != nil)
        h.pass(.seconds(3000))
        h.settle()
        let result21 = h.machine.use(grant.token, begins: false, now: h.now)
        #expect(result21 != nil)
        h.machine.endUse(grant.token, now: h.now)
        h.pass(.seconds(299))
        h.settle()
        #expect(h.snapshot.leased == 1)
        h.pass(.seconds(1))
        h.settle()
        #expect(h.snapshot.leased == 0)
    }

    @Test("release is idempotent, and an unknown token is not a lease")
    func release() throws {
        var h = Harness()
        h.settle()
        let grant = try h.lease()
        let result22 = h.release(grant.token)
        #expect(result22)
        let result23 = h.release(grant.token)
        #expect(result23)
        let result24 = h.machine.use(grant.token, begins: false, now: h.now)
        #expect(result24 == nil)
        var generator = SeededGenerator(seed: 99)
        let result25 = h.release(LeaseToken(using: &generator))
        #expect(!result25)
        let result26 = h.takeEffects()
        #expect(result26.closings == [.released])
    }

    @Test("a lease ends ten seconds after its connection, a detached one does not")
    func connectionBound() throws {
        var h = Harness([PoolConfiguration(size: 4)])
        h.settle()
        let bound = try h.lease(connection: 7)
        let other = try h.lease(connection: 8)
        let second = try h.lease(connection: 7)
        let detached = try h.lease(connection: 7, detached: true)
        let result27 = h.release(second.token)
        #expect(result27)
        h.machine.connectionClosed(ConnectionID(7), now: h.now)
        h.pass(.seconds(9))
        h.settle()
        let result28 = h.machine.use(bound.token, begins: false, now: h.now)
        #expect(result28 != nil)
        h.pass(.seconds(1))
        h.settle()
        let result29 = h.machine.use(bound.token, begins: false, now: h.now)
        #expect(result29 == nil)
        let result30 = h.machine.use(other.token, begins: false, now: h.now)
        #expect(result30 != nil)
        let result31 = h.machine.use(detached.token, begins: false, now: h.now)
        #expect(result31 != nil)
    }

    @Test("reported: a member that died while idle is not handed out; one that died while leased ends its lease")
    func deadMembers() throws {
        var h = Harness()
        h.settle()
        h.machine.memberDied(MemberID("m1"), now: h.now)
        let grant = try h.lease()
        #expect(grant.member.description == "m2")
        h.machine.memberDied(grant.member, now: h.now)
        let result32 = h.machine.use(grant.token, begins: false, now: h.now)
        #expect(result32 == nil)
        let result33 = h.settle()
        #expect(result33 == 2)
    }

    @Test("an unknown pool is refused with the names of those there are")
    func unknownPool() {
        var h = Harness([PoolConfiguration(name: "a"), PoolConfiguration(name: "b")])
        let (_, _, outcome) = h.acquire(pool: "c")
        #expect(outcome.error == .unknownPool("c", known: ["a", "b"]))
    }

    @Test("draining refuses all, ends the leases when told, and is finished when the last member is gone")
    func drain() throws {
        var h = Harness([PoolConfiguration(size: 2, max: 4)])
        h.settle()
        let grant = try h.lease()
        let create = try #require(h.next().create)
        h.machine.drain(now: h.now)
        let result34 = h.acquire()
        #expect(result34.2.error == .draining)
        h.succeed(create)
        for _ in 0..<2 {
            for member in h.next().removals { h.machine.removalFinished(member, nil, now: h.now) }
        }
        let result35 = h.next()
        #expect(result35.isFinished == false)
        let result36 = h.machine.use(grant.token, begins: false, now: h.now)
        #expect(result36 != nil, "leases go on")
        h.machine.endLeases(now: h.now)
        for member in h.next().removals { h.machine.removalFinished(member, nil, now: h.now) }
        let result37 = h.next()
        #expect(result37.isFinished)
        #expect(h.machine.memberCount == 0)
    }

    @Test("tokens are 32 hexadecimal digits, and nothing else is one")
    func tokens() {
        var generator = SeededGenerator(seed: 3)
        for _ in 0..<1000 {
            let token = LeaseToken(using: &generator)
            #expect(token.description.utf8.count == 32)
            #expect(LeaseToken(token.description) == token)
        }
        let good = LeaseToken(using: &generator).description
        for text in ["", "x", String(good.dropLast()), good + "0", good.uppercased() + "G", "g" + good.dropFirst()] {
            #expect(LeaseToken(text) == nil, "\(text)")
        }
    }
}
