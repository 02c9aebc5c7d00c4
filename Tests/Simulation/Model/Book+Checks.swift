// SPDX-License-Identifier: Apache-2.0

import Pool

/// Checks the reasons of effects, and what must hold after maintenance.
extension Book {
    // MARK: Effects

    mutating func read(_ effects: [FleetStateMachine.Effect], _ now: MonotonicInstant) throws(Violation) {
        var closed: Set<Int> = []
        var given: Set<Int> = []
        for effect in effects {
            switch effect {
            case .grant(let id, let grant): try granted(id, grant, now)
            case .refuse(let id, let error): try refused(id, error, now)
            case .close(let link, _):
                guard let link = link as? SimulatedLink, openLinks.remove(link.number) != nil else {
                    throw Violation(rule: .links, detail: "a link was closed twice")
                }
                closed.insert(link.number)
            case .foretell(let link, _):
                guard let link = link as? SimulatedLink, let index = index(link.number),
                    members[index].evictionEnd != nil
                else { throw Violation(rule: .evict, detail: "an end is foretold to a member that stays") }
            case .event(.retired(let id, _, let reason, let uses)):
                given.insert(try retired(id, reason, uses: uses, now))
            case .event: break
            }
        }
        if let (number, reason) = duty.first {
            throw Violation(rule: Self.rule(of: reason), detail: "m\(number) is not retired: \(reason.rawValue)")
        }
        if let (waiter, number) = mustGrant {
            throw Violation(rule: .fifo, detail: "m\(number) was not handed to waiter \(waiter.number)")
        }
        if let waiter = mustRefuse.first {
            throw Violation(rule: .waiterRefusal, detail: "waiter \(waiter.number) should have been told")
        }
        for number in closed.symmetricDifference(given) {
            // One that died before it was ready has a link, and was never given up: it never was a member.
            if let index = index(number), members[index].isCleaning, closed.contains(number) { continue }
            throw Violation(rule: .links, detail: "m\(number): closed without being given up, or the reverse")
        }
    }

    private mutating func granted(_ id: WaiterID, _ grant: Grant, _ now: MonotonicInstant) throws(Violation) {
        guard let expected = mustGrant, expected.waiter == id, grant.member.description == "m\(expected.number)",
            let index = index(expected.number), let pool = anyPage(members[index].pool),
            let place = pools[pool].line.firstIndex(where: { $0.id == id }),
            grant.token == pools[pool].line[place].order.token
        else {
            let detail = "waiter \(id.number) got \(grant.member), expected \(String(describing: mustGrant))"
            throw Violation(rule: .fifo, detail: detail)
        }
        mustGrant = nil
        let waiter = pools[pool].line.remove(at: place)
        if waiter.order.isFair, let client = waiter.order.client { pools[pool].takeTurn(client) }
        try leased(index, waiter.order, grant, now)
    }

    private mutating func refused(_ id: WaiterID, _ error: AcquireError, _ now: MonotonicInstant) throws(Violation) {
        for pool in pools.indices {
            guard let place = pools[pool].line.firstIndex(where: { $0.id == id }) else { continue }
            let waiter = pools[pool].line.remove(at: place)
            let isDuty = mustRefuse.remove(id) != nil
            guard isDuty || waiter.deadline <= now else {
                let early = waiter.deadline - now
                throw Violation(rule: .waiterRefusal, detail: "waiter \(id.number) is refused \(early) early: \(error)")
            }
            if case .unavailable(_, let next) = error {
                guard case .open(let until) = pools[pool].breaker, until - now == next else {
                    throw Violation(rule: .backoff, detail: "a next try in \(next), of \(pools[pool].breaker)")
                }
            }
            return
        }
        throw Violation(rule: .waiterRefusal, detail: "\(id.number) is not in line, and was refused")
    }

    private static func rule(of reason: RetireReason) -> Rule {
        switch reason {
        case .released, .died, .draining: .books
        case .leaseExpired, .connectionClosed: .leaseEnd
        case .age, .idle, .uses, .surplus: .retire
        case .evicted: .evict
        case .unhealthy: .health
        case .resetFailed: .reset
        case .reconfigured: .reload
        }
    }

