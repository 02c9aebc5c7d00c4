// SPDX-License-Identifier: Apache-2.0

import Pool
import Synchronization
import Testing
import TestSupport

/// A pool with its running maintenance task, a fake runtime, and a clock that stands still.
private final class Running: Sendable {
    let fleet: Fleet
    let runtime: FakeRuntime
    let connector = FakeConnector()
    let clock = ManualClock()
    let observer = RecordingObserver()
    let task: Task<Void, Never>

    init(
        _ configuration: PoolConfiguration = PoolConfiguration(), _ behaviour: FakeRuntime.Behaviour = .succeed,
        prepare: (FakeRuntime) -> Void = { _ in },
        isRoomLeft: @escaping @Sendable () -> Bool = { true },
        wake: @escaping @Sendable (@escaping @Sendable () -> Void) -> Void = { $0() }
    ) {
        runtime = FakeRuntime(behaviour)
        prepare(runtime)
        let fleet = Fleet(
            configuration: FleetConfiguration(pools: [configuration]),
            runtime: PatientRuntime(runtime, clock: clock, isRoomLeft: isRoomLeft), connector: connector,
            memberPrefix: "t", clock: clock, observer: observer, wake: wake)
        self.fleet = fleet
        task = Task { await fleet.run() }
    }

    var snapshot: PoolSnapshot { fleet.snapshot()[0] }

    /// Waits for a lease or a refusal.
    func acquire(wait: Duration? = nil) async -> Result<Grant, AcquireError> {
        await withCheckedContinuation { continuation in
            var random = SystemRandomNumberGenerator()
            let (_, outcome) = fleet.acquire(
                token: LeaseToken(using: &random), connection: ConnectionID(1), wait: wait
            ) { continuation.resume(returning: $0) }
            switch outcome {
            case .granted(let grant): continuation.resume(returning: .success(grant))
            case .refused(let error): continuation.resume(returning: .failure(error))
            case .waiting: break
            }
        }
    }

    func filled(_ count: Int) async throws {
        try await eventually("\(count) idle members") { self.snapshot.idle == count }
    }

    /// Shuts down, and checks that nothing is left.
    func end() async {
        fleet.drain()
        fleet.endLeases()
        await task.value
        #expect(runtime.now.existing.isEmpty)
        #expect(fleet.memberCount == 0)
    }
}

@Suite("The maintenance task")
struct MaintenanceTests {
    @Test("defect 4: start-up fill and ticks are one task: the pool is filled once, one create at a time")
    func noOverlap() async throws {
        let r = Running(PoolConfiguration(size: 4))
        for _ in 0..<20 { r.clock.advance(by: .seconds(30)) }
        try await r.filled(4)
        for _ in 0..<20 { r.clock.advance(by: .seconds(30)) }
        #expect(r.runtime.now.mostUnderWay == 1)
        #expect(r.runtime.now.created.count == 4)
        await r.end()
    }

    @Test("a link knows why it closes before the task is woken that removes its member")
    func reasonComesFirst() async throws {
        let links = Mutex<[any MemberLink]>([])
        let told = Mutex<[LinkCloseReason?]>([])
        let r = Running(
            PoolConfiguration(size: 1),
            wake: { wake in
                for case let link as FakeLink in links.withLock({ $0 }) { told.withLock { $0.append(link.closed) } }
                wake()
            })
        try await r.filled(1)
        let grant = try await r.acquire().get()
        // Its replacement is there: nothing else wakes the task.
        try await r.filled(1)
        links.withLock { $0 = [grant.link] }
        r.fleet.endLeases()
        #expect(told.withLock { $0.first } == .some(.draining))
        await r.end()
    }

    @Test("B12: no room for a create, until its time is up, is no failed create")
    func timeIsUp() async throws {
        let isRoomLeft = Mutex(false)
        let r = Running(PoolConfiguration(size: 1), isRoomLeft: { isRoomLeft.withLock { $0 } })
        // The wait for room; the create's time-out and the next sweep have one sleeper together.
        try await eventually("it waits for room") { r.clock.sleeperCount == 2 }
        r.clock.advance(by: PoolConfiguration().createTimeout)
        try await eventually("the create has ended") {
            if case .open = r.fleet.snapshot()[0].breaker { true } else { false }
        }
        #expect(r.snapshot.createFailures == 0 && r.runtime.now.created.isEmpty)
        isRoomLeft.withLock { $0 = true }
        r.clock.advance(by: .seconds(1))
        try await r.filled(1)
        #expect(r.snapshot.createFailures == 0)
        await r.end()
    }

