// SPDX-License-Identifier: Apache-2.0

import DequeModule
import HeapModule
@testable import Pool
import SimulationModel
import Testing

private final class OtherLink: MemberLink {
    func close(_ reason: LinkCloseReason) {}
}

/// A machine that is broken on purpose, and the rules of which at least one must notice it.
struct Canary: Sendable, CustomTestStringConvertible {
    var name: String
    var rules: Set<Rule>
    var sabotage: @Sendable () -> Run.Sabotage
    var testDescription: String { name }

    /// Does something to the machine after every event.
    init(
        _ name: String, _ rules: Rule...,
        damage: @escaping @Sendable (inout FleetStateMachine, MonotonicInstant) -> Void
    ) {
        self.init(name, rules) { { _, isBefore, _, machine, now in if !isBefore { damage(&machine, now) } } }
    }

    init(_ name: String, _ rules: [Rule], sabotage: @escaping @Sendable () -> Run.Sabotage) {
        self.name = name
        self.rules = Set(rules)
        self.sabotage = sabotage
    }

    static func each(_ machine: inout FleetStateMachine, _ change: (inout FleetStateMachine.PoolState) -> Void) {
        for index in machine.pools.indices { change(&machine.pools[index]) }
    }

    static func eachLease(_ machine: inout FleetStateMachine, _ change: (inout FleetStateMachine.Lease) -> Void) {
        for slot in machine.slots.indices { machine.slots[slot].updateLease(change) }
    }

