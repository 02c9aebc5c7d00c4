// SPDX-License-Identifier: Apache-2.0

internal import Access
internal import BerthRPC
internal import BerthSchema
internal import NIOCore

/// What tenants may, and what one of them has to do with another: nothing.
extension ServerBook {
    /// How long something may go on, at most, after its caller's connection has ended.
    private static let wake = TimeAmount.seconds(240)

    /// How long a container may count after its caller has been told that its program or lease has ended.
    private static let release = TimeAmount.milliseconds(50)

    // MARK: What may count

    /// From when on a lease surely counts no more; nil: it may.
    private func over(_ lease: Lease) -> NIODeadline? {
        if let end = lease.endedAt { return end }
        let orphan = lease.orphanedAt.map { $0 + ServerBook.wake }
        let idle = lease.running == 0 && lease.calls == 0 ? lease.latestUse + lease.time + .seconds(60) : nil
        guard let orphan, let idle else { return orphan ?? idle }
        return min(orphan, idle)
    }

    private func over(_ execution: Execution) -> NIODeadline? {
        if let told = execution.told { return told.at + .seconds(60) }
        if let end = execution.streamOver, !execution.hasBegun { return end + ServerBook.wake }
        return lost[execution.member].map { $0 + ServerBook.wake }
    }

    private func over(_ claim: Claim) -> NIODeadline? {
        claim.over ?? claim.lease.map { over($0) } ?? claim.execution.flatMap { over($0) }
    }

    /// Number of claims that may have counted at some time since.
    private func most(_ claims: [Claim], since: NIODeadline, but own: [Claim]) -> Int {
        claims.count { claim in !own.contains { $0 === claim } && over(claim).map { $0 >= since } ?? true }
    }

    /// Whether an execution surely runs now.
    private func surelyRuns(_ execution: Execution) -> Bool {
        guard execution.hasBegun, execution.told == nil, !execution.isDisturbed, lost[execution.member] == nil else {
            return false
        }
        return execution.lease.map { !mayHaveEnded($0) } ?? !execution.member.isEmpty
    }

    /// Leases that a tenant surely has had since a time, those of its executions without a lease included.
    private func held(_ party: Party, since time: NIODeadline) -> Int {
        leases.count { $0.party === party && $0.since <= time && !mayHaveEnded($0) }
            + executions.values.count { execution in
                guard execution.party === party, execution.lease == nil, let since = execution.since else {
                    return false
                }
                return since <= time && surelyRuns(execution)
            }
    }

    // MARK: Limits

    /// A tenant has one lease more.
    func checkLeases(of party: Party) {
        guard let most = party.policy.maxLeases, case let count = held(party, since: world.now), count > most else {
            return
        }
        world.broken(.quota, "\(party.name) has \(count) leases, where it may have \(most)")
    }

    /// An agent was asked for an execution of a tenant.
    func checkBegun(_ execution: Execution) {
        if execution.isStrangers {
            world.broken(.known, "program \(execution.key) runs for a caller whom nobody knows")
        }
        guard let party = execution.party else { return }
        let (policy, asked) = (party.policy, execution.asked)
        if let longest = policy.maxTimeout?.milliseconds, asked.timeout.milliseconds > longest {
            world.broken(.quota, "\(party.name) runs a program for \(asked.timeout), where it may for \(longest) ms")
        }
        if execution.lease == nil, policy.pools?.contains("a") == false {
            world.broken(.quota, "\(party.name) runs a program in a pool that it may not use")
        }
        if let most = policy.maxExecutions {
            let count = executions.values.count { $0.party === party && ($0 === execution || surelyRuns($0)) }
            if count > most {
                world.broken(.quota, "\(count) executions of \(party.name) run, where \(most) may")
            }
        }
        if let most = policy.outputBytesPerDay {
            let before = executions.values.reduce(Int64(0)) { sum, other in
                guard other.party === party, let end = other.ended, end.at < asked.at else { return sum }
                return sum + Int64(end.output)
            }
            // A day may have ended since.
            if before >= most, day(asked.at - .hours(1)) == day(world.now) {
                world.broken(.quota, "\(party.name) has had \(before) bytes of output, where it may have \(most)")
            }
        }
    }

    private func day(_ time: NIODeadline) -> Int { dayOf?(time) ?? 0 }

    /// A call was refused at a limit of its tenant.
    func refused(_ party: Party, _ error: RPCError, asked: NIODeadline, own: [Claim]) {
        let limit = error.metadata["limit"] ?? "none"
        count("refused at \(limit)")
        let policy = party.policy
        let isRight: Bool =
            switch limit {
            // What has ended for its caller counts until the server has let go of its container.
            case "max_leases":
                policy.maxLeases.map { most(party.leases, since: asked - Self.release, but: own) >= $0 } ?? false
            case "max_executions":
                policy.maxExecutions.map { most(party.works, since: asked, but: own) >= $0 } ?? false
            case "requests_per_second": policy.requestsPerSecond.map { mayBeBusy(party, $0, asked) } ?? false
            case "output_per_day": policy.outputBytesPerDay.map { most(outputOf: party) >= $0 } ?? false
            default: false
            }
        guard !isRight else { return }
        world.broken(.quota, "\(party.name) was refused for \(limit) below it: \(error.message)")
    }

