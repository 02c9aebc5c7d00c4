import Pool
import Testing
import TestSupport

@Suite("Acquires, leases and their ends")
struct LeaseTests {
    @Test("the longest-idle member is handed out")
    func longestIdle() throws {
        var h = Harness([PoolConfiguration(size: 3)])
        h.settle()
        #expect(try h.lease().member.description == "m1")
        #expect(try h.lease().member.description == "m2")
        #expect(h.settle() == 2)
        #expect(try h.lease().member.description == "m3")
    }

    @Test("defect 5: a leased member counts as leased, not as idle: the pool is refilled to its size beside it")
    func leasedIsNotIdle() throws {
        var h = Harness()
        h.settle()
        _ = try h.lease()
        #expect(h.snapshot.idle == 1)
        #expect(h.snapshot.leased == 1)
        #expect(h.settle() == 1)
        #expect(h.snapshot.idle == 2)
        #expect(h.machine.memberCount == 3)
    }

    @Test("defect 7: two acquires at once do not overshoot")
    func noOvershoot() throws {
        var h = Harness()
        h.settle()
        _ = try h.lease()
        _ = try h.lease()
        #expect(h.settle() == 2)
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
        #expect(h.takeEffects().refusal(waiter) == .timedOut(after: .seconds(5)))
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
        #expect(h.takeEffects().refusal(waiter) == .exhausted(.poolMax(1), after: .seconds(5)))
    }

    @Test("the line is bounded, and says how many wait")
    func boundedLine() throws {
        var h = Harness { $0.maxWaiters = 3 }
        for _ in 0..<3 {
            let (_, _, outcome) = h.acquire()
            #expect(outcome.isWaiting)
        }
        let (_, _, outcome) = h.acquire()
        #expect(outcome.error == .lineFull(waiting: 3))
    }

    @Test("a waiter that goes away leaves the line; the next one is served")
    func cancelledWaiter() throws {
        var h = Harness([PoolConfiguration(size: 0)])
        let (a, _, _) = h.acquire()
        let (b, _, _) = h.acquire()
        #expect(h.machine.cancelWaiter(a))
        #expect(!h.machine.cancelWaiter(a))
        h.succeed(try #require(h.next().create))
        let effects = h.takeEffects()
        #expect(effects.grant(a) == nil)
        #expect(effects.grant(b) != nil)
        #expect(h.settle() == 0)
    }

    @Test("a member just handed to a caller who has gone becomes idle again, unused")
    func returnUnused() throws {
        var h = Harness([PoolConfiguration(size: 0)])
        let (waiter, token, _) = h.acquire()
        h.succeed(try #require(h.next().create))
        #expect(h.takeEffects().grant(waiter) != nil)
        #expect(!h.machine.cancelWaiter(waiter), "the grant is on its way")
        h.machine.returnUnused(token, now: h.now)
        #expect(h.snapshot.idle == 1)
        #expect(h.snapshot.leased == 0)
        #expect(try h.lease().isWarm)
    }

    @Test("a lease's time counts from when it was handed out, is extended by use, and ends it")
    func leaseTime() throws {
        var h = Harness()
        h.settle()
        h.pass(.seconds(3600))
        let grant = try h.lease()
        h.settle()
        h.pass(.seconds(299))
        h.settle()
        #expect(h.machine.use(grant.token, begins: false, now: h.now) != nil)
        h.pass(.seconds(299))
        h.settle()
        #expect(h.machine.use(grant.token, begins: false, now: h.now) != nil)
        h.pass(.seconds(300))
        h.settle()
        #expect(h.takeEffects().closings.contains(.leaseExpired))
        #expect(h.machine.use(grant.token, begins: false, now: h.now) == nil)
        #expect(h.snapshot.leased == 0)
        #expect(!h.release(grant.token), "an expired lease is no lease")
    }

    @Test("while a program runs in it, time does not end a lease")
    func activeLease() throws {
        var h = Harness()
        h.settle()
        let grant = try h.lease()
        #expect(h.machine.use(grant.token, begins: true, now: h.now) != nil)
        h.pass(.seconds(3000))
        h.settle()
        #expect(h.machine.use(grant.token, begins: false, now: h.now) != nil)
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
        #expect(h.release(grant.token))
        #expect(h.release(grant.token))
        #expect(h.machine.use(grant.token, begins: false, now: h.now) == nil)
        var generator = SeededGenerator(seed: 99)
        #expect(!h.release(LeaseToken(using: &generator)))
        #expect(h.takeEffects().closings == [.released])
    }

    @Test("a lease ends ten seconds after its connection, a detached one does not")
    func connectionBound() throws {
        var h = Harness([PoolConfiguration(size: 4)])
        h.settle()
        let bound = try h.lease(connection: 7)
        let other = try h.lease(connection: 8)
        let second = try h.lease(connection: 7)
        let detached = try h.lease(connection: 7, detached: true)
        #expect(h.release(second.token))
        h.machine.connectionClosed(ConnectionID(7), now: h.now)
        h.pass(.seconds(9))
        h.settle()
        #expect(h.machine.use(bound.token, begins: false, now: h.now) != nil)
        h.pass(.seconds(1))
        h.settle()
        #expect(h.machine.use(bound.token, begins: false, now: h.now) == nil)
        #expect(h.machine.use(other.token, begins: false, now: h.now) != nil)
        #expect(h.machine.use(detached.token, begins: false, now: h.now) != nil)
    }

    @Test("a member that died while idle is not handed out; one that died while leased ends its lease")
    func deadMembers() throws {
        var h = Harness()
        h.settle()
        h.machine.memberDied(MemberID("m1"), now: h.now)
        let grant = try h.lease()
        #expect(grant.member.description == "m2")
        h.machine.memberDied(grant.member, now: h.now)
        #expect(h.machine.use(grant.token, begins: false, now: h.now) == nil)
        #expect(h.settle() == 2)
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
        #expect(h.acquire().2.error == .draining)
        h.succeed(create)
        for _ in 0..<2 {
            for member in h.next().removals { h.machine.removalFinished(member, nil, now: h.now) }
        }
        #expect(h.next().isFinished == false)
        #expect(h.machine.use(grant.token, begins: false, now: h.now) != nil, "leases go on")
        h.machine.endLeases(now: h.now)
        for member in h.next().removals { h.machine.removalFinished(member, nil, now: h.now) }
        #expect(h.next().isFinished)
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
