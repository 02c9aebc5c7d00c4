// SPDX-License-Identifier: Apache-2.0

import Pool

/// The meaning of events according to the rules.
extension Book {
    // MARK: Acquires

    mutating func acquired(
        _ order: AcquireOrder, _ outcome: FleetStateMachine.AcquireOutcome, _ now: MonotonicInstant
    ) throws(Violation) {
        let answer: AcquireError? = if case .refused(let error) = outcome { error } else { nil }
        let pool = order.pool.isEmpty ? page(fleet.pools[0].name) : page(order.pool)
        func expect(_ rule: Rule, _ condition: Bool, _ what: String) throws(Violation) {
            guard condition else { throw Violation(rule: rule, detail: "\(what), but the answer was \(outcome)") }
        }
        guard !isDraining else { return try expect(.acquire, answer == .draining, "the server drains") }
        guard let pool else {
            let known = fleet.pools.map(\.name)
            return try expect(.acquire, answer == .unknownPool(order.pool, known: known), "there is no such pool")
        }
        let settings = pools[pool].settings
        guard !pools[pool].isDraining else {
            return try expect(.acquire, answer == .poolDraining(settings.name), "the pool drains")
        }
        if let most = fleet.maxPerClient, let client = order.client, clientCount(client) >= most {
            return try expect(.client, answer == .clientLimit(most), "the client has \(clientCount(client))")
        }
        let fresh = members.indices.filter { members[$0].isIdle && members[$0].pool == settings.name }
        if !fresh.isEmpty {
            // Outdated ones are for when there is no other; then the longest-idle one.
            let best = fresh.min {
                (isFresh(members[$0]) ? 0 : 1, members[$0].idleOrder) < (
                    isFresh(members[$1]) ? 0 : 1, members[$1].idleOrder
                )
            }
            guard case .granted(let grant) = outcome, let best else {
                throw Violation(rule: .acquire, detail: "a member is idle, but the answer was \(outcome)")
            }
            try expect(.longestIdle, grant.member == members[best].id, "\(members[best].id) is next")
            try expect(.token, grant.token == order.token, "the token was given")
            return try leased(best, order, grant, now)
        }
        let deadline = now + min(order.wait ?? fleet.defaultWait, fleet.maxWait)
        if case .open(let until) = pools[pool].breaker, now < until, deadline < until {
            guard case .unavailable(_, until - now) = answer else {
                throw Violation(rule: .backoff, detail: "next try is in \(until - now), the answer was \(outcome)")
            }
            return
        }
        let waiting = pools[pool].line.count
        let part = max(1, fleet.maxWaiters - fleet.maxWaiters / 4)
        let hasItsPart = order.isFair && order.client.map { waiters(of: $0) >= part } ?? false
        guard waiting < fleet.maxWaiters, !hasItsPart else {
            return try expect(.acquire, answer == .queueFull(waiting: waiting), "\(waiting) wait")
        }
        guard case .waiting = outcome else {
            throw Violation(rule: .acquire, detail: "it should wait, but the answer was \(outcome)")
        }
        let isFirst = !pools[pool].line.contains { $0.order.isFair && $0.order.client == order.client }
        if order.isFair, isFirst, let client = order.client { pools[pool].takeTurn(client) }
        pools[pool].line.append(Waiter(id: order.waiter, order: order, since: now, deadline: deadline))
    }

    mutating func leased(
        _ index: Int, _ order: AcquireOrder, _ grant: Grant, _ now: MonotonicInstant
    ) throws(Violation) {
        let member = members[index]
        guard let link = grant.link as? SimulatedLink, link.number == member.number, openLinks.contains(link.number)
        else { throw Violation(rule: .links, detail: "\(member.id) was granted with another's link, or a closed one") }
        guard !member.hasDied, !member.isUnhealthy else {
            throw Violation(rule: .longestIdle, detail: "\(member.id) is dead or unwell, and was handed out")
        }
        let longest = anyPage(member.pool).map { pools[$0].settings.leaseTime } ?? .zero
        let time = min(order.leaseTime ?? longest, longest)
        guard grant.leaseTime == time else {
            throw Violation(rule: .leaseEnd, detail: "a lease for \(grant.leaseTime), not \(time)")
        }
        if let pool = anyPage(member.pool) { pools[pool].lastYoungDeath = nil }
        members[index].uses += 1
        members[index].state = .leased(
            Lease(
                token: order.token, connection: order.isDetached ? nil : order.connection.number, client: order.client,
                time: time, expires: now + time))
    }

    // MARK: Members

