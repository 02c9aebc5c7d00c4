// SPDX-License-Identifier: Apache-2.0

import Pool

/// The actions of the runtime, the members and the operator.
extension Run {
    mutating func createEnds(_ event: Event) throws(Violation) {
        guard let index = book.creating, book.members[index].isStarting else { return }
        let member = book.members[index]
        let error = RuntimeError(.failed, "as the story says")
        guard !event.fails else {
            machine.createFailed(member.id, error, now: now)
            book.createFailed(index, now)
            return try read(machine.takeEffects())
        }
        let jitter = Double(event.value % 1000) / 1000
        let isReady = machine.createSucceeded(
            member.id, link: SimulatedLink(member.number), took: .milliseconds(Int(event.value % 3000)), jitter: jitter,
            now: now)
        guard isReady != member.hasDied else {
            throw Violation(rule: .longestIdle, detail: "a member that died while it was created counts as ready")
        }
        book.openLinks.insert(member.number)
        if isReady {
            book.members[index].ready = now
            book.members[index].jitter = jitter
            if let pool = book.anyPage(member.pool), book.pools[pool].breaker == .halfOpen {
                book.pools[pool].breaker = .closed
            }
            try book.offered(index, now)
        } else {
            book.createFailed(index, now)
        }
        try read(machine.takeEffects())
    }

    mutating func cleaningEnds(_ event: Event) throws(Violation) {
        guard let index = book.creating, book.members[index].isCleaning else { return }
        machine.createCleaned(book.members[index].id, event.fails ? RuntimeError(.failed, "stuck") : nil, now: now)
        if event.fails {
            book.members[index].state = .stoppingWaiting(attempt: 1, until: now + .seconds(1))
        } else {
            book.gone(index)
        }
        try read(machine.takeEffects())
    }

    mutating func removalEnds(_ event: Event) throws(Violation) {
        let all = book.members.filter(\.isRemoving)
        guard let member = pick(event, from: all), case .stoppingRunning(let attempt) = member.state,
            let index = book.index(member.number)
        else { return }
        machine.removalFinished(member.id, event.fails ? RuntimeError(.failed, "stuck") : nil, now: now)
        if event.fails {
            let delay = min(60, 1 << min(attempt, 6))
            book.members[index].state = .stoppingWaiting(attempt: attempt + 1, until: now + .seconds(delay))
        } else {
            book.gone(index)
        }
        try read(machine.takeEffects())
    }

    mutating func resetEnds(_ event: Event) throws(Violation) {
        guard let number = pick(event, from: resets) else { return }
        resets.removeAll { $0 == number }
        machine.resetFinished(
            MemberID("m\(number)"), event.fails ? .failed("not clean, as the story says") : nil, now: now)
        book.resetsRunning -= 1
        if let index = book.index(number), book.members[index].isResetting {
            if event.fails {
                book.mustRetire(index, .resetFailed)
            } else {
                try book.offered(index, now)
            }
        }
        try read(machine.takeEffects())
    }

    mutating func pingEnds(_ event: Event) throws(Violation) {
        guard let number = pick(event, from: pings) else { return }
        pings.removeAll { $0 == number }
        machine.pingFinished(
            MemberID("m\(number)"), event.fails ? .failed("not well, as the story says") : nil, now: now)
        book.pingsRunning -= 1
        if let index = book.index(number) {
            book.members[index].isPinging = false
            if event.fails, !book.members[index].isStopping {
                book.members[index].isUnhealthy = true
                if book.members[index].isIdle { book.mustRetire(index, .unhealthy) }
            } else if book.members[index].isIdle, let pool = book.anyPage(book.members[index].pool) {
                book.members[index].nextPing = book.nextPing(pool, now)
            }
        }
        try read(machine.takeEffects())
    }

    mutating func memberDies(_ event: Event) throws(Violation) {
        guard let member = pick(event, from: book.members), let index = book.index(member.number) else { return }
        // Later stories: a stream ends after the pool itself has closed it, too.
        machine.memberDied(member.id, now: now)
        if !member.isStopping {
            if member.isStarting {
                book.members[index].hasDied = true
            } else {
                book.mustRetire(index, member.evictionEnd == nil ? .died : .evicted)
                let life = now - member.ready
                if member.isIdle, member.uses == 0, let pool = book.anyPage(member.pool),
                    life < book.pools[pool].settings.minLife, !book.isDraining, !book.pools[pool].isDraining,
                    book.isFresh(member)
                {
                    let last = book.pools[pool].lastYoungDeath
                    book.pools[pool].lastYoungDeath = now
                    if let last, now - last <= book.pools[pool].settings.backoff * 2 { book.failed(pool, now) }
                }
            }
        }
        try read(machine.takeEffects())
    }

