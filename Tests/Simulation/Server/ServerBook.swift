// SPDX-License-Identifier: Apache-2.0

internal import BerthSchema
internal import NIOCore

/// What clients were promised and what they got, written down without cleverness.
package final class ServerBook {
    package final class Lease {
        let token: String
        let member: String
        let time: TimeAmount
        /// When it was used last, at the earliest and at the latest: as the request for that was sent, and as its answer came.
        var lastUse: NIODeadline
        var latestUse: NIODeadline
        /// Calls in it that have no answer yet.
        var calls = 0
        var isReleased = false
        /// When the release was answered.
        var endedAt: NIODeadline?
        var hasEnded: Bool { endedAt != nil }
        /// The connection that acquired it is gone, or may be.
        private(set) var isOrphaned = false
        /// Since when, if it still is.
        private(set) var orphanedAt: NIODeadline?
        /// When it was granted, as its caller saw it.
        let since: NIODeadline
        /// Whose it is, where there are tenants.
        let party: Party?
        /// Executions in it that have not ended.
        var running = 0

        init(
            _ token: String, _ member: String, _ time: TimeAmount, of party: Party?, asked: NIODeadline,
            now: NIODeadline
        ) {
            (self.token, self.member, self.time, self.party) = (token, member, time, party)
            (lastUse, latestUse, since) = (asked, now, now)
        }

        func orphan(_ now: NIODeadline) {
            isOrphaned = true
            orphanedAt = orphanedAt ?? now
        }

        /// Its caller is known again: it may have ended, and it may go on.
        func adopt() { orphanedAt = nil }
    }

    /// What a caller asked for.
    struct Asked {
        let timeout: TimeAmount
        let grace: TimeAmount
        let maxOutput: UInt64
        let killsAtMaxOutput: Bool
        let keepsBackground: Bool
        /// How long it goes on without a watcher, in milliseconds; 0: not at all.
        let resumable: UInt32
        var isResumable: Bool { resumable > 0 }
        /// Bytes of its standard input, and whether more may come.
        let input: Int
        var isOpen = false
        /// The size of its terminal; nil: it has none.
        var size: (rows: UInt32, columns: UInt32)?
        let at: NIODeadline
    }

    package final class Execution {
        let key: UInt32
        let lease: Lease?
        let asked: Asked
        var name = ""
        var member = ""
        /// Its caller did something that may end it.
        var isDisturbed = false
        /// How the agent says that it ended, and when it did.
        var told: (end: ModelProgramEnd, at: NIODeadline)?
        /// It counts as running in its lease.
        var runs = false
        /// An agent was asked for it.
        var hasBegun = false
        /// Whose it is, where there are tenants.
        var party: Party?
        /// Its caller was surely nobody whom the server knows.
        var isStrangers = false
        /// Acknowledgements that were refused for now, and will be repeated.
        var retries = 0
        /// What its client types, if it may.
        let typing: Typing?
        /// Signals that were sent to it; 0 is a cancel.
        var signals: Set<Int32> = []
        /// A signal has killed it.
        var mustDieBy: NIODeadline?
        /// The size of its terminal that was accepted, if that is known, and the number of changes that were asked for.
        var size: (rows: UInt32, columns: UInt32)?
        var resizes = 0
        var resized = 0
        /// When its start came, its end, and the end of its first stream.
        var since: NIODeadline?
        var ended: (at: NIODeadline, output: UInt64)?
        var streamOver: NIODeadline?
        /// It was ended from outside, and nothing of it may run after this.
        private(set) var mustEndBy: NIODeadline?

        init(_ key: UInt32, _ lease: Lease?, _ asked: Asked) {
            (self.key, self.lease, self.asked, size) = (key, lease, asked, asked.size)
            typing = asked.isOpen ? Typing(asked.input) : nil
        }

        func mustEnd(by time: NIODeadline) { mustEndBy = min(mustEndBy ?? time, time) }
    }

    let world: World
    /// Whether a member may have a second lease.
    let reuses: Bool
    private(set) var leases: [Lease] = []
    private var tokens: Set<String> = []
    private(set) var executions: [UInt32: Execution] = [:]
    /// When members died by themselves, or may have been taken for dead.
    private(set) var lost: [String: NIODeadline] = [:]
    /// Calls that have no answer yet, by number.
    private(set) var open: [Int: (what: String, since: NIODeadline, due: NIODeadline?)] = [:]
    private var calls = 0
    /// Acquires that have no answer yet.
    var waiting: [Waiter] = []
    /// Who was served while others waited.
    var passings: [Passing] = []
    /// The day of a time, where that counts.
    var dayOf: ((NIODeadline) -> Int)?
    /// For whom each member has run something.
    private var owners: [String: ObjectIdentifier] = [:]
    /// Number of executions that ended, by cause, and of calls: a run in which nothing happens proves nothing.
    package private(set) var tally: [String: Int] = [:]

    /// After something was ended from outside, nothing of it may run for longer: connections stall for up to 20 s, and agents
    /// for some seconds.
    static let slack = TimeAmount.seconds(60)

    package init(_ world: World, reuses: Bool) { (self.world, self.reuses) = (world, reuses) }

    func count(_ what: String) { tally[what, default: 0] += 1 }

    // MARK: Calls

    /// - Parameter due: when there must be an answer, if something other than the end of a story says so.
    func asked(_ what: String, due: NIODeadline? = nil) -> Int {
        calls += 1
        open[calls] = (what, world.now, due)
        return calls
    }

    func answered(_ call: Int) {
        guard let (what, _, _) = open.removeValue(forKey: call) else {
            return world.broken(.answered, "call \(call) was answered twice")
        }
        count(what)
    }

    /// Something keeps a client from its answers for so long.
    func delay(by time: TimeAmount) {
        for (call, entry) in open { open[call]?.due = entry.due.map { $0 + time } }
    }

    func checkAnswers() {
        for (what, since, due) in open.values {
            guard let due, world.now > due else { continue }
            world.broken(.answered, "\(what) has no answer after \((world.now - since).nanoseconds / 1_000_000) ms")
        }
    }

    /// Agents are not heard before this.
    private(set) var agentsStalledUntil = NIODeadline.uptimeNanoseconds(0)

    func agentsStall(for time: TimeAmount) { agentsStalledUntil = max(agentsStalledUntil, world.now + time) }

    // MARK: Leases

    func memberLost(_ member: String) { lost[member] = lost[member] ?? world.now }

    /// Whether a lease may have ended by now without its owner's doing.
    func mayHaveEnded(_ lease: Lease) -> Bool {
        lease.isReleased || lease.isOrphaned || lost[lease.member] != nil
            || lease.running == 0 && world.now >= lease.lastUse + lease.time
    }

    func granted(_ response: AcquireResponse, to party: Party?, asked: NIODeadline) -> Lease {
        if !tokens.insert(response.lease).inserted {
            world.broken(.oneLease, "the lease \(response.lease) was given twice")
        }
        for lease in leases where lease.member == response.member && !mayHaveEnded(lease) {
            world.broken(.oneLease, "\(response.member) was leased while another lease of it was in force")
        }
        // Its stream is closed half a second after its death, or some seconds later if it stalls.
        if let died = lost[response.member], asked > died + .seconds(30) {
            world.broken(.clean, "\(response.member) was leased long after it had died")
        }
        let lease = Lease(
            response.lease, response.member, .milliseconds(Int64(response.ttlMilliseconds)), of: party,
            asked: asked, now: world.now)
        leases.append(lease)
        return lease
    }

    /// A call was told that its lease is unknown.
    func refused(_ lease: Lease) {
        guard !mayHaveEnded(lease) else { return }
        world.broken(.lease, "a lease in force of \(lease.member) is not known")
    }

    /// A call found its lease.
    func found(_ lease: Lease, asked: NIODeadline) {
        // A lease that nobody uses is looked at when its time is over.
        if lease.calls == 0, lease.running == 0, asked > lease.latestUse + lease.time + .seconds(5) {
            world.broken(
                .lease,
                "a lease of \(lease.member) for \(lease.time.nanoseconds / 1_000_000) ms is known after its time")
        }
        lease.lastUse = max(lease.lastUse, asked)
        lease.latestUse = max(lease.latestUse, world.now)
    }

    /// A call may have extended its time.
    func used(_ lease: Lease?) {
        guard let lease else { return }
        lease.latestUse = max(lease.latestUse, world.now)
    }

    /// Its owner is gone, or gives it back.
    func mustEnd(_ lease: Lease) {
        for execution in executions.values where execution.lease === lease {
            execution.mustEnd(by: world.now + execution.asked.grace + ServerBook.slack)
        }
    }

    // MARK: Executions

    func add(_ execution: Execution) {
        executions[execution.key] = execution
    }

    /// An agent has told the end of a program.
    func told(_ end: ModelProgramEnd) {
        guard let execution = executions[end.key] else { return }
        execution.told = (end, world.now)
        // The server learns of it when it has read it.
        if let lease = execution.lease { lease.latestUse = max(lease.latestUse, world.now + .seconds(15)) }
        noLongerRuns(execution)
    }

    func noLongerRuns(_ execution: Execution) {
        guard execution.runs else { return }
        execution.runs = false
        guard let lease = execution.lease else { return }
        lease.running -= 1
        lease.latestUse = max(lease.latestUse, world.now)
    }

    func started(_ execution: Execution, _ started: Started) {
        execution.name = started.execution
        execution.member = started.member
        execution.since = world.now
        if let lease = execution.lease, execution.told == nil {
            execution.runs = true
            lease.running += 1
            lease.lastUse = max(lease.lastUse, execution.asked.at)
            lease.latestUse = max(lease.latestUse, world.now)
        }
        if let lease = execution.lease, lease.member != started.member {
            world.broken(.place, "an execution in a lease of \(lease.member) runs in \(started.member)")
        }
    }

    // MARK: Members

    /// An agent is asked for a program.
    /// - Parameter others: keys of what runs in its member, or was left running there.
    func began(_ key: UInt32, _ request: AskedOfAgent, in member: String, others: [UInt32]) {
        guard let execution = executions[key] else {
            return world.broken(.asked, "an agent is asked for program \(key), for which nobody has asked")
        }
        if execution.hasBegun { world.broken(.asked, "an agent is asked for program \(key) a second time") }
        execution.hasBegun = true
        checkBegun(execution)
        let asked = execution.asked
        let right = AskedOfAgent(
            timeout: UInt64(asked.timeout.nanoseconds / 1_000_000), grace: UInt64(asked.grace.nanoseconds / 1_000_000),
            maxOutput: asked.maxOutput, killsAtMaxOutput: asked.killsAtMaxOutput,
            keepsBackground: asked.keepsBackground, input: asked.input, isOpen: asked.isOpen,
            rows: asked.size?.rows ?? 0)
        if request != right { world.broken(.asked, "an agent is asked for \(request), where \(right) was wanted") }
        for other in others where other != key {
            guard let lease = execution.lease, executions[other]?.lease === lease else {
                world.broken(.clean, "program \(other) of another lease is in \(member) when \(key) begins")
                continue
            }
        }
        let owner = execution.lease.map { ObjectIdentifier($0) } ?? ObjectIdentifier(execution)
        if !reuses, let first = owners[member], first != owner {
            world.broken(.clean, "\(member) is leased a second time, where no member may be")
        }
        owners[member] = owners[member] ?? owner
    }
}

/// How much an agent may do for a program.
struct AskedOfAgent: Equatable {
    var timeout: UInt64
    var grace: UInt64
    var maxOutput: UInt64
    var killsAtMaxOutput: Bool
    var keepsBackground: Bool
    var input: Int
    var isOpen: Bool
    /// Of its terminal; 0: it has none.
    var rows: UInt32
}