    mutating func released(_ index: Int, _ now: MonotonicInstant) throws(Violation) {
        guard let lease = members[index].lease, let pool = anyPage(members[index].pool) else { return }
        ended.append(lease.token)
        releasedTokens.insert(lease.token)
        if ended.count > 200 {
            for token in ended.prefix(100) { releasedTokens.remove(token) }
            ended.removeFirst(100)
        }
        if pools[pool].settings.reuse == .never {
            mustRetire(index, .released)
        } else if isDraining || pools[pool].isDraining {
            mustRetire(index, .draining)
        } else if let reason = reasonToRetire(members[index], now) {
            mustRetire(index, reason)
        } else {
            members[index].state = .resetting(isRunning: false)
        }
    }

    /// A member is free: for the first in the queue, or idle.
    mutating func offered(_ index: Int, _ now: MonotonicInstant) throws(Violation) {
        guard let pool = anyPage(members[index].pool) else { return }
        if isDraining || pools[pool].isDraining {
            mustRetire(index, .draining)
        } else if let reason = reasonToRetire(members[index], now), reason != .reconfigured {
            mustRetire(index, reason)
        } else if let first = next(in: pools[pool]) {
            mustGrant = (first.id, members[index].number)
        } else {
            idleCounter += 1
            members[index].state = .idle(since: now)
            members[index].idleOrder = idleCounter
            members[index].nextPing = nextPing(pool, now)
        }
    }

    /// Who gets the next member: the first in line; if that one is fair, of all fair ones whose client has the fewest leases that
    /// of the client who came into the line, or was served while it waited, longest ago, and of those the first.
    private func next(in page: PoolPage) -> Waiter? {
        guard let first = page.line.first, first.order.isFair else { return page.line.first }
        func leases(_ waiter: Waiter) -> Int {
            members.count { $0.lease != nil && $0.lease?.client == waiter.order.client }
        }
        func turn(_ waiter: Waiter) -> Int { waiter.order.client.flatMap { page.turns[$0] } ?? 0 }
        return page.line.enumerated().filter { $0.element.order.isFair }.min {
            (leases($0.element), turn($0.element), $0.offset) < (leases($1.element), turn($1.element), $1.offset)
        }?.element
    }

    private func waiters(of client: ClientID) -> Int {
        pools.reduce(0) { $0 + $1.line.count { $0.order.client == client } }
    }

    mutating func mustRetire(_ index: Int, _ reason: RetireReason) {
        duty[members[index].number] = reason
    }

    mutating func createFailed(_ index: Int, _ now: MonotonicInstant) {
        members[index].state = .cleaning
        if let pool = anyPage(members[index].pool) { failed(pool, now) }
    }

    mutating func failed(_ pool: Int, _ now: MonotonicInstant) {
        let until = now + pools[pool].settings.backoff
        pools[pool].breaker = .open(until: until)
        if lastFill?.pool == pools[pool].name { lastFill = nil }
        for waiter in pools[pool].line where waiter.deadline < until { mustRefuse.insert(waiter.id) }
    }

    mutating func gone(_ index: Int) {
        members.remove(at: index)
    }

    mutating func createBegins(
        _ order: FleetStateMachine.CreateOrder, number: Int, _ now: MonotonicInstant
    ) throws(Violation) {
        if let index = creating { throw Violation(rule: .sequential, detail: "\(members[index].id) is under way") }
        guard !isDraining else { throw Violation(rule: .drain, detail: "a create while draining") }
        guard let pool = page(order.pool), order.template == pools[pool].settings.template else {
            throw Violation(rule: .reload, detail: "a create for a pool that is not, or by another template")
        }
        if let violation = gate(pool, now) { throw violation }
        let others = pools.indices.filter { $0 != pool && !pools[$0].isRemoved && gate($0, now) == nil }
        if order.isOnDemand {
            guard wantsOnDemand(pool) else { throw Violation(rule: .wanted, detail: "nobody waits for it") }
            if lastServed == order.pool, let other = others.first(where: { wantsOnDemand($0) }) {
                throw Violation(rule: .turns, detail: "\(order.pool) twice, and \(pools[other].name) waits")
            }
            lastServed = order.pool
        } else {
            guard wantsFill(pool) else { throw Violation(rule: .wanted, detail: "\(order.pool) is full") }
            if let other = pools.indices.first(where: {
                !pools[$0].isRemoved && wantsOnDemand($0) && gate($0, now) == nil
            }) {
                throw Violation(
                    rule: .turns, detail: "\(order.pool) is filled while someone waits for \(pools[other].name)")
            }
            if others.contains(where: { wantsFill($0) }) {
                let run = lastFill?.pool == order.pool ? (lastFill?.run ?? 0) + 1 : 1
                lastFill = (order.pool, run)
                if run > pools[pool].settings.batch {
                    throw Violation(rule: .batch, detail: "\(run) in a row for \(order.pool) while another pool wants")
                }
            } else {
                lastFill = nil
            }
        }
        if case .open = pools[pool].breaker { pools[pool].breaker = .halfOpen }
        members.append(
            Member(
                id: order.member, number: number, pool: order.pool, generation: pools[pool].generation,
                memory: order.template.memoryBytes))
    }