    /// Bytes that a tenant's programs may have written so far.
    private func most(outputOf party: Party) -> Int64 {
        executions.values.reduce(0) { sum, execution in
            guard execution.party === party, execution.hasBegun else { return sum }
            guard let told = execution.told?.end else { return .max }
            return sum == .max ? sum : sum + Int64(told.stdoutBytes + told.stderrBytes)
        }
    }

    // MARK: Requests

    /// A tenant's request has been taken: as many as it may send in a second at once, and then as they come back.
    func took(_ party: Party, asked: NIODeadline) {
        guard let rate = party.policy.requestsPerSecond, !party.asksFreely else { return }
        party.took(asked, now: world.now)
        for (since, _) in party.taken {
            let count = party.taken.count { $0.asked >= since }
            let time = Double((world.now - since).nanoseconds) / 1e9
            guard Double(count) > Double(rate) * (1 + time) + 2 else { continue }
            return world.broken(
                .quota, "\(count) requests of \(party.name) were taken in \(time) s, where \(rate) may be in each")
        }
    }

    /// Whether so many requests may have come that one that was sent at `asked` was too much.
    private func mayBeBusy(_ party: Party, _ rate: Int, _ asked: NIODeadline) -> Bool {
        // The bucket was full when one of these came, which was between its asking and its answer.
        let firsts = party.mayBeTaken + party.open.values.map { ($0, world.now) }
        return firsts.contains { first in
            let count = party.mayBeTaken.count { $0.answered >= first.asked } + party.open.count
            let time = max(0, Double((asked - first.answered).nanoseconds) / 1e9)
            return Double(count) >= Double(rate) * (1 + time) - 2
        }
    }

    // MARK: Turns

    /// A tenant was given a lease for which it had asked.
    func served(_ waiter: Waiter) {
        let (now, least) = (world.now, waiter.waited ?? waiter.asked)
        let before = held(waiter.party, since: least)
        for other in waiting where other.party !== waiter.party && other.waitsSince(least) {
            passings.append(Passing(waiter: other, served: waiter.party, before: before, window: least...now))
        }
    }

    /// Somebody was served while another waited, if that is found to have waited on.
    struct Passing {
        let waiter: Waiter
        let served: Party
        /// Leases that it had surely.
        let before: Int
        /// When it was served.
        let window: ClosedRange<NIODeadline>
    }

    /// The next is for the tenant with the fewest leases; those with as many take turns.
    func checkTurns() {
        guard !passings.isEmpty else { return }
        passings.removeAll { passing in
            let waiter = passing.waiter
            if waiter.waitsUntil(passing.window.upperBound) {
                check(passing)
                return true
            }
            return !waiting.contains { $0 === waiter }
        }
    }

    private func check(_ passing: Passing) {
        let (waiter, window) = (passing.waiter, passing.window)
        let mine = waiter.party.leases.filter { claim in
            guard claim.asked <= window.upperBound, over(claim).map({ $0 >= window.lowerBound }) ?? true else {
                return false
            }
            guard let other = claim.waiter, claim.over == nil, claim.granted == nil else { return true }
            return !(other.waitsSince(window.lowerBound) && other.waitsUntil(window.upperBound))
        }
        if passing.before > mine.count {
            return world.broken(
                .turns,
                "\(passing.served.name) had \(passing.before) leases and was served before \(waiter.party.name), which had \(mine.count) and waited"
            )
        }
        guard passing.before == mine.count else { return }
        let id = ObjectIdentifier(passing.served)
        if let last = waiter.turns[id], window.lowerBound > last.upperBound {
            if !waiter.party.leases.contains(where: { mayHaveHadTurn($0, last.lowerBound...window.upperBound) }) {
                return world.broken(
                    .turns,
                    "\(passing.served.name) was served twice while \(waiter.party.name) waited, which had no more leases"
                )
            }
        }
        waiter.turns[id] = window
    }

    private func mayHaveHadTurn(_ claim: Claim, _ window: ClosedRange<NIODeadline>) -> Bool {
        // Of an execution's lease nobody can say when it was granted.
        if claim.waiter != nil, let granted = claim.granted, granted <= window.lowerBound { return false }
        if let over = claim.over, over <= window.lowerBound { return false }
        guard claim.asked <= window.upperBound else { return false }
        return !(claim.waiter?.waitsUntil(window.upperBound) ?? false)
    }
}

extension TimeAmount {
    var milliseconds: Int64 { nanoseconds / 1_000_000 }
}

extension Duration {
    var milliseconds: Int64 { components.seconds * 1000 + components.attoseconds / 1_000_000_000_000_000 }
}
