// SPDX-License-Identifier: Apache-2.0

/// What must hold of a server, whatever its clients, members and runtime do.
package enum ServerRule: String, Sendable, CaseIterable {
    /// Each byte that a program wrote comes once, in order, as it was written.
    case bytes
    /// What does not come is named, as dropped or truncated, with the right number.
    case named
    /// What a program and its helpers wrote before their time was over is neither lost nor left out of the count.
    case written
    /// An execution's stream has one start, one end, and nothing before the one or after the other.
    case oneEnd
    /// An execution ends for the cause for which its program ended, or for what was done to it from outside.
    case cause
    /// An execution runs in the member of its lease.
    case place
    /// An agent is asked once for each program, with the words, the input and the limits of its caller.
    case asked
    /// A member has one lease at a time, and no lease is given twice.
    case oneLease
    /// A member that is leased is alive and has nothing of an earlier lease; with `never` it has had none.
    case clean
    /// A lease is known as long as it is used, and not after its release or its time.
    case lease
    /// What a program leaves with `keep_background` goes on until its lease ends, and takes room only while it runs.
    case background
    /// The list of a lease's executions has those that run, and those that do not run have an end there.
    case listed
    /// What is sent to a program's input comes to it once, in order, and its end too, or its sender is told; so do sizes of terminals.
    case input
    /// A signal comes to its execution, as it was sent.
    case signals
    /// A watcher is never sent more than its window, or more than 60 events, beyond what it has acknowledged.
    case window
    /// An agent never gets credit for what it has not sent.
    case credit
    /// What was written comes to a client that reads, soon.
    case moves
    /// Each call is answered once, and within its time.
    case answered
    /// An execution ends within its time-out, its grace and a slack, whether or not anybody reads.
    case inTime
    /// What was cancelled, or whose lease or caller is gone, ends soon.
    case ends
    /// Who shows a token that counts is served as its tenant; who shows none is served nothing, and is out soon.
    case known
    /// What one tenant has does not exist for another: it can neither see nor use nor end it, nor tell it from what there is not.
    case apart
    /// A tenant never has more than its limits, and is refused for one only if it is reached.
    case quota
    /// The next free member goes to the waiting tenant with the fewest leases, and those with as many take turns.
    case turns
    /// Only operators may do what is theirs.
    case role
    /// The memory that is held for clients stays within its budget, and is what was counted.
    case budget
    /// There are never more members than the maximum, never two creates at a time, and none that is not given up in time.
    case members
    /// When all is quiet nothing is left: no lease, execution, connection, waiter or held byte, and no member too many.
    case quiet
}

package struct ServerViolation: Error, Sendable, CustomStringConvertible {
    package var rule: ServerRule
    package var detail: String

    package var description: String { "rule \"\(rule.rawValue)\" is broken: \(detail)" }
}
