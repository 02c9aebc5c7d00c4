// SPDX-License-Identifier: Apache-2.0

import Pool
import Testing
import TestSupport

@Suite("A line that is fair between clients")
struct FairnessTests {
    private func order(
        _ number: UInt64, _ client: String, max: Int? = nil, isFair: Bool = true
    ) -> AcquireOrder {
        var generator = SeededGenerator(seed: number)
        return AcquireOrder(
            token: LeaseToken(using: &generator), waiter: WaiterID(number), connection: ConnectionID(1),
            isDetached: true, client: ClientID(client), maxOfClient: max, isFair: isFair)
    }

    /// The waiters that got a member, in their order.
    private func granted(_ h: inout Harness) -> [UInt64] {
        h.effects += h.machine.takeEffects()
        return h.takeEffects().compactMap { effect in
            if case .grant(let waiter, _) = effect { waiter.number } else { nil }
        }
    }

    @Test("the next member is for the client with the fewest leases, and within a client for who came first")
    func fewestFirst() throws {
        var h = Harness([PoolConfiguration(size: 4, max: 4, reuse: .reset)])
        h.settle()
        // Four leases of the greedy one, then its line, then two modest ones.
        var held: [LeaseToken] = []
        for number in 1...4 {
            let order = order(UInt64(number), "greedy")
            guard case .granted = h.machine.acquire(order, now: h.now) else { throw NotGranted(outcome: "\(number)") }
            held.append(order.token)
        }
        for (number, client) in [
            (11, "greedy"), (12, "greedy"), (13, "modest"), (14, "greedy"), (15, "other"), (16, "modest"),
        ] as [(UInt64, String)] {
            let outcome = h.machine.acquire(order(number, client), now: h.now)
            #expect(outcome.isWaiting)
        }
        _ = granted(&h)
        var served: [UInt64] = []
        for token in held {
            let isReleased = h.release(token)
            #expect(isReleased)
            for reset in h.next().resets { h.machine.resetFinished(reset.member, nil, now: h.now) }
            served += granted(&h)
        }
        // greedy has 3, 2 and 1 leases when each of its own ends: then it is as modest as the others, and was there first.
        #expect(served == [13, 15, 11, 12])
    }

    @Test("without tenants the line is first in, first out")
    func plainLine() throws {
        var h = Harness([PoolConfiguration(size: 1, max: 1)])
        h.settle()
        let grant = try h.lease()
        for (number, client) in [(11, "a"), (12, "a"), (13, "b")] as [(UInt64, String)] {
            let outcome = h.machine.acquire(order(number, client, isFair: false), now: h.now)
            #expect(outcome.isWaiting)
        }
        _ = granted(&h)
        let isReleased = h.release(grant.token)
        #expect(isReleased)
        h.settle()
        let served = granted(&h)
        #expect(served == [11])
    }

    @Test("one client has at most three quarters of a fair line; its own maximum goes before the server's")
    func bounds() throws {
        var h = Harness([PoolConfiguration(size: 1, max: 1)]) {
            $0.maxWaiters = 8
            $0.maxPerClient = 1
        }
        h.settle()
        var number: UInt64 = 0
        func ask(_ client: String, max: Int = 100) -> FleetStateMachine.AcquireOutcome {
            number += 1
            return h.machine.acquire(order(number, client, max: max), now: h.now)
        }
        guard case .granted = ask("greedy") else { throw NotGranted(outcome: "first") }
        let outcomes = (0..<7).map { _ in ask("greedy") }
        #expect(outcomes.filter(\.isWaiting).count == 6)
        #expect(outcomes.last?.error == .queueFull(waiting: 6))
        let (modest, second) = (ask("modest"), ask("modest", max: 1))
        #expect(modest.isWaiting)
        #expect(second.error == .clientLimit(1))
        #expect(h.machine.count(of: ClientID("greedy")) == 7)
        #expect(h.machine.count(of: ClientID("modest")) == 1)
    }
}
