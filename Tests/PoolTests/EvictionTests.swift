// SPDX-License-Identifier: Apache-2.0

import Pool
import Testing
import TestSupport

@Suite("Members that the runtime takes back")
struct EvictionTests {
    private let eviction = Eviction("the node n is cordoned")

    @Test("an idle one is given up at once, and another is created")
    func idle() throws {
        var h = Harness()
        h.settle()
        h.machine.evict(MemberID("m1"), eviction, now: h.now)
        h.effects += h.machine.takeEffects()
        let closings = h.takeEffects().closings
        #expect(closings == [.evicted] && h.snapshot.idle == 1)
        let creates = h.settle()
        #expect(creates == 1 && h.snapshot.idle == 2 && h.snapshot.retired[.evicted] == 1)
        let lease = try h.lease()
        #expect(lease.member != MemberID("m1"))
    }

    @Test("the lease of one goes on, is told why it will end, and ends with the grace, however often it is used")
    func leased() throws {
        var h = Harness([.reusing()])
        h.settle()
        let lease = try h.lease()
        _ = h.takeEffects()
        h.machine.evict(lease.member, Eviction("gone soon", grace: .seconds(20)), now: h.now)
        h.effects += h.machine.takeEffects()
        let told = h.takeEffects()
        #expect(told.closings.isEmpty)
        #expect(told.foretold == ["gone soon"])
        h.pass(.seconds(19))
        let early = h.next()
        let use = h.machine.use(lease.token, begins: true, now: h.now)
        #expect(early.removals.isEmpty && use != nil)
        h.pass(.seconds(1))
        let step = h.next()
        #expect(step.removals == [lease.member])
        let closings = h.takeEffects().closings
        #expect(closings == [.evicted])
        let late = h.machine.use(lease.token, begins: false, now: h.now)
        #expect(late == nil)
    }

    @Test("a lease of one without a grace goes on until its caller releases it; then it is not reset, but replaced")
    func released() throws {
        var h = Harness([.reusing()])
        h.settle()
        let lease = try h.lease()
        h.machine.evict(lease.member, eviction, now: h.now)
        h.pass(.seconds(60))
        _ = h.takeEffects()
        let isKnown = h.release(lease.token)
        let closings = h.takeEffects().closings
        #expect(isKnown && closings == [.evicted])
        let step = h.next()
        #expect(step.resets.isEmpty && step.removals == [lease.member])
    }

    @Test("one that is being reset, and one that is being created, are given up, and go to nobody who waits")
    func underWay() throws {
        var h = Harness([.reusing { $0.max = 1 }])
        let first = h.next().create
        let create = try #require(first)
        h.machine.evict(create.member, eviction, now: h.now)
        let (waiter, _, outcome) = h.acquire(wait: .seconds(100))
        #expect(outcome.isWaiting)
        h.succeed(create)
        let early = h.takeEffects().grant(waiter)
        #expect(early == nil)
        h.settle()
        let granted = h.takeEffects().grant(waiter)
        let grant = try #require(granted)
        #expect(grant.member != create.member)
        let isKnown = h.release(grant.token)
        let resets = h.next().resets.map(\.member)
        #expect(isKnown && resets == [grant.member])
        h.machine.evict(grant.member, eviction, now: h.now)
        h.machine.resetFinished(grant.member, nil, now: h.now)
        h.effects += h.machine.takeEffects()
        let closings = h.takeEffects().closings
        #expect(h.snapshot.idle == 0 && closings == [.evicted])
    }

    @Test("a shorter grace counts, a longer one does not; of a member that is gone nothing comes")
    func again() throws {
        var h = Harness([.reusing()])
        h.settle()
        let lease = try h.lease()
        for grace in [Duration.seconds(100), .seconds(10), .seconds(50)] {
            h.machine.evict(lease.member, Eviction("soon", grace: grace), now: h.now)
        }
        h.machine.evict(lease.member, eviction, now: h.now)
        h.machine.evict(MemberID("unknown"), eviction, now: h.now)
        h.pass(.seconds(10))
        let step = h.next()
        #expect(step.removals == [lease.member])
        let evictions = h.takeEffects().count { effect in
            if case .event(.evicted) = effect { true } else { false }
        }
        #expect(evictions == 1)
    }

    @Test("one whose stream ends is no death that counts against its pool")
    func ended() throws {
        var h = Harness()
        h.settle()
        let lease = try h.lease()
        _ = h.takeEffects()
        h.machine.evict(lease.member, Eviction("soon", grace: .seconds(10)), now: h.now)
        h.machine.memberDied(lease.member, now: h.now)
        h.effects += h.machine.takeEffects()
        let effects = h.takeEffects()
        #expect(effects.closings == [.evicted])
        let died = effects.contains { effect in
            if case .event(.memberDied) = effect { true } else { false }
        }
        #expect(!died && h.snapshot.retired[.evicted] == 1)
    }
}
