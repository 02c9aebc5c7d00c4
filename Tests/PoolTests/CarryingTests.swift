// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing
import TestSupport

@testable import Pool

@Suite("Members that go over to the program that takes this one's place")
struct CarryingTests {
    /// The machine of the other program, with all links.
    private static func goOver(
        _ old: Harness, to pools: [PoolConfiguration], without lost: Set<MemberID> = []
    ) throws -> Harness {
        let text = try JSONEncoder().encode(old.machine.carried)
        let carried = try JSONDecoder().decode(CarriedFleet.self, from: text)
        #expect(carried == old.machine.carried)
        var new = Harness(pools)
        (new.now, new.members) = (old.now, 100)
        var links: [MemberID: any MemberLink] = [:]
        for member in carried.members.map({ MemberID($0.id) }) where !lost.contains(member) {
            links[member] = FakeLink(member)
        }
        new.machine.goOn(carried, links: links, now: new.now)
        return new
    }

    @Test("leases keep their tokens, owners and ends, and idle members their order")
    func leases() throws {
        let pool = PoolConfiguration(size: 3, max: 8, leaseTime: .seconds(100))
        var old = Harness([pool])
        old.settle()
        let owned = try old.lease(connection: 7)
        let detached = try old.lease(connection: 7, detached: true)
        let busy = try old.lease(connection: 8)
        _ = old.machine.use(busy.token, begins: true, now: old.now)
        old.pass(.seconds(1))
        old.settle()
        let released = try old.lease()
        _ = old.release(released.token)
        old.settle()
        old.pass(.seconds(30))
        var new = try Self.goOver(old, to: [pool])
        #expect(new.machine.leaseCount == 3 && new.machine.memberCount == old.machine.memberCount)
        #expect(new.machine.usedMemoryBytes == old.machine.usedMemoryBytes)
        #expect(new.snapshot.idle == 3 && new.snapshot.leases == old.snapshot.leases)
        let isReleased = new.release(released.token)
        #expect(isReleased, "a second release succeeds")
        let use = new.machine.use(owned.token, begins: false, extends: false, now: new.now)
        #expect(use?.timeLeft == .seconds(69))
        // The idle ones in their order.
        let (first, second) = (try old.lease().member, try old.lease().member)
        let (goingOn, then) = (try new.lease().member, try new.lease().member)
        #expect(goingOn == first && then == second)
        // With the connection go its leases.
        new.machine.connectionClosed(ConnectionID(7), now: new.now)
        new.pass(.seconds(11))
        _ = new.next()
        #expect(new.isLeased(owned.token) == false)
        #expect(new.isLeased(detached.token) == true)
        // One in use does not expire, and does when its use ends.
        new.pass(.seconds(99))
        _ = new.next()
        new.pass(.seconds(2))
        _ = new.next()
        #expect(new.isLeased(busy.token) == true)
        new.machine.endUse(busy.token, now: new.now)
        new.pass(.seconds(101))
        _ = new.next()
        #expect(new.isLeased(busy.token) == false)
    }

    @Test("members that leave, or whose link is lost, are removed, and count until then")
    func leaving() throws {
        let pool = PoolConfiguration(size: 2, max: 4)
        var old = Harness([pool])
        old.settle()
        let grant = try old.lease()
        _ = old.release(grant.token)
        let lost = try #require(old.machine.carried.members.first { $0.idleSince != nil }.map { MemberID($0.id) })
        var new = try Self.goOver(old, to: [pool], without: [lost])
        #expect(new.machine.memberCount == 2)
        let step = new.next()
        #expect(Set(step.removals) == [grant.member, lost])
        for member in step.removals { new.machine.removalFinished(member, nil, now: new.now) }
        // The step has begun with the one that takes the place of the lost one.
        if let order = step.create { new.succeed(order) }
        new.settle()
        #expect(new.snapshot.idle == 2 && new.machine.memberCount == 2)
    }

    @Test("a member that waits for its reset is reset")
    func resets() throws {
        var old = Harness([.reusing()])
        old.settle()
        let grant = try old.lease()
        _ = old.release(grant.token)
        var new = try Self.goOver(old, to: [.reusing()])
        let resets = new.next().resets.map(\.member)
        #expect(resets == [grant.member])
        new.machine.resetFinished(grant.member, nil, now: new.now)
        #expect(new.snapshot.idle == 1)
    }

    @Test("a pool whose template has changed meanwhile rolls, and one that is gone keeps its leases until they end")
    func changed() throws {
        let other = PoolConfiguration(name: "other", size: 1)
        var old = Harness([PoolConfiguration(size: 1), other])
        old.settle()
        let (_, token, outcome) = old.acquire(pool: "other")
        guard case .granted = outcome else { throw NotGranted(outcome: "\(outcome)") }
        old.settle()
        var rolled = PoolConfiguration(size: 1)
        rolled.template.image = "another"
        var new = try Self.goOver(old, to: [rolled])
        #expect(new.snapshot.idle == 1, "the outdated one serves until the new one is there")
        new.settle()
        #expect(new.snapshot.idle == 1)
        #expect(new.machine.listMembers(pool: "default", now: new.now).allSatisfy { !$0.isOutdated })
        let use = new.machine.use(token, begins: false, now: new.now)
        #expect(use?.pool == "other")
        _ = new.release(token)
        new.settle()
        #expect(new.machine.memberCount == 1)
    }

    @Test("an open breaker stays open until its time")
    func breaker() throws {
        let pool = PoolConfiguration(size: 1, backoff: .seconds(60))
        var old = Harness([pool])
        let step = old.next()
        old.fail(try #require(step.create))
        var new = try Self.goOver(old, to: [pool])
        new.pass(.seconds(59))
        let early = new.next().create
        #expect(early == nil)
        new.pass(.seconds(2))
        let late = new.next().create
        #expect(late != nil)
    }

    @Test("nothing begins while a fleet is suspended, and what had begun is waited for")
    func suspended() async throws {
        let runtime = FakeRuntime()
        let fleet = Fleet(
            configuration: FleetConfiguration(pools: [PoolConfiguration(size: 2)]), runtime: runtime,
            connector: FakeConnector(), memberPrefix: "s", observer: RecordingObserver())
        #expect(await fleet.suspend(within: .seconds(1)))
        let maintenance = Task { await fleet.run() }
        defer { maintenance.cancel() }
        for _ in 1...20 { await Task.yield() }
        #expect(fleet.memberCount == 0)
        fleet.resume()
        try await eventually("it fills") { fleet.snapshot()[0].idle == 2 }
    }
}

extension Harness {
    /// Whether there is such a lease, without a use of it.
    fileprivate func isLeased(_ token: LeaseToken) -> Bool {
        var copy = machine
        return copy.use(token, begins: false, extends: false, now: now) != nil
    }
}