    static let all: [Canary] = [
        Canary("a pool's max is one too many", .poolMax) { machine, _ in
            each(&machine) { $0.configuration.max = 100 }
        },
        Canary("the server's max is forgotten", .fleetMax) { machine, _ in machine.configuration.max = 1000 },
        Canary("the memory budget is forgotten", .memory) { machine, _ in
            machine.configuration.memoryBudgetBytes = .max
        },
        Canary("members being removed take no memory", .memory) { machine, _ in
            machine.usedMemory = machine.slots.reduce(0) { sum, slot in
                switch slot.state {
                case .stopping, .free: sum
                default: sum + slot.memoryBytes
                }
            }
        },
        Canary("members being removed do not count", [.poolMax, .books]) {
            { kind, isBefore, _, machine, _ in
                guard kind == .maintain else { return }
                // Hidden from maintenance alone.
                each(&machine) { $0.configuration.max += isBefore ? $0.stopping : -$0.stopping }
            }
        },
        Canary("two creates at once", [.sequential]) {
            var hidden: FleetStateMachine.SlotIndex?
            return { kind, isBefore, _, machine, _ in
                guard kind == .maintain else { return }
                if isBefore {
                    hidden = machine.creating
                    machine.creating = nil
                } else if machine.creating == nil {
                    machine.creating = hidden
                }
            }
        },
        Canary("the breaker never opens", .backoff, .breaker) { machine, _ in
            each(&machine) { if case .open = $0.breaker { $0.breaker = .closed } }
        },
        Canary("the backoff is a second short", [.backoff, .breaker]) {
            { kind, isBefore, old, machine, _ in
                guard !isBefore else { return }
                for index in machine.pools.indices where index < old.pools.endIndex {
                    if case .open(let until, let error) = machine.pools[index].breaker,
                        old.pools[index].breaker != machine.pools[index].breaker
                    {
                        machine.pools[index].breaker = .open(
                            until: MonotonicInstant(nanoseconds: until.nanoseconds - 1_000_000_000), error)
                    }
                }
            }
        },
        Canary("the backoff counts from the start of the batch", [.backoff]) {
            { kind, isBefore, old, machine, _ in
                guard !isBefore, kind == .createHangs else { return }
                for index in machine.pools.indices {
                    if case .open(let until, let error) = machine.pools[index].breaker,
                        old.pools[index].breaker != machine.pools[index].breaker
                    {
                        machine.pools[index].breaker = .open(
                            until: MonotonicInstant(nanoseconds: until.nanoseconds - 60_000_000_000), error)
                    }
                }
            }
        },
        Canary("half-open is closed already", .backoff) { machine, _ in
            each(&machine) { if case .halfOpen = $0.breaker { $0.breaker = .closed } }
        },
        Canary("a batch never ends", .batch) { machine, _ in each(&machine) { $0.filledInBatch = 0 } },
        Canary("the first pool is always served first", .turns) { machine, _ in machine.nextServed = .init(0) },
        Canary("the last in the queue is served first", .fifo) { machine, _ in
            let living = machine.waiters
            each(&machine) { pool in
                let queue = pool.queue.filter { living[$0] != nil }
                pool.queue.removeAll()
                pool.queue.append(contentsOf: queue.sorted { $0.number > $1.number })
            }
        },
        Canary("a waiter's deadline is forgotten", [.waiterDeadline]) {
            { kind, isBefore, old, machine, _ in
                guard kind == .maintain else { return }
                for id in machine.waiters.keys {
                    machine.waiters[id]?.deadline =
                        isBefore
                        ? MonotonicInstant(nanoseconds: .max)
                        : old.waiters[id]?.deadline ?? MonotonicInstant(nanoseconds: 0)
                }
            }
        },
        Canary("a waiter loses its place", .fifo, .idleOrWaiting, .books) { machine, _ in
            each(&machine) { $0.queue.removeAll() }
        },
        Canary("waiters are given up when anything changes", [.waiterRefusal]) {
            { kind, isBefore, _, machine, now in
                guard isBefore, kind == .maintain else { return }
                for id in machine.waiters.keys {
                    machine.waiters[id]?.deadline = now
                    machine.timers.insert(.init(at: now, target: .waiter(id)))
                }
            }
        },
        Canary("the shortest-idle member is handed out", .longestIdle) { machine, _ in
            each(&machine) { pool in
                let places = pool.idleQueue.places
                pool.idleQueue.places.removeAll()
                pool.idleQueue.places.append(contentsOf: places.sorted { $0.stamp > $1.stamp })
            }
        },
        Canary("dead members are not noticed", [.books, .longestIdle, .backoff]) {
            { kind, isBefore, old, machine, _ in if kind == .memberDies, !isBefore { machine = old } }
        },
        Canary("a member that is taken back is kept", [.evict, .fifo]) {
            { kind, isBefore, old, machine, _ in if kind == .evict, !isBefore { machine = old } }
        },
        Canary("an eviction's grace is forgotten", .evict, .wake) { machine, _ in
            for slot in machine.slots.indices where machine.slots[slot].evictionEnd != nil {
                machine.slots[slot].evictionEnd = MonotonicInstant(nanoseconds: .max)
            }
        },
        Canary("a lease lasts for ever", .leaseEnd, .wake) { machine, _ in
            eachLease(&machine) { $0.expires = MonotonicInstant(nanoseconds: .max) }
        },
        Canary("a lease ends a second early", [.leaseEnd]) {
            { kind, isBefore, _, machine, now in
                guard isBefore, kind == .maintain else { return }
                for slot in machine.slots.indices {
                    guard case .leased(let lease) = machine.slots[slot].state, lease.expires > now else { continue }
                    let expires = min(lease.expires, now + .milliseconds(1))
                    machine.slots[slot].updateLease { $0.expires = expires }
                    machine.setTimer(slot, at: expires)
                }
            }
        },
        Canary("leases outlive their connection", .leaseEnd, .wake) { machine, _ in machine.firstOwned = [:] },
        Canary("a lease in use is ended by time", .leaseEnd) { machine, _ in eachLease(&machine) { $0.active = 0 } },
        Canary("a second release is an error", .token) { machine, _ in machine.released = RecentTokens(capacity: 1) },
        Canary("tokens are forgotten", .token) { machine, _ in machine.slotOfLease.removeAll() },
        Canary("a client's share is not counted", .client, .fifo) { machine, _ in machine.countOfClient = [:] },
        Canary("a client's maximum is forgotten", .client) { machine, _ in machine.configuration.maxPerClient = nil },
        Canary("what is to be removed is forgotten", .removal) { machine, _ in machine.removalQueue.removeAll() },
        Canary("removals are not counted", .removal) { machine, _ in machine.removalsInFlight = 0 },
        Canary("a failed removal counts as confirmed", [.books, .memory]) {
            { kind, isBefore, old, machine, now in
                guard !isBefore, kind == .removalEnds else { return }
                for slot in machine.slots.indices {
                    guard case .stopping(.waiting) = machine.slots[slot].state else { continue }
                    machine.freeSlot(slot)
                }
            }
        },
        Canary("resets are not counted", .reset) { machine, _ in machine.resetsInFlight = 0 },
        Canary("what is to be reset is forgotten", .reset) { machine, _ in machine.resetQueue.removeAll() },
        Canary("a member is idle before its reset is proven", [.books, .reset]) {
            { kind, isBefore, _, machine, now in
                guard !isBefore, machine.waiters.isEmpty else { return }
                for slot in machine.slots.indices {
                    guard case .resetting(let reset) = machine.slots[slot].state, reset.isInFlight else { continue }
                    machine.offer(slot, reset.link, isWarm: true, now: now)
                }
            }
        },
        Canary("uses are not counted", .retire, .books) { machine, _ in
            for slot in machine.slots.indices { machine.slots[slot].uses = min(1, machine.slots[slot].uses) }
        },
        Canary("members do not age", .retire, .wake) { machine, _ in
            for slot in machine.slots.indices { machine.slots[slot].endOfLife = .init(nanoseconds: .max) }
        },
        Canary("the jitter is left out", .retire, .wake, .books) { machine, _ in
            for slot in machine.slots.indices {
                machine.slots[slot].jitter = 0
                machine.setEndOfLife(slot)
            }
        },
        Canary("nobody is asked for his health", .health) { machine, _ in machine.pingQueue.removeAll() },
        Canary("a failed ping is overlooked", .health, .longestIdle, .books) { machine, _ in
            for slot in machine.slots.indices { machine.slots[slot].isUnhealthy = false }
        },
        Canary("all idle members go at a reload", [.reload, .books, .retire]) {
            { kind, isBefore, old, machine, now in
                guard !isBefore, kind == .reload else { return }
                for slot in machine.slots.indices {
                    if case .idle = machine.slots[slot].state { machine.retire(slot, .reconfigured) }
                }
            }
        },
        Canary("outdated members stay", .reload) { machine, _ in each(&machine) { $0.outdatedIdle = 0 } },
        Canary("timers are never dropped", .timers) { machine, now in
            for _ in 0..<200 { machine.timers.insert(.init(at: now + .seconds(9999), target: .slot(.init(0)))) }
        },
        Canary("nudges are lost", .nudge) { machine, _ in _ = machine.takeNudge() },
        Canary("links are mixed up", .links) { machine, _ in
            for slot in machine.slots.indices {
                machine.slots[slot].updateIdle { $0.link = OtherLink() }
                machine.slots[slot].updateLease { $0.link = OtherLink() }
            }
        },
        Canary("answers are lost", [.waiterRefusal, .books, .fifo]) {
            { kind, isBefore, _, machine, _ in
                if isBefore, kind == .drainPool { machine.waiters.removeAll() }
            }
        },
        Canary("a create is forgotten", [.liveness]) {
            { kind, isBefore, _, machine, _ in
                guard kind == .maintain else { return }
                if isBefore, machine.creating == nil { machine.creating = .init(-1) }
                if !isBefore, machine.creating == .init(-1) { machine.creating = nil }
            }
        },
        Canary("more is created than wanted", [.wanted]) {
            { kind, isBefore, _, machine, _ in
                guard kind == .maintain else { return }
                each(&machine) {
                    if case .fixed(let size) = $0.configuration.sizing {
                        $0.configuration.size = isBefore ? size + 1 : size - 1
                    }
                }
            }
        },
        Canary("draining does not stop creates", [.drain, .books, .acquire]) {
            { _, isBefore, _, machine, _ in machine.isDraining = false }
        },
    ]
}

