// SPDX-License-Identifier: Apache-2.0

import Glibc
import Pool
import Synchronization
import Testing
import TestSupport

/// Item B12.
@Suite("B12: what the server's own process lacks is not a failed create")
struct PatientRuntimeTests {
    private let member = MemberID("m1")

    @Test("EMFILE, ENFILE and ENOMEM of this process are its own, other errors and an engine's are not")
    func own() {
        for code in [EMFILE, ENFILE, ENOMEM] { #expect(RuntimeError(.failed, "socketpair", errno: code).isServersOwn) }
        for code in [EACCES, ENOENT, ENOSPC, EAGAIN] {
            #expect(!RuntimeError(.failed, "socketpair", errno: code).isServersOwn)
        }
        #expect(!RuntimeError(.outOfMemory, "the engine says: cannot allocate memory").isServersOwn)
    }

    @Test("a create that would find no descriptors does not begin until there are some")
    func waits() async throws {
        let (base, clock) = (FakeRuntime(), ManualClock())
        let isRoomLeft = Atomic<Bool>(false)
        try await withThrowingTaskGroup(of: Void.self) { group in
            let runtime = PatientRuntime(base, clock: clock) { isRoomLeft.load(ordering: .relaxed) }
            group.addTask { _ = try await runtime.create(member, MemberTemplate()) }
            for _ in 0..<3 {
                try await eventually("it waits") { clock.sleeperCount == 1 }
                #expect(base.now.created.isEmpty)
                clock.advance(by: .milliseconds(250))
            }
            isRoomLeft.store(true, ordering: .relaxed)
            try await eventually("it waits, or has begun") { clock.sleeperCount == 1 || !base.now.created.isEmpty }
            clock.advance(by: .milliseconds(250))
            try await group.waitForAll()
        }
        #expect(base.now.created == [member] && base.now.removed.isEmpty)
    }

    @Test(
        "a create that fails for want of the server's own descriptors or memory is cleaned up and tried again, however soon there are some again",
        arguments: [EMFILE, ENFILE, ENOMEM])
    func triesAgain(_ code: Int32) async throws {
        let (base, clock) = (FakeRuntime(), ManualClock())
        base.set { $0.behaviour = [.failHalfway(RuntimeError(.failed, "socketpair", errno: code))] }
        try await withThrowingTaskGroup(of: Void.self) { group in
            let runtime = PatientRuntime(base, clock: clock) { true }
            group.addTask { _ = try await runtime.create(member, MemberTemplate()) }
            try await eventually("it waits") { clock.sleeperCount == 1 }
            #expect(base.now.removed == [member], "what the first left has the name that the next one needs")
            clock.advance(by: .milliseconds(250))
            try await group.waitForAll()
        }
        #expect(base.now.created == [member, member] && base.now.existing == [member])
    }

    @Test(
        "a failure whose words say nothing of descriptors is tried again where none are left, as of what runc was to open"
    )
    func noneLeft() async throws {
        let (base, clock) = (FakeRuntime(), ManualClock())
        let looks = Atomic<Int>(0)
        base.set { $0.behaviour = [.fail(RuntimeError(.failed, "runc: too many open files"))] }
        try await withThrowingTaskGroup(of: Void.self) { group in
            // Some before it, none after it, some again at the next look.
            let runtime = PatientRuntime(base, clock: clock) { looks.add(1, ordering: .relaxed).oldValue != 1 }
            group.addTask { _ = try await runtime.create(member, MemberTemplate()) }
            try await eventually("it waits") { clock.sleeperCount == 1 }
            clock.advance(by: .milliseconds(250))
            try await group.waitForAll()
        }
        #expect(base.now.created.count == 2)
    }

    @Test("the runtime's own failures are told at once")
    func failures() async {
        let base = FakeRuntime(.fail(RuntimeError(.imageMissing, "no such image")))
        let runtime = PatientRuntime(base, clock: ManualClock()) { true }
        await #expect(throws: RuntimeError(.imageMissing, "no such image")) {
            _ = try await runtime.create(member, MemberTemplate())
        }
        #expect(base.now.created.count == 1)
    }

    @Test("a create that waits ends when it is cancelled, and says what is wanting")
    func cancelled() async throws {
        let clock = ManualClock()
        let runtime = PatientRuntime(FakeRuntime(), clock: clock) { false }
        let create = Task { [member] in _ = try await runtime.create(member, MemberTemplate()) }
        try await eventually("it waits") { clock.sleeperCount == 1 }
        create.cancel()
        await #expect(throws: shortage) { try await create.value }
    }

    private let shortage = RuntimeError(
        .failed, "the server has no descriptors or memory left; raise its limit (ulimit -n)", isServersOwn: true)

    @Test("no room for a whole create's time-out: still no failed create; the next one a second later")
    func longShortage() throws {
        var h = Harness([PoolConfiguration(size: 2)])
        let order = try #require(h.next().create)
        h.pass(order.timeout)
        h.machine.createFailed(order.member, shortage, now: h.now)
        h.machine.createCleaned(order.member, nil, now: h.now)
        #expect(h.snapshot.createFailures == 0)
        h.pass(.seconds(1) - .nanoseconds(1))
        let early = h.next()
        #expect(early.create == nil)
        h.pass(.nanoseconds(1))
        #expect(h.settle() == 2)
    }
}
