// SPDX-License-Identifier: Apache-2.0

import Pool
import Testing
import TestSupport

/// A state machine with a clock and names, and short functions for its events.
struct Harness {
    var machine: FleetStateMachine
    var now = MonotonicInstant(nanoseconds: 0)
    var effects: [FleetStateMachine.Effect] = []
    private var generator = SeededGenerator(seed: 1)
    /// How many names it has given to members.
    var members = 0
    private var waiters: UInt64 = 0
    var hostMemory: Int64?

    init(_ pools: [PoolConfiguration] = [PoolConfiguration()], _ change: (inout FleetConfiguration) -> Void = { _ in })
    {
        var fleet = FleetConfiguration(pools: pools)
        change(&fleet)
        machine = FleetStateMachine(fleet)
    }

    mutating func pass(_ duration: Duration) { now = now + duration }

    mutating func next() -> FleetStateMachine.Step {
        var count = members
        defer { members = count }
        let memory = hostMemory
        let step = machine.next(
            now: now,
            newMember: {
                count += 1
                return MemberID("m\(count)")
            }, hostMemory: { memory })
        effects += machine.takeEffects()
        return step
    }

    mutating func succeed(_ order: FleetStateMachine.CreateOrder, sourceLocation: SourceLocation = #_sourceLocation) {
        let isReady = machine.createSucceeded(
            order.member, link: FakeLink(order.member), took: .milliseconds(20), now: now)
        #expect(isReady, sourceLocation: sourceLocation)
        effects += machine.takeEffects()
    }

    mutating func fail(_ order: FleetStateMachine.CreateOrder, cleaned: Bool = true) {
        machine.createFailed(order.member, RuntimeError(.failed, "told to"), now: now)
        machine.createCleaned(order.member, cleaned ? nil : RuntimeError(.failed, "stuck"), now: now)
        effects += machine.takeEffects()
    }

    /// Carries out all creates and removals that the machine wants, and returns the number of creates.
    @discardableResult
    mutating func settle() -> Int {
        var creates = 0
        while true {
            let step = next()
            for member in step.removals { machine.removalFinished(member, nil, now: now) }
            if let order = step.create {
                succeed(order)
                creates += 1
            } else if step.removals.isEmpty {
                return creates
            }
        }
    }

    mutating func acquire(
        pool: String = "", wait: Duration? = nil, connection: UInt64 = 1, detached: Bool = false
    ) -> (WaiterID, LeaseToken, FleetStateMachine.AcquireOutcome) {
        waiters += 1
        let token = LeaseToken(using: &generator)
        let outcome = machine.acquire(
            AcquireOrder(
                pool: pool, token: token, waiter: WaiterID(waiters), connection: ConnectionID(connection),
                isDetached: detached, wait: wait), now: now)
        effects += machine.takeEffects()
        return (WaiterID(waiters), token, outcome)
    }

    /// Leases a warm member, which must be available at once.
    mutating func lease(connection: UInt64 = 1, detached: Bool = false) throws -> Grant {
        let (_, _, outcome) = acquire(connection: connection, detached: detached)
        guard case .granted(let grant) = outcome else { throw NotGranted(outcome: "\(outcome)") }
        return grant
    }

    mutating func release(_ token: LeaseToken) -> Bool {
        defer { effects += machine.takeEffects() }
        return machine.release(token, now: now)
    }

    mutating func takeEffects() -> [FleetStateMachine.Effect] {
        defer { effects = [] }
        return effects
    }

    var snapshot: PoolSnapshot { machine.snapshot(now: now)[0] }
}

struct NotGranted: Error {
    var outcome: String
}

extension FleetStateMachine.AcquireOutcome {
    var error: AcquireError? {
        if case .refused(let error) = self { error } else { nil }
    }

    var isWaiting: Bool {
        if case .waiting = self { true } else { false }
    }
}

extension [FleetStateMachine.Effect] {
    func grant(_ waiter: WaiterID) -> Grant? {
        for case .grant(waiter, let grant) in self { return grant }
        return nil
    }

    func refusal(_ waiter: WaiterID) -> AcquireError? {
        for case .refuse(waiter, let error) in self { return error }
        return nil
    }

    var foretold: [String] {
        compactMap { effect in
            if case .foretell(_, let message) = effect { message } else { nil }
        }
    }

    var closings: [LinkCloseReason] {
        compactMap { effect in
            if case .close(_, let reason) = effect { reason } else { nil }
        }
    }
}

extension PoolConfiguration {
    /// A pool of one member that resets its members, and has no health pings.
    static func reusing(_ change: (inout PoolConfiguration) -> Void = { _ in }) -> PoolConfiguration {
        var pool = PoolConfiguration(size: 1, reuse: .reset, healthInterval: nil)
        change(&pool)
        return pool
    }
}