@Suite("The simulation")
struct SimulationTests {
    @Test("every rule holds through random stories")
    func rules() throws {
        let seed = UInt64.random(in: 0..<1_000_000_000)
        print("simulation: seed \(seed)")
        let lived = try Simulation().run(seed: seed, steps: 30_000)
        #expect(lived >= 30_000)
    }

    @Test("the same seed tells the same story")
    func determinism() throws {
        let first = try Simulation().story(seed: 7)
        let second = try Simulation().story(seed: 7)
        #expect(first == second)
    }

    @Test("a machine broken on purpose is found out", arguments: Canary.all)
    func canary(_ canary: Canary) {
        do throws(Simulation.Failure) {
            try Simulation(length: 300).run(seed: 1, steps: 200_000, sabotage: canary.sabotage)
            Issue.record("nothing was noticed")
        } catch {
            #expect(canary.rules.contains(error.violation.rule), "\(error)")
            #expect(error.story.count <= 200, "the story is not short: \(error.story.count) events")
        }
    }

    @Test("every rule has a canary")
    func complete() {
        let covered = Canary.all.reduce(into: Set<Rule>()) { $0.formUnion($1.rules) }
        #expect(Set(Rule.allCases).subtracting(covered).map(\.rawValue).sorted() == [])
    }
}
