// SPDX-License-Identifier: Apache-2.0

package import Pool

/// The pool's state machine alone, with members that are made in no time.
package struct StateMachineRun {
    private final class NoLink: MemberLink {
        func close(_ reason: LinkCloseReason) {}
    }

    private var machine: FleetStateMachine
    private var now = MonotonicInstant(nanoseconds: 1)
    private var counter = 0
    private let link = NoLink()
    /// Made beforehand: not measured.
    private let tokens: [LeaseToken]

    package init(members: Int, reuse: PoolConfiguration.Reuse) {
        let pool = PoolConfiguration(size: members, max: members * 2, reuse: reuse, maxUses: nil)
        machine = FleetStateMachine(FleetConfiguration(pools: [pool], max: .max))
        var random = SystemRandomNumberGenerator()
        tokens = (0..<1024).map { _ in LeaseToken(using: &random) }
        while machine.memberCount < members { maintain() }
    }

    private mutating func maintain() {
        let step = machine.next(
            now: now,
            newMember: {
                counter += 1
                return MemberID("bench-\(counter)")
            }, hostMemory: { nil })
        if let create = step.create {
            _ = machine.createSucceeded(create.member, link: link, took: .milliseconds(20), now: now)
        }
        for order in step.resets { machine.resetFinished(order.member, nil, now: now) }
        for member in step.removals { machine.removalFinished(member, nil, now: now) }
        _ = machine.takeEffects()
    }

    /// Leases so many members, one after another.
    /// - Parameter maintains: every lease is followed by its release and what the maintenance task does about it: a reset,
    ///   or a removal and the create after it. Else the member goes back unused.
    package mutating func run(_ count: Int, maintains: Bool) {
        for index in 0..<count {
            now = now + .microseconds(1)
            let token = tokens[index & 1023]
            let order = AcquireOrder(token: token, waiter: WaiterID(UInt64(index)), connection: ConnectionID(1))
            guard case .granted = machine.acquire(order, now: now) else { preconditionFailure("no member was idle") }
            if maintains {
                _ = machine.release(token, now: now)
                maintain()
            } else {
                machine.returnUnused(token, now: now)
            }
        }
    }
}