    mutating func removalBegins(_ id: MemberID, _ now: MonotonicInstant) throws(Violation) {
        guard let index = index(id) else { throw Violation(rule: .books, detail: "\(id) is removed, and not there") }
        switch members[index].state {
        case .stoppingQueued(let attempt): members[index].state = .stoppingRunning(attempt: attempt)
        case .stoppingWaiting(let attempt, let until) where until <= now:
            members[index].state = .stoppingRunning(attempt: attempt)
        default: throw Violation(rule: .removal, detail: "\(id) is removed while it is \(members[index].state)")
        }
        guard removalsRunning <= fleet.maxConcurrentRemovals else {
            throw Violation(rule: .removal, detail: "\(removalsRunning) at the same time")
        }
    }

    mutating func resetBegins(_ id: MemberID) throws(Violation) {
        guard let index = index(id), case .resetting(false) = members[index].state else {
            throw Violation(rule: .reset, detail: "\(id) is reset, and was not released")
        }
        members[index].state = .resetting(isRunning: true)
        resetsRunning += 1
        guard resetsRunning <= fleet.maxConcurrentResets else {
            throw Violation(rule: .reset, detail: "\(resetsRunning) at the same time")
        }
    }

    mutating func pingBegins(_ id: MemberID, _ now: MonotonicInstant) throws(Violation) {
        guard let index = index(id), members[index].isIdle, !members[index].isPinging else {
            throw Violation(rule: .health, detail: "\(id) is pinged, and is not idle, or pinged already")
        }
        members[index].isPinging = true
        pingsRunning += 1
        guard pingsRunning <= fleet.maxConcurrentPings else {
            throw Violation(rule: .health, detail: "\(pingsRunning) at the same time")
        }
    }

    // MARK: The operator

    mutating func drain(_ pool: Int) {
        pools[pool].isDraining = true
        for waiter in pools[pool].line { mustRefuse.insert(waiter.id) }
        for index in members.indices where members[index].pool == pools[pool].name {
            if members[index].isIdle || members[index].isResetting { mustRetire(index, .draining) }
        }
    }

    mutating func reload(_ new: FleetConfiguration, _ now: MonotonicInstant) {
        guard !isDraining else { return }
        fleet = new
        // Turns begin anew.
        lastFill = nil
        lastServed = nil
        for settings in new.pools {
            guard let pool = anyPage(settings.name), !(pools[pool].isRemoved && count(settings.name) == 0) else {
                pools.removeAll { $0.name == settings.name }
                pools.append(PoolPage(settings))
                continue
            }
            let isRolling = pools[pool].settings.template != settings.template
            pools[pool].settings = settings
            pools[pool].isDraining = false
            pools[pool].isRemoved = false
            if case .fixed(let size) = settings.sizing { pools[pool].target = size }
            for index in members.indices where members[index].pool == settings.name {
                members[index].nextPing = nextPing(pool, now)
            }
            guard isRolling else { continue }
            for index in members.indices where members[index].pool == settings.name && members[index].isResetting {
                mustRetire(index, .reconfigured)
            }
            pools[pool].generation += 1
            pools[pool].breaker = .closed
        }
        for pool in pools.indices where !new.pools.contains(where: { $0.name == pools[pool].name }) {
            guard !pools[pool].isRemoved else { continue }
            pools[pool].isRemoved = true
            drain(pool)
        }
    }

    mutating func setTarget(_ snapshot: PoolSnapshot) throws(Violation) {
        guard let pool = page(snapshot.name) else { return }
        switch pools[pool].settings.sizing {
        case .fixed(let size):
            guard snapshot.target == size else {
                throw Violation(rule: .wanted, detail: "the target is \(snapshot.target), not \(size)")
            }
        case .adaptive(let min, let max):
            guard snapshot.target >= min, snapshot.target <= Swift.max(min, max) else {
                throw Violation(rule: .wanted, detail: "the target \(snapshot.target) is not in \(min)...\(max)")
            }
            pools[pool].target = snapshot.target
        }
    }
}
