// SPDX-License-Identifier: Apache-2.0

/// What must hold of a server, whatever its clients, members and runtime do.
package enum ServerRule: String, Sendable, CaseIterable {
    /// Each byte that a program wrote comes once, in order, as it was written.
    case bytes
    /// What does not come is named, as dropped or truncated, with the right number.
    case named
    /// What a program and its helpers wrote before their time was over is neither lost nor left out of the count.
    case written
    /// An execution's stream has one start, one end, and nothing after it.
    case oneEnd
    /// An execution ends for the cause for which its program ended, or for what was done to it from outside.
    case cause
    /// An execution runs in the member of its lease.
    case place
    /// A member has one lease at a time, and no lease is given twice.
    case oneLease
    /// A lease is known as long as it is used, and one that was released is not.
    case lease
    /// A watcher is never sent more than its window, or more than 60 events, beyond what it has acknowledged.
    case window
    /// An agent never gets credit for what it has not sent.
    case credit
    /// Each call is answered once, and within its time.
    case answered
    /// An execution ends within its time-out, its grace and a slack, whether or not anybody reads.
    case inTime
    /// The memory that is held for clients stays within its budget.
    case budget
    /// There are never more members than the maximum, and never two creates at a time.
    case members
    /// When all is quiet nothing is left: no lease, execution, connection, waiter or held byte, and no member too many.
    case quiet
}

package struct ServerViolation: Error, Sendable, CustomStringConvertible {
    package var rule: ServerRule
    package var detail: String

    package var description: String { "rule \"\(rule.rawValue)\" is broken: \(detail)" }
}
