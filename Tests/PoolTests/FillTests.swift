// SPDX-License-Identifier: Apache-2.0

import Pool
import Testing
import TestSupport

@Suite("Filling, the breaker and the limits")
struct FillTests {
    @Test("the pool is filled to its size, one create at a time")
    func fill() throws {
        var h = Harness([PoolConfiguration(size: 5)])
        let first = try #require(h.next().create)
        let result1 = h.next()
        #expect(result1.create == nil, "while one is under way there is no other")
        h.succeed(first)
        let result2 = h.settle()
        #expect(result2 == 4)
        #expect(h.snapshot.idle == 5)
        let result3 = h.next()
        #expect(result3.create == nil)
    }

    @Test("after a batch of three another pool has its turn")
    func batches() throws {
        var h = Harness([PoolConfiguration(name: "a", size: 5), PoolConfiguration(name: "b", size: 2)])
        var order: [String] = []
        while let create = h.next().create {
            order.append(create.pool)
            h.succeed(create)
        }
        #expect(order == ["a", "a", "a", "b", "b", "a", "a"])
    }

    @Test("the first failure ends the fill; the next try is five minutes after it, and not a moment earlier")
    func stopOnFailure() throws {
        var h = Harness([PoolConfiguration(size: 5)])
        h.succeed(try #require(h.next().create))
        let second = try #require(h.next().create)
        h.pass(.seconds(40))
        h.fail(second)
        let step = h.next()
        #expect(step.create == nil)
        #expect(h.snapshot.createFailures == 1)
        h.pass(.seconds(300) - .nanoseconds(1))
        let result4 = h.next()
        #expect(result4.create == nil)
        h.pass(.nanoseconds(1))
        let result5 = h.next()
        #expect(result5.create != nil)
    }

    @Test("defect 2: a success earlier in the batch does not clear the failure that ended it")
    func earlierSuccess() throws {
        var h = Harness([PoolConfiguration(size: 3)])
        h.succeed(try #require(h.next().create))
        h.fail(try #require(h.next().create))
        guard case .open = h.snapshot.breaker else { Issue.record("the breaker is \(h.snapshot.breaker)"); return }
        #expect(h.snapshot.failuresInRow == 1)
        let result6 = h.next()
        #expect(result6.create == nil)
    }

    @Test("defect 3: the backoff counts from the moment of the failure")
    func backoffFromFailure() throws {
        var h = Harness()
        let order = try #require(h.next().create)
        h.pass(.seconds(59))
        h.fail(order)
        #expect(h.snapshot.breaker == .open(RuntimeError(.failed, "told to"), nextTry: .seconds(300)))
        let result7 = h.next()
        #expect(result7.wake <= h.now + .seconds(300))
    }

    @Test("after the backoff exactly one create is tried; success closes the breaker, failure opens it again")
    func halfOpen() throws {
        var h = Harness([PoolConfiguration(size: 3)])
        h.fail(try #require(h.next().create))
        h.pass(.seconds(300))
        let probe = try #require(h.next().create)
        #expect(h.snapshot.breaker == .halfOpen(RuntimeError(.failed, "told to")))
        let result8 = h.next()
        #expect(result8.create == nil)
        h.fail(probe)
        #expect(h.snapshot.failuresInRow == 2)
        let result9 = h.next()
        #expect(result9.create == nil)
        h.pass(.seconds(300))
        h.succeed(try #require(h.next().create))
        #expect(h.snapshot.breaker == .closed)
        #expect(h.snapshot.failuresInRow == 0)
        let result10 = h.settle()
        #expect(result10 == 2)
    }

    @Test("defect 10: on-demand creates pass the same gate: open breaker, no create, however many ask")
    func onDemandThroughTheGate() throws {
        var h = Harness()
        h.fail(try #require(h.next().create))
        for _ in 0..<10_000 {
            let (_, _, outcome) = h.acquire()
            #expect(outcome.error == .unavailable(RuntimeError(.failed, "told to"), nextTry: .seconds(300)))
            let result11 = h.next()
            #expect(result11.create == nil)
        }
        #expect(h.snapshot.creates == 1)
        #expect(h.machine.memberCount == 0)
    }

    @Test("who asks to wait past the next try waits, and the probe is for him")
    func waitPastBackoff() throws {
        var h = Harness()
        h.fail(try #require(h.next().create))
        let (waiter, _, outcome) = h.acquire(wait: .seconds(400))
        #expect(outcome.isWaiting)
        let result12 = h.next()
        #expect(result12.create == nil)
        h.pass(.seconds(300))
        let probe = try #require(h.next().create)
        #expect(probe.isOnDemand)
        h.succeed(probe)
        let result13 = h.takeEffects()
        #expect(result13.grant(waiter) != nil)
    }

    @Test("waiters learn of the failure at once, with cause and next try, but for those who wait longer")
    func failureRefusesWaiters() throws {
        var h = Harness([PoolConfiguration(size: 0)])
        let (short, _, _) = h.acquire()
        let (long, _, _) = h.acquire(wait: .seconds(600))
        h.fail(try #require(h.next().create))
        let effects = h.takeEffects()
        #expect(effects.refusal(short) == .unavailable(RuntimeError(.failed, "told to"), nextTry: .seconds(300)))
        #expect(effects.refusal(long) == nil)
        #expect(h.snapshot.waiters == 1)
    }

    @Test("defect 1: what a failed create left behind counts until it is gone, and is removed before any other create")
    func cleaning() throws {
        var h = Harness([PoolConfiguration(size: 1, backoff: .zero)])
        let order = try #require(h.next().create)
        h.machine.createFailed(order.member, RuntimeError(.failed, "told to"), now: h.now)
        #expect(h.machine.memberCount == 1)
        let result14 = h.next()
        #expect(result14.create == nil, "it is not cleaned up yet")
        h.machine.createCleaned(order.member, RuntimeError(.failed, "stuck"), now: h.now)
        #expect(h.machine.memberCount == 1, "it is still there")
        h.pass(.seconds(1))
        let step = h.next()
        #expect(step.removals == [order.member])
        h.machine.removalFinished(order.member, nil, now: h.now)
        #expect(h.snapshot.stopping == 0)
    }

    @Test("a pool never has more members than its max, those being removed included, and says what holds the create")
    func poolMax() throws {
        var h = Harness([PoolConfiguration(size: 2, max: 2)])
        h.settle()
        let grant = try h.lease()
        let result15 = h.next()
        #expect(result15.create == nil)
        #expect(h.snapshot.held == .poolMax(2))
        let result16 = h.release(grant.token)
        #expect(result16)
        let step = h.next()
        #expect(step.create == nil, "it is not gone yet")
        h.machine.removalFinished(try #require(step.removals.first), nil, now: h.now)
        let result17 = h.settle()
        #expect(result17 == 1)
        #expect(h.snapshot.held == nil)
    }

    @Test("the members' memory limits together never exceed the budget")
    func memoryBudget() throws {
        var h = Harness([PoolConfiguration(size: 5)]) { $0.memoryBudgetBytes = 300 << 20 }
        let result18 = h.settle()
        #expect(result18 == 2)
        #expect(h.snapshot.held == .memoryBudget(needed: 128 << 20, used: 256 << 20, budget: 300 << 20))
    }

    @Test("a host without memory holds creates, without calling it a failure")
    func hostMemory() throws {
        var h = Harness()
        h.hostMemory = 100 << 20
        let result19 = h.settle()
        #expect(result19 == 0)
        #expect(h.snapshot.held == .hostMemory(needed: 128 << 20, available: 100 << 20))
        #expect(h.snapshot.breaker == .closed)
        h.hostMemory = 1 << 30
        let result20 = h.settle()
        #expect(result20 == 2)
    }

    @Test("a member that dies between its first answer and the books is a failed create")
    func diedEarly() throws {
        var h = Harness()
        let order = try #require(h.next().create)
        h.machine.memberDied(order.member, now: h.now)
        let isReady = h.machine.createSucceeded(order.member, link: FakeLink(), took: .zero, now: h.now)
        #expect(!isReady)
        h.machine.createCleaned(order.member, nil, now: h.now)
        #expect(h.machine.memberCount == 0)
        guard case .open = h.snapshot.breaker else { Issue.record("the breaker is \(h.snapshot.breaker)"); return }
    }

    @Test("a removal that fails is tried again, later and later, and the member counts until then")
    func removalRetries() throws {
        var h = Harness([PoolConfiguration(size: 1, max: 1)])
        h.settle()
        let grant = try h.lease()
        let result21 = h.release(grant.token)
        #expect(result21)
        var waits: [Duration] = []
        var step = h.next()
        for _ in 0..<8 {
            let member = try #require(step.removals.first)
            h.machine.removalFinished(member, RuntimeError(.failed, "busy"), now: h.now)
            let began = h.now
            step = h.next()
            while step.removals.isEmpty {
                h.now = step.wake
                step = h.next()
            }
            waits.append(h.now - began)
            #expect(h.machine.memberCount == 1)
        }
        #expect(waits == [1, 2, 4, 8, 16, 32, 60, 60].map { .seconds($0) })
    }

    @Test("no more members are removed at a time than allowed")
    func boundedRemovals() throws {
        var h = Harness([PoolConfiguration(size: 10)]) { $0.maxConcurrentRemovals = 4 }
        h.settle()
        h.machine.drain(now: h.now)
        let first = h.next().removals
        #expect(first.count == 4)
        let result22 = h.next()
        #expect(result22.removals.isEmpty)
        h.machine.removalFinished(first[0], nil, now: h.now)
        let result23 = h.next()
        #expect(result23.removals.count == 1)
    }
}
