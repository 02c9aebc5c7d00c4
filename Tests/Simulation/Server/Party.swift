// SPDX-License-Identifier: Apache-2.0

internal import Access
internal import NIOCore

/// A tenant, as the book has it: what it may, and what it may have of that.
final class Party {
    let name: String
    let policy: TenantPolicy
    /// Its acquires, with the leases that they became, and its executions.
    var leases: [Claim] = []
    var works: [Claim] = []
    /// Requests that the server has taken: when they were sent and when they were answered.
    private(set) var taken: [(asked: NIODeadline, answered: NIODeadline)] = []
    /// All that may have been taken: those, and those that failed.
    private(set) var mayBeTaken: [(asked: NIODeadline, answered: NIODeadline)] = []
    /// It may ask as often as it likes from now on.
    var asksFreely = false
    /// Requests that have no answer yet, by number.
    var open: [Int: NIODeadline] = [:]

    init(_ policy: TenantPolicy) { (name, self.policy) = (policy.name, policy) }

    func answered(_ asked: NIODeadline, now: NIODeadline) {
        guard policy.requestsPerSecond != nil else { return }
        mayBeTaken.removeAll { $0.answered + .seconds(90) < now }
        mayBeTaken.append((asked, now))
    }

    func took(_ asked: NIODeadline, now: NIODeadline) {
        taken.removeAll { $0.answered + .seconds(90) < now }
        taken.append((asked, now))
    }
}

/// Something that counts, or may count, for a limit of its tenant.
final class Claim {
    let asked: NIODeadline
    /// From then on it surely counts no more, if that is known.
    var over: NIODeadline?
    /// When a lease was granted for it, as its caller saw it.
    var granted: NIODeadline?
    weak var lease: ServerBook.Lease?
    weak var execution: ServerBook.Execution?
    let waiter: Waiter?

    init(_ asked: NIODeadline, waiter: Waiter? = nil, execution: ServerBook.Execution? = nil) {
        (self.asked, self.waiter, self.execution) = (asked, waiter, execution)
    }
}

/// An acquire that has no answer yet.
final class Waiter {
    let party: Party
    let asked: NIODeadline
    /// Where its request ends on the connection.
    var end: Int?
    /// The server had read it by then.
    var arrived: NIODeadline?
    /// The server had surely not answered it by then.
    var waited: NIODeadline?
    /// Turns that others with at least as many leases had while it waited: whose, and the interval in which it was.
    var turns: [ObjectIdentifier: ClosedRange<NIODeadline>] = [:]

    init(_ party: Party, asked: NIODeadline) { (self.party, self.asked) = (party, asked) }

    func waitsSince(_ time: NIODeadline) -> Bool { arrived.map { $0 <= time } ?? false }
    func waitsUntil(_ time: NIODeadline) -> Bool { waited.map { $0 >= time } ?? false }
}
