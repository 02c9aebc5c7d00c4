// SPDX-License-Identifier: Apache-2.0

import Pool

/// Checks what must hold after every event.
extension Run {
    mutating func read(_ effects: [FleetStateMachine.Effect]) throws(Violation) { try book.read(effects, now) }

    func checkAlways() throws(Violation) {
        guard machine.memberCount == book.members.count else {
            throw Violation(rule: .books, detail: "\(machine.memberCount) members, not \(book.members.count)")
        }
        guard machine.usedMemoryBytes == book.memory else {
            throw Violation(rule: .memory, detail: "\(machine.usedMemoryBytes) bytes, not \(book.memory)")
        }
        let leases = book.members.reduce(0) { $0 + ($1.isLeased ? 1 : 0) }
        guard machine.leaseCount == leases else {
            throw Violation(rule: .token, detail: "\(machine.leaseCount) leases, not \(leases)")
        }
        guard machine.timerCount <= 2 * (mostMembers + mostWaiters) + 66 else {
            throw Violation(
                rule: .timers, detail: "\(machine.timerCount) for \(mostMembers) members and \(mostWaiters) waiters")
        }
        for page in book.pools where !page.line.isEmpty {
            guard book.count(page.name, { $0.isIdle }) == 0 else {
                throw Violation(rule: .idleOrWaiting, detail: "in \(page.name), where \(page.line.count) wait")
            }
        }
        if steps % 8 == 0 || sabotage != nil { try compare() }
    }

    /// Compares what the machine reports with the book.
    private func compare() throws(Violation) {
        guard Set(machine.knownMembers) == Set(book.members.map(\.id)) else {
            throw Violation(rule: .books, detail: "the machine knows other members")
        }
        for pool in machine.snapshot(now: now) {
            guard let index = book.anyPage(pool.name) else {
                throw Violation(rule: .reload, detail: "there is no pool \(pool.name)")
            }
            let page = book.pools[index]
            try compareCounts(pool, page)
            let isRight: Bool =
                switch (pool.breaker, page.breaker) {
                case (.closed, .closed), (.halfOpen, .halfOpen): true
                case (.open(_, let next), .open(let until)): next == max(.zero, until - now)
                default: false
                }
            guard isRight else {
                throw Violation(rule: .backoff, detail: "\(pool.name) is \(pool.breaker), not \(page.breaker)")
            }
            guard pool.oldestWait == page.line.first.map({ now - $0.since }) ?? .zero else {
                throw Violation(rule: .fifo, detail: "the oldest wait is \(pool.oldestWait)")
            }
        }
    }

    private func compareCounts(_ pool: PoolSnapshot, _ page: Book.PoolPage) throws(Violation) {
        let counts = [
            ("starting", pool.starting, book.count(pool.name) { $0.isStarting }),
            ("idle", pool.idle, book.count(pool.name) { $0.isIdle }),
            ("leased", pool.leased, book.count(pool.name) { $0.isLeased }),
            ("resetting", pool.resetting, book.count(pool.name) { $0.isResetting }),
            ("stopping", pool.stopping, book.count(pool.name) { $0.isStopping }),
            ("waiting", pool.waiters, page.line.count),
        ]
        for (state, told, known) in counts where told != known {
            throw Violation(rule: .books, detail: "\(told) \(state) in \(pool.name), not \(known)")
        }
        let outdated = book.count(pool.name) { $0.isIdle && $0.generation != page.generation }
        guard pool.outdated == outdated else {
            throw Violation(rule: .reload, detail: "\(pool.outdated) outdated in \(pool.name), not \(outdated)")
        }
    }
}
