// SPDX-License-Identifier: Apache-2.0

internal import BerthSchema
internal import NIOCore

/// What clients were promised and what they got, written down without cleverness.
package final class ServerBook {
    package final class Lease {
        let token: String
        let member: String
        let time: TimeAmount
        /// When it was used last, as the request for that was sent.
        var lastUse: NIODeadline
        var isReleased = false
        /// The release was answered.
        var hasEnded = false
        /// The connection that acquired it is gone.
        var isOrphaned = false
        /// Executions in it that have not ended.
        var running = 0

        init(_ token: String, _ member: String, _ time: TimeAmount, _ now: NIODeadline) {
            (self.token, self.member, self.time, lastUse) = (token, member, time, now)
        }
    }

    package final class Execution {
        let key: UInt32
        let lease: Lease?
        let timeout: TimeAmount
        let asked: NIODeadline
        /// Bytes of its request.
        let requestBytes: Int
        var name = ""
        var member = ""
        /// Its caller did something that may end it.
        var isDisturbed = false
        /// How the agent says that it ended.
        var told: ModelProgramEnd?
        /// It counts as running in its lease.
        var runs = false

        init(_ key: UInt32, _ lease: Lease?, timeout: TimeAmount, _ asked: NIODeadline, requestBytes: Int) {
            (self.key, self.lease, self.timeout, self.asked) = (key, lease, timeout, asked)
            self.requestBytes = requestBytes
        }
    }

    let world: World
    private(set) var leases: [Lease] = []
    private var tokens: Set<String> = []
    private(set) var executions: [UInt32: Execution] = [:]
    /// Members that died by themselves, or may have been taken for dead.
    private(set) var lost: Set<String> = []
    /// Calls that have no answer yet, by number.
    private(set) var open: [Int: (what: String, since: NIODeadline)] = [:]
    private var calls = 0
    /// Number of executions that ended, by cause, and of calls: a run in which nothing happens proves nothing.
    package private(set) var tally: [String: Int] = [:]

    package init(_ world: World) { self.world = world }

    func count(_ what: String) { tally[what, default: 0] += 1 }

    // MARK: Calls

    func asked(_ what: String) -> Int {
        calls += 1
        open[calls] = (what, world.now)
        return calls
    }

    func answered(_ call: Int) {
        guard let (what, _) = open.removeValue(forKey: call) else {
            return world.broken(.answered, "call \(call) was answered twice")
        }
        count(what)
    }

    // MARK: Leases

    func memberLost(_ member: String) { lost.insert(member) }

    /// Whether a lease may have ended by now without its owner's doing.
    func mayHaveEnded(_ lease: Lease) -> Bool {
        lease.isReleased || lease.isOrphaned || lost.contains(lease.member)
            || lease.running == 0 && world.now >= lease.lastUse + lease.time
    }

    func granted(_ response: AcquireResponse, asked: NIODeadline) -> Lease {
        if !tokens.insert(response.lease).inserted {
            world.broken(.oneLease, "the lease \(response.lease) was given twice")
        }
        for lease in leases where lease.member == response.member && !mayHaveEnded(lease) {
            world.broken(.oneLease, "\(response.member) was leased while another lease of it was in force")
        }
        let lease = Lease(
            response.lease, response.member, .milliseconds(Int64(response.ttlMilliseconds)), asked)
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
        lease.lastUse = max(lease.lastUse, asked)
    }

    // MARK: Executions

    func add(_ execution: Execution) {
        executions[execution.key] = execution
    }

    /// An agent has told the end of a program.
    func told(_ end: ModelProgramEnd) {
        guard let execution = executions[end.key] else { return }
        execution.told = end
        noLongerRuns(execution)
    }

    func noLongerRuns(_ execution: Execution) {
        guard execution.runs else { return }
        execution.runs = false
        execution.lease?.running -= 1
    }

    func started(_ execution: Execution, _ started: Started) {
        execution.name = started.execution
        execution.member = started.member
        if let lease = execution.lease, execution.told == nil {
            execution.runs = true
            lease.running += 1
            found(lease, asked: execution.asked)
        }
        if let lease = execution.lease, lease.member != started.member {
            world.broken(.place, "an execution in a lease of \(lease.member) runs in \(started.member)")
        }
    }

    func ended(_ execution: Execution, _ ended: Ended) {
        count("ended: \(ended.cause)")
        let isFromOutside = execution.isDisturbed || execution.lease.map { mayEndIts($0) } ?? false
        if let told = execution.told, ended.cause == told.cause {
            guard ended.exitCode == told.exitCode, ended.stdoutBytes == told.stdoutBytes,
                ended.stderrBytes == told.stderrBytes
            else { return world.broken(.cause, "the end of \(execution.name) is not as its agent told it") }
            return check(execution, ended)
        }
        switch ended.cause {
        case .cancelled where isFromOutside: break
        case .containerLost where lost.contains(execution.member) || execution.member.isEmpty: break
        case .outOfMemory where lost.contains(execution.member) || execution.member.isEmpty: break
        case .startFailed where execution.member.isEmpty: break
        default:
            let told = execution.told.map { "\($0.cause)" } ?? "nothing"
            world.broken(
                .cause,
                "\(execution.name) in \(execution.member) ended as \(ended.cause), \"\(ended.message)\"; its agent told \(told)"
            )
        }
    }

    private func mayEndIts(_ lease: Lease) -> Bool {
        lease.isReleased || lease.isOrphaned || lost.contains(lease.member)
    }

    /// Whether an end that the agent told is that of the program.
    private func check(_ execution: Execution, _ ended: Ended) {
        let script = Script(key: execution.key)
        let isRight: Bool =
            switch (ended.cause, script.end) {
            case (.exited, .exit(let code)): ended.exitCode == code
            case (.signalled, .signal(let signal)): ended.signal == signal || execution.isDisturbed
            case (.outOfMemory, .outOfMemory): true
            case (.timedOut, _): world.now >= execution.asked + execution.timeout
            case (.cancelled, _): execution.isDisturbed || execution.lease.map { mayEndIts($0) } ?? false
            case (.signalled, _): execution.isDisturbed
            case (.outputLimit, _): false
            default: false
            }
        if !isRight {
            world.broken(
                .cause, "\(execution.name) ended as \(ended.cause), \(ended.exitCode), where \(script.end) was due")
        }
    }
}