    mutating func evict(_ event: Event) throws(Violation) {
        guard let member = pick(event, from: book.members), let index = book.index(member.number) else { return }
        let grace: Duration? = event.value % 3 == 0 ? nil : .milliseconds(Int(event.value / 4 % 60_000))
        machine.evict(member.id, Eviction("as the story says", grace: grace), now: now)
        if !member.isStopping {
            let end = grace.map { now + $0 } ?? MonotonicInstant(nanoseconds: .max)
            book.members[index].evictionEnd = min(end, member.evictionEnd ?? end)
            if member.isIdle || member.isResetting { book.mustRetire(index, .evicted) }
        }
        try read(machine.takeEffects())
    }

    mutating func operate(_ event: Event) throws(Violation) {
        let name = ["a", "b", "c", "d"][Int(event.pick) % 4]
        let pool = book.page(name)
        switch event.kind {
        case .resize:
            let size: Int? = event.value % 3 == 0 ? nil : Int(event.value / 4 % 6)
            let most: Int? = event.value % 2 == 0 ? nil : 1 + Int(event.value / 64 % 7)
            let isKnown = machine.resize(pool: name, size: size, max: most, now: now)
            guard isKnown == (pool != nil) else { throw Violation(rule: .acquire, detail: "resize of \(name)") }
            if let pool {
                if let size { book.pools[pool].settings.size = size }
                if let most { book.pools[pool].settings.max = most }
                if case .fixed(let size) = book.pools[pool].settings.sizing { book.pools[pool].target = size }
            }
        case .resetBackoff:
            _ = machine.resetBackoff(pool: event.value % 4 == 0 ? nil : name, now: now)
            for index in book.pools.indices where event.value % 4 == 0 || index == pool {
                book.pools[index].breaker = .closed
            }
        case .drainPool:
            _ = machine.drainPool(name, now: now)
            if let pool { book.drain(pool) }
        case .reload:
            var random = Randomness(seed: UInt64(event.pick) << 32 | UInt64(event.value))
            let new = Run.fleet(using: &random, like: book.fleet)
            machine.reload(new, now: now)
            book.reload(new, now)
        case .drain:
            machine.drain(now: now)
            book.isDraining = true
            for pool in book.pools.indices { book.drain(pool) }
        default:
            machine.endLeases(now: now)
            for index in book.members.indices where book.members[index].isLeased { book.mustRetire(index, .draining) }
        }
        try read(machine.takeEffects())
    }

    // MARK: Maintenance

    mutating func maintain() throws(Violation) {
        let isDue = wake.map { $0 <= now } ?? true
        let counter = memberCounter
        let hostMemory = book.hostMemory
        let step = machine.next(
            now: now,
            newMember: {
                memberCounter += 1
                return MemberID("m\(memberCounter)")
            }, hostMemory: { hostMemory })
        let effects = machine.takeEffects()
        for pool in machine.snapshot(now: now) { try book.setTarget(pool) }
        if !isDue, step.create != nil || !step.removals.isEmpty || !step.resets.isEmpty || !step.pings.isEmpty {
            let isDemand = book.pools.contains { page in
                if case .adaptive = page.settings.sizing { true } else { false }
            }
            // Demand changes with time alone, and has no timer of its own but the tick.
            if !isDemand { throw Violation(rule: .nudge, detail: "there was work that nobody was told of: \(step)") }
        }
        try read(effects)
        for id in step.removals { try book.removalBegins(id, now) }
        for order in step.resets {
            try book.resetBegins(order.member)
            if let index = book.index(order.member) { resets.append(book.members[index].number) }
        }
        for order in step.pings {
            try book.pingBegins(order.member, now)
            if let index = book.index(order.member) { pings.append(book.members[index].number) }
        }
        if let order = step.create {
            guard memberCounter == counter + 1 else {
                throw Violation(rule: .books, detail: "\(memberCounter - counter) names for one create")
            }
            try book.createBegins(order, number: memberCounter, now)
        }
        if step.isFinished {
            guard book.isDraining, book.members.isEmpty else {
                throw Violation(rule: .drain, detail: "finished with \(book.members.count) members left")
            }
            isFinished = true
        }
        try book.checkAfterMaintenance(step, now)
        _ = machine.takeNudge()
        wake = step.wake
    }
}
