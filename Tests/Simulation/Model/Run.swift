// SPDX-License-Identifier: Apache-2.0

package import Pool

/// A machine and its book, which live through one story.
package struct Run {
    /// Breaks the machine on purpose. It is called before (`isBefore`) and after each event, with the machine as it was
    /// before the event.
    package typealias Sabotage = (Event.Kind, Bool, FleetStateMachine, inout FleetStateMachine, MonotonicInstant) ->
        Void

    package internal(set) var machine: FleetStateMachine
    var book: Book
    var now = MonotonicInstant(nanoseconds: 1_000_000_000)
    let sabotage: Sabotage?
    var memberCounter = 0
    var waiterCounter: UInt64 = 0
    /// When the maintenance task would run by itself; nil if it was woken.
    var wake: MonotonicInstant?
    /// Resets and pings that were requested and not answered.
    var resets: [Int] = []
    var pings: [Int] = []
    var steps = 0
    var mostMembers = 0
    var mostWaiters = 0
    var isFinished = false

    package init(seed: UInt64, sabotage: Sabotage? = nil) {
        var random = Randomness(seed: seed)
        let fleet = Run.fleet(using: &random)
        machine = FleetStateMachine(fleet)
        book = Book(fleet)
        self.sabotage = sabotage
    }

    // MARK: The world

    static func pool(_ name: String, using random: inout Randomness) -> PoolConfiguration {
        let max = 1 + random.below(7)
        var pool = PoolConfiguration(
            name: name, template: MemberTemplate(image: "image\(random.below(2))", memoryBytes: 10), size: 0, max: max,
            batch: 1 + random.below(3))
        pool.size = random.below(max + 1)
        if random.chance(0.2) { pool.sizing = .adaptive(min: random.below(2), max: max) }
        if random.chance(0.2) { pool.template.memoryBytes = 20 }
        pool.reuse = random.chance(0.5) ? .reset : .never
        pool.backoff = .seconds(1 + random.below(300))
        pool.leaseTime = .seconds(1 + random.below(300))
        pool.maxAge = random.chance(0.5) ? .seconds(60 + random.below(600)) : nil
        pool.maxIdle = random.chance(0.3) ? .seconds(20 + random.below(300)) : nil
        pool.maxUses = random.chance(0.5) ? 1 + random.below(5) : nil
        pool.healthInterval = random.chance(0.6) ? .seconds(5 + random.below(60)) : nil
        pool.surplusInterval = .seconds(5 + random.below(30))
        return pool
    }

    static func fleet(using random: inout Randomness, like old: FleetConfiguration? = nil) -> FleetConfiguration {
        var pools: [PoolConfiguration] = []
        for name in ["a", "b", "c", "d"] where name == "a" || random.chance(0.6) {
            var fresh = Run.pool(name, using: &random)
            if let kept = old?.pools.first(where: { $0.name == name }), random.chance(0.5) {
                fresh.template = kept.template
            }
            pools.append(fresh)
        }
        var fleet = FleetConfiguration(pools: pools)
        fleet.max = 3 + random.below(16)
        if random.chance(0.4) { fleet.memoryBudgetBytes = Int64(40 + random.below(200)) }
        fleet.maxWaiters = 2 + random.below(10)
        fleet.defaultWait = .seconds(1 + random.below(30))
        fleet.maxWait = .seconds(30 + random.below(600))
        fleet.maxConcurrentRemovals = 1 + random.below(3)
        fleet.maxConcurrentResets = 1 + random.below(3)
        fleet.maxConcurrentPings = 1 + random.below(2)
        fleet.maxPerClient = random.chance(0.4) ? 1 + random.below(5) : nil
        return fleet
    }

    // MARK: Living

    /// - Throws: `Violation` if the reaction of the machine breaks a rule.
    package mutating func live(_ event: Event) throws(Violation) {
        guard !isFinished else { return }
        steps += 1
        if let sabotage {
            let before = machine
            sabotage(event.kind, true, before, &machine, now)
            try apply(event)
            sabotage(event.kind, false, before, &machine, now)
        } else {
            try apply(event)
        }
        if machine.takeNudge() { wake = nil }
        mostMembers = max(mostMembers, book.members.count)
        mostWaiters = max(mostWaiters, book.pools.reduce(0) { $0 + $1.line.count })
        try checkAlways()
    }

    /// Ends the story as a server ends: everything drains, and nothing may be left.
    package mutating func end() throws(Violation) {
        for kind in [Event.Kind.drain, .endLeases] {
            try live(Event(kind: kind, pick: 0, value: 0, fails: false))
        }
        for _ in 0..<2000 where !isFinished {
            for kind in [Event.Kind.maintain, .createEnds, .cleaningEnds, .resetEnds, .pingEnds, .removalEnds, .pass] {
                try live(Event(kind: kind, pick: 0, value: 4999, fails: false))
            }
        }
        guard isFinished else { throw Violation(rule: .drain, detail: "\(book.members.count) members are left") }
        guard machine.memberCount == 0, machine.usedMemoryBytes == 0, machine.leaseCount == 0 else {
            throw Violation(rule: .drain, detail: "the machine counts \(machine.memberCount) members at the end")
        }
    }

    private mutating func apply(_ event: Event) throws(Violation) {
        switch event.kind {
        case .maintain: try maintain()
        case .acquire: try acquire(event)
        case .burst:
            for offset in 0..<(4 + event.value % 12) {
                try acquire(Event(kind: .acquire, pick: event.pick &+ offset, value: event.value, fails: false))
            }
        case .cancelWaiter: try cancelWaiter(event)
        case .release: try release(event)
        case .releaseAgain, .useEnded: try useEnded(event)
        case .returnUnused: try returnUnused(event)
        case .use, .endUse, .renew: try useLease(event)
        case .closeConnection: try closeConnection(event)
        case .memberDies: try memberDies(event)
        case .evict: try evict(event)
        case .pass: now = now + .milliseconds(Int(event.value % 5000))
        case .jump: now = now + .seconds(Int(event.value % 7200))
        case .createEnds: try createEnds(event)
        // It hangs until it is given up, while the world goes on.
        case .createHangs:
            now = now + .seconds(60)
            try createEnds(event)
        case .cleaningEnds: try cleaningEnds(event)
        case .removalEnds: try removalEnds(event)
        case .resetEnds: try resetEnds(event)
        case .pingEnds: try pingEnds(event)
        case .resize, .resetBackoff, .drainPool, .reload, .drain, .endLeases: try operate(event)
        case .hostMemory:
            book.hostMemory = event.pick % 3 == 0 ? Int64(event.value % 40) : nil
            wake = nil
        }
    }

    func pick<T>(_ event: Event, from all: [T]) -> T? {
        all.isEmpty ? nil : all[Int(event.pick) % all.count]
    }

    // MARK: Leases

    private mutating func acquire(_ event: Event) throws(Violation) {
        waiterCounter += 1
        var random = Randomness(seed: waiterCounter)
        let names = ["", "a", "b", "c", "d"]
        var order = AcquireOrder(
            pool: names[Int(event.pick) % 5], token: LeaseToken(using: &random), waiter: WaiterID(waiterCounter),
            connection: ConnectionID(UInt64(event.value % 5)), isDetached: event.value % 7 == 0)
        switch event.value / 64 % 4 {
        case 0: order.wait = .seconds(Int(event.value / 256 % 600))
        case 1: order.wait = .milliseconds(Int(event.value / 256 % 2000))
        default: break
        }
        if event.value / 32 % 2 == 0 { order.leaseTime = .seconds(1 + Int(event.value / 1024 % 400)) }
        if event.value / 16 % 2 == 0 { order.client = ClientID("client\(event.value % 3)") }
        order.isFair = order.client != nil && event.value / 8 % 2 == 0
        let outcome = machine.acquire(order, now: now)
        try book.acquired(order, outcome, now)
        try read(machine.takeEffects())
    }

    private mutating func cancelWaiter(_ event: Event) throws(Violation) {
        let all = book.pools.flatMap { $0.line.map(\.id) }
        guard let id = pick(event, from: all) else { return }
        guard machine.cancelWaiter(id) else {
            throw Violation(rule: .waiterDeadline, detail: "waiter \(id.number) is not known any more")
        }
        for pool in book.pools.indices { book.pools[pool].line.removeAll { $0.id == id } }
        guard !machine.cancelWaiter(id) else {
            throw Violation(rule: .waiterDeadline, detail: "waiter \(id.number) was cancelled twice")
        }
        try read(machine.takeEffects())
    }

    private var leases: [Book.Lease] { book.members.compactMap(\.lease) }

    private mutating func release(_ event: Event) throws(Violation) {
        guard let lease = pick(event, from: leases), let index = book.index(of: lease.token) else { return }
        let isKnown = machine.release(lease.token, now: now)
        guard isKnown else { throw Violation(rule: .token, detail: "a living lease was not known to release") }
        try book.released(index, now)
        try read(machine.takeEffects())
    }

    private mutating func returnUnused(_ event: Event) throws(Violation) {
        guard let lease = pick(event, from: leases), let index = book.index(of: lease.token) else { return }
        machine.returnUnused(lease.token, now: now)
        if lease.isUsed {
            try book.released(index, now)
        } else {
            book.members[index].uses -= 1
            book.ended.append(lease.token)
            try book.offered(index, now)
        }
        try read(machine.takeEffects())
    }

    private mutating func useLease(_ event: Event) throws(Violation) {
        guard let lease = pick(event, from: leases), let index = book.index(of: lease.token) else { return }
        var changed = lease
        if event.kind == .endUse {
            guard lease.active > 0 else { return }
            machine.endUse(lease.token, now: now)
            changed.active -= 1
        } else {
            let begins = event.value % 2 == 0
            let use: FleetStateMachine.LeaseUse?
            if event.kind == .use {
                use = machine.use(lease.token, begins: begins, now: now)
                if begins { changed.active += 1 }
                changed.isUsed = true
            } else {
                let time: Duration? = begins ? .seconds(1 + Int(event.value / 2 % 100)) : nil
                use = machine.renew(lease.token, leaseTime: time, now: now)
                if let pool = book.anyPage(book.members[index].pool) {
                    changed.time = min(time ?? lease.time, book.pools[pool].settings.leaseTime)
                }
            }
            guard use?.member == book.members[index].id else {
                throw Violation(rule: .token, detail: "a living lease was not known, or is another member's")
            }
        }
        if !lease.isOrphaned { changed.expires = now + changed.time }
        book.members[index].state = .leased(changed)
        try read(machine.takeEffects())
    }

    private mutating func useEnded(_ event: Event) throws(Violation) {
        guard let token = pick(event, from: Array(book.ended.suffix(64))) else { return }
        if machine.use(token, begins: true, now: now) != nil || machine.renew(token, now: now) != nil {
            throw Violation(rule: .token, detail: "a lease that has ended was used")
        }
        let wasReleased = book.releasedTokens.contains(token)
        guard machine.release(token, now: now) == wasReleased else {
            throw Violation(rule: .token, detail: "a second release was answered \(!wasReleased)")
        }
        try read(machine.takeEffects())
    }

    private mutating func closeConnection(_ event: Event) throws(Violation) {
        let connection = UInt64(event.value % 5)
        machine.connectionClosed(ConnectionID(connection), now: now)
        for index in book.members.indices {
            guard var lease = book.members[index].lease, lease.connection == connection else { continue }
            lease.connection = nil
            lease.isOrphaned = true
            lease.expires = min(lease.expires, now + book.fleet.connectionGrace)
            book.members[index].state = .leased(lease)
        }
        try read(machine.takeEffects())
    }
}