    @Test(
        "reported: members that never become ready are not replaced without end: one create, the next in five minutes")
    func breaker() async throws {
        let r = Running(PoolConfiguration(), .fail(RuntimeError(.imageMissing, "no such image")))
        try await eventually("the failure") { r.snapshot.createFailures == 1 }
        for _ in 0..<1000 {
            guard case .failure(.unavailable(let cause, _)) = await r.acquire() else {
                Issue.record("not refused")
                break
            }
            #expect(cause.cause == .imageMissing)
        }
        #expect(r.runtime.now.created.count == 1)
        r.clock.advance(by: .seconds(299))
        #expect(r.runtime.now.created.count == 1)
        r.runtime.set { $0.otherwise = .succeed }
        r.clock.advance(by: .seconds(1))
        try await r.filled(2)
        #expect(r.runtime.now.created.count == 3)
        #expect(r.observer.all.contains(.breakerClosed(pool: "default")))
        await r.end()
    }

    @Test("defect 8: what a create leaves behind that fails halfway is removed before it counts as finished")
    func halfway() async throws {
        let r = Running(PoolConfiguration(backoff: .seconds(5)), .failHalfway(RuntimeError(.failed, "start failed")))
        try await eventually("the clean-up") { r.fleet.memberCount == 0 && r.snapshot.createFailures == 1 }
        #expect(r.runtime.now.existing.isEmpty)
        #expect(r.runtime.now.removed == r.runtime.now.created)
        await r.end()
    }

    @Test("defect 1: a container whose agent does not answer is removed")
    func notReady() async throws {
        let r = Running(PoolConfiguration(size: 0))
        r.connector.fail(RuntimeError(.notReadyInTime, "no answer"))
        guard case .failure(.unavailable(let cause, _)) = await r.acquire() else {
            Issue.record("a member that does not answer was handed out")
            return
        }
        #expect(cause.cause == .notReadyInTime)
        try await eventually("the clean-up") { r.runtime.now.existing.isEmpty }
        await r.end()
    }

    @Test("a create that hangs is given up at its time-out, cleaned up, and counts as a failure")
    func hangingCreate() async throws {
        let r = Running(PoolConfiguration(size: 1), .hang)
        try await eventually("the create hangs") { r.runtime.now.underWay == 1 }
        r.clock.advance(by: .seconds(59))
        #expect(r.snapshot.createFailures == 0)
        try await eventually("the time-out") {
            r.clock.advance(by: .seconds(1))
            return r.snapshot.createFailures == 1
        }
        guard case .open(let cause, _) = r.snapshot.breaker else { Issue.record("not open"); return }
        #expect(cause.cause == .notReadyInTime)
        try await eventually("the clean-up") { r.runtime.now.existing.isEmpty }
        await r.end()
    }

    @Test("defect 6: while the runtime hangs, acquires, releases and stats are answered")
    func hangingRuntimeBlocksNobody() async throws {
        let r = Running(PoolConfiguration(size: 2))
        try await r.filled(2)
        r.runtime.set { $0.otherwise = .hang }
        guard case .success(let grant) = await r.acquire() else { Issue.record("not granted"); return }
        try await eventually("the refill hangs") { r.runtime.now.underWay == 1 }
        guard case .success = await r.acquire() else { Issue.record("not granted while a create hangs"); return }
        #expect(r.fleet.release(grant.token))
        try await eventually("the removal beside it") { r.runtime.now.removed.contains(grant.member) }
        #expect(r.snapshot.starting == 1)
        r.runtime.set { $0.otherwise = .succeed }
        r.runtime.unblock()
        await r.end()
    }

    @Test("defect 9: shutdown during a create leaves nothing behind and creates nothing after")
    func shutdownDuringCreate() async throws {
        let r = Running(PoolConfiguration(size: 3), .hang)
        try await eventually("the create hangs") { r.runtime.now.underWay == 1 }
        r.fleet.drain()
        r.runtime.unblock()
        await r.task.value
        #expect(r.runtime.now.existing.isEmpty)
        #expect(r.runtime.now.created.count == 1)
    }

    @Test("an empty pool creates on demand, and a released member is destroyed and replaced")
    func onDemandAndReplace() async throws {
        let r = Running(PoolConfiguration(size: 1, max: 3))
        guard case .success(let first) = await r.acquire() else { Issue.record("not granted"); return }
        guard case .success(let second) = await r.acquire() else { Issue.record("not granted"); return }
        #expect(first.member != second.member)
        #expect(r.fleet.release(first.token))
        try await r.filled(1)
        try await eventually("the removal") { !r.runtime.now.existing.contains(first.member) }
        #expect(r.runtime.now.mostExisting <= 3)
        await r.end()
    }

    @Test("a member that dies while idle is noticed at once, removed and replaced")
    func deadIdle() async throws {
        let r = Running(PoolConfiguration(size: 1))
        try await r.filled(1)
        let member = try #require(r.runtime.now.created.first)
        r.connector.kill(member)
        try await eventually("the replacement") { r.runtime.now.created.count == 2 && r.snapshot.idle == 1 }
        #expect(r.runtime.now.removed.contains(member))
        await r.end()
    }

