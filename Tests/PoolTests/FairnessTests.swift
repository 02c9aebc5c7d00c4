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
        // greedy has 3, 2 and 1 leases when each of its own ends: then it is as modest as "modest", which has been served since.
        // After that it is the other's turn.
        #expect(served == [13, 15, 11, 16])
    }

    /// Waiters in the order in which they are served by a pool of one member, each of whom gives it back at once.
    /// - Parameter comesAfter: who comes when the waiter of that number was served.
    private func served(
        _ line: [(number: UInt64, client: String)], comesAfter: [UInt64: (UInt64, String)] = [:], size: Int = 1
    ) throws -> [UInt64] {
        var h = Harness([PoolConfiguration(size: size, max: size, reuse: .reset)])
        h.settle()
        var tokens: [UInt64: LeaseToken] = [:]
        var held: [LeaseToken] = []
        for number in 1...UInt64(size) {
            let order = order(1000 + number, "first")
            guard case .granted = h.machine.acquire(order, now: h.now) else { throw NotGranted(outcome: "first") }
            held.append(order.token)
        }
        func ask(_ number: UInt64, _ client: String) {
            let order = order(number, client)
            tokens[number] = order.token
            let outcome = h.machine.acquire(order, now: h.now)
            #expect(outcome.isWaiting, "\(number)")
        }
        for (number, client) in line { ask(number, client) }
        _ = granted(&h)
        var all: [UInt64] = []
        while let token = held.first {
            held.removeFirst()
            let isReleased = h.release(token)
            #expect(isReleased)
            for reset in h.next().resets { h.machine.resetFinished(reset.member, nil, now: h.now) }
            for number in granted(&h) {
                all.append(number)
                if let token = tokens[number] { held.append(token) }
                if let (number, client) = comesAfter[number] { ask(number, client) }
            }
        }
        return all
    }

    @Test(
        "clients that have as many leases take turns: a flood of one holds up another for one turn, in a pool of one member"
    )
    func turns() throws {
        let flood = (1...100).map { (number: UInt64($0), client: "greedy") }
        let order = try served(flood + [(201, "modest"), (202, "modest"), (203, "other")])
        #expect(order.prefix(7) == [1, 201, 203, 2, 202, 3, 4])
        #expect(order.count == 103 && order.suffix(97) == (4...100).map { UInt64($0) }[...])
    }

    @Test("who comes again and again with one acquire passes nobody who waits")
    func oneByOne() throws {
        let order = try served(
            [(1, "patient"), (11, "quick"), (21, "hasty"), (2, "patient"), (3, "patient")],
            comesAfter: [11: (12, "quick"), 12: (13, "quick"), 21: (22, "hasty"), 22: (23, "hasty")])
        #expect(order == [1, 11, 21, 2, 12, 22, 3, 13, 23])
    }

    @Test("with two members and three clients each has its third")
    func thirds() throws {
        let line = (1...30).map { (number: UInt64($0), client: "a") } + (31...60).map { (UInt64($0), "b") }
        let order = try served(line + (61...90).map { (UInt64($0), "c") }, size: 2)
        for start in stride(from: 0, to: 90, by: 3) {
            #expect(Set(order[start..<start + 3].map { ($0 - 1) / 30 }) == [0, 1, 2], "\(start): \(order)")
        }
    }

    @Test("who has left has no turn, and its next acquire begins a new one")
    func left() throws {
        var h = Harness([PoolConfiguration(size: 1, max: 1, reuse: .reset)])
        h.settle()
        let grant = try h.lease()
        for (number, client) in [(1, "a"), (2, "b"), (3, "a")] as [(UInt64, String)] {
            let outcome = h.machine.acquire(order(number, client), now: h.now)
            #expect(outcome.isWaiting)
        }
        for number in [1, 3] as [UInt64] {
            let isCancelled = h.machine.cancelWaiter(WaiterID(number))
            #expect(isCancelled)
        }
        let outcome = h.machine.acquire(order(4, "a"), now: h.now)
        #expect(outcome.isWaiting)
        _ = granted(&h)
        let isReleased = h.release(grant.token)
        #expect(isReleased)
        for reset in h.next().resets { h.machine.resetFinished(reset.member, nil, now: h.now) }
        #expect(granted(&h) == [2])
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