    private mutating func retired(
        _ id: MemberID, _ reason: RetireReason, uses: Int, _ now: MonotonicInstant
    ) throws(Violation) -> Int {
        guard let index = index(id), let pool = anyPage(members[index].pool) else {
            throw Violation(rule: .books, detail: "\(id) is retired, and not there")
        }
        let member = members[index]
        if let expected = duty.removeValue(forKey: member.number) {
            guard expected == reason else {
                throw Violation(rule: Self.rule(of: reason), detail: "\(id): \(reason), not \(expected)")
            }
        } else {
            let isRight: Bool
            switch (reason, member.state) {
            case (.leaseExpired, .leased(let lease)):
                isRight = !lease.isOrphaned && lease.active == 0 && lease.expires <= now
            case (.evicted, .leased): isRight = member.evictionEnd.map { $0 <= now } ?? false
            case (.connectionClosed, .leased(let lease)): isRight = lease.isOrphaned && lease.expires <= now
            case (.age, .idle): isRight = endOfLife(member).map { $0 <= now } ?? false
            case (.idle, .idle(let since)): isRight = pools[pool].settings.maxIdle.map { since + $0 <= now } ?? false
            case (.surplus, .idle): isRight = supply(pool) > pools[pool].target && isFresh(member)
            case (.reconfigured, .idle):
                let idle = count(member.pool) { $0.isIdle }
                isRight = !isFresh(member) && (idle > pools[pool].target || limit(pool) != nil)
            default: isRight = false
            }
            guard isRight else {
                throw Violation(
                    rule: Self.rule(of: reason), detail: "\(id) is retired (\(reason)) while \(member.state)")
            }
        }
        guard uses == member.uses else { throw Violation(rule: .retire, detail: "\(uses) uses, not \(member.uses)") }
        if let lease = member.lease, !releasedTokens.contains(lease.token) { ended.append(lease.token) }
        members[index].state = .stoppingQueued(attempt: 0)
        return member.number
    }

    // MARK: After maintenance

    /// When something is due, and what it is.
    typealias Due = (at: MonotonicInstant, what: String)

    mutating func checkAfterMaintenance(_ step: FleetStateMachine.Step, _ now: MonotonicInstant) throws(Violation) {
        var due: [Due] = []
        for page in pools {
            for waiter in page.line {
                guard waiter.deadline > now else {
                    throw Violation(rule: .waiterDeadline, detail: "waiter \(waiter.id.number), at \(now.nanoseconds)")
                }
                due.append((waiter.deadline, "a waiter's deadline"))
            }
        }
        let removals = removalsRunning
        for member in members {
            if let end = member.evictionEnd, member.isLeased {
                guard end > now else { throw Violation(rule: .evict, detail: "\(member.id) was due \(now - end) ago") }
                if end.nanoseconds < .max { due.append((end, "the end of an eviction's grace")) }
            }
            switch member.state {
            case .leased(let lease) where lease.active == 0 || lease.isOrphaned:
                guard lease.expires > now else {
                    throw Violation(rule: .leaseEnd, detail: "\(member.id)'s lease ended \(now - lease.expires) ago")
                }
                due.append((lease.expires, "the end of a lease"))
            case .idle(let since):
                try checkIdle(member, since, now, &due)
            case .stoppingQueued:
                guard removals >= fleet.maxConcurrentRemovals else {
                    throw Violation(rule: .removal, detail: "\(member.id) waits, and \(removals) are under way")
                }
            case .stoppingWaiting(_, let until):
                guard until > now || removals >= fleet.maxConcurrentRemovals else {
                    throw Violation(rule: .removal, detail: "\(member.id) was due \(now - until) ago")
                }
                if until > now { due.append((until, "another try to remove")) }
            case .resetting(false):
                guard resetsRunning >= fleet.maxConcurrentResets else {
                    throw Violation(rule: .reset, detail: "\(member.id) waits, and \(resetsRunning) are under way")
                }
            case .leased, .resetting, .starting, .cleaning, .stoppingRunning: break
            }
        }
        try checkCreates(now, &due)
        for (instant, what) in due where step.wake > instant {
            throw Violation(rule: .wake, detail: "wakes \(step.wake - instant) after \(what)")
        }
    }

    private func checkIdle(
        _ member: Member, _ since: MonotonicInstant, _ now: MonotonicInstant, _ due: inout [Due]
    ) throws(Violation) {
        if let end = endOfLife(member) {
            guard end > now else { throw Violation(rule: .retire, detail: "\(member.id) is too old by \(now - end)") }
            due.append((end, "a member's age"))
        }
        if let pool = anyPage(member.pool), let limit = pools[pool].settings.maxIdle {
            guard since + limit > now else {
                throw Violation(rule: .retire, detail: "\(member.id) is idle for too long")
            }
            due.append((since + limit, "a member's idle time"))
        }
        guard !member.isPinging else { return }
        if member.nextPing > now {
            due.append((member.nextPing, "a health ping"))
        } else if pingsRunning < fleet.maxConcurrentPings {
            throw Violation(rule: .health, detail: "\(member.id) should be pinged")
        }
    }

    private mutating func checkCreates(_ now: MonotonicInstant, _ due: inout [Due]) throws(Violation) {
        guard creating == nil, !isDraining else { return }
        if let last = lastFill, let pool = page(last.pool), !wantsFill(pool) || gate(pool, now) != nil {
            lastFill = nil
        }
        for pool in pools.indices where !pools[pool].isRemoved && (wantsFill(pool) || wantsOnDemand(pool)) {
            if case .open(let until) = pools[pool].breaker, now < until { due.append((until, "the end of a backoff")) }
            guard gate(pool, now) != nil else {
                throw Violation(
                    rule: .liveness, detail: "\(pools[pool].name) wants a member, and nothing is in the way")
            }
        }
    }
}