    @Test("leftovers of this instance are removed before the first create")
    func sweepAtStart() async throws {
        let r = Running(PoolConfiguration(size: 1)) { runtime in
            runtime.set { $0.existing = [MemberID("old-1"), MemberID("old-2")] }
        }
        try await r.filled(1)
        #expect(Set(r.runtime.now.removed) == [MemberID("old-1"), MemberID("old-2")])
        await r.end()
    }

    @Test("a stranger is removed when a sweep has seen it twice, not once; members never")
    func strangers() async throws {
        let r = Running(PoolConfiguration(size: 1))
        try await r.filled(1)
        r.runtime.set { $0.existing.insert(MemberID("stranger")) }
        let lists = r.runtime.now.lists
        try await eventually("the first sight") {
            if r.runtime.now.lists == lists { r.clock.advance(by: .seconds(30)) }
            return r.runtime.now.lists > lists
        }
        #expect(r.runtime.now.existing.contains(MemberID("stranger")))
        try await eventually("the removal of the stranger") {
            r.clock.advance(by: .seconds(30))
            return !r.runtime.now.existing.contains(MemberID("stranger"))
        }
        #expect(r.snapshot.idle == 1)
        await r.end()
    }

    @Test("a removal that fails is repeated until the runtime confirms it")
    func removalRepeats() async throws {
        let r = Running(PoolConfiguration(size: 0))
        guard case .success(let grant) = await r.acquire() else { Issue.record("not granted"); return }
        r.runtime.set { $0.removeFailures = 3 }
        #expect(r.fleet.release(grant.token))
        try await eventually("the removal") {
            r.clock.advance(by: .seconds(1))
            return r.runtime.now.existing.isEmpty
        }
        await r.end()
    }

    @Test("a waiting acquire that is cancelled takes no member")
    func cancelledAcquire() async throws {
        let r = Running(PoolConfiguration(size: 0), .hang)
        var random = SystemRandomNumberGenerator()
        let (waiter, outcome) = r.fleet.acquire(token: LeaseToken(using: &random), connection: ConnectionID(1)) { _ in
            Issue.record("a cancelled acquire was answered")
        }
        #expect(outcome.isWaiting)
        try await eventually("the create for it") { r.runtime.now.underWay == 1 }
        #expect(r.fleet.cancel(waiter))
        r.runtime.unblock()
        try await r.filled(1)
        await r.end()
    }

    @Test("a released member is reset and leased again, by the one container there is")
    func resets() async throws {
        let r = Running(PoolConfiguration(size: 1, max: 1, reuse: .reset))
        r.connector.answer(nil)
        for round in 0..<5 {
            guard case .success(let grant) = await r.acquire() else { Issue.record("not granted"); return }
            #expect(r.fleet.release(grant.token))
            try await eventually("the reset") { r.snapshot.recycled == UInt64(round + 1) }
        }
        #expect(r.runtime.now.created.count == 1)
        await r.end()
    }

    @Test("a member whose agent cannot be reset is destroyed and replaced")
    func resetUnsupported() async throws {
        let r = Running(PoolConfiguration(size: 1, max: 1, reuse: .reset))
        guard case .success(let grant) = await r.acquire() else { Issue.record("not granted"); return }
        #expect(r.fleet.release(grant.token))
        try await eventually("the replacement") { r.snapshot.idle == 1 && r.runtime.now.created.count == 2 }
        #expect(r.snapshot.retired == [.resetFailed: 1])
        #expect(r.runtime.now.removed.contains(grant.member))
        await r.end()
    }

    @Test("an idle member that does not answer its ping is replaced; one whose agent knows no ping is not")
    func pings() async throws {
        let r = Running(PoolConfiguration(size: 1, healthInterval: .seconds(5)))
        try await r.filled(1)
        r.clock.advance(by: .seconds(5))
        r.clock.advance(by: .seconds(5))
        #expect(r.runtime.now.created.count == 1)
        r.connector.answer(.failed("not well"))
        try await eventually("the replacement") {
            if r.runtime.now.created.count == 1 { r.clock.advance(by: .seconds(5)) }
            return r.snapshot.retired[.unhealthy] == 1
        }
        r.connector.answer(nil)
        try await r.filled(1)
        await r.end()
    }

    @Test("reload adds and removes pools while the maintenance task runs")
    func reload() async throws {
        let r = Running(PoolConfiguration(size: 1))
        try await r.filled(1)
        r.fleet.reload(FleetConfiguration(pools: [PoolConfiguration(name: "other", size: 2)]))
        try await r.filled(2)
        #expect(r.fleet.poolNames == ["other"])
        try await eventually("the old pool's end") { r.fleet.memberCount == 2 && r.runtime.now.existing.count == 2 }
        await r.end()
    }
}
