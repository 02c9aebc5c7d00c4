// SPDX-License-Identifier: Apache-2.0

import Pool

/// A broken rule, and how it was broken.
package struct Violation: Error, CustomStringConvertible {
    package var rule: Rule
    package var detail: String
    package var description: String { "\(rule.rawValue): \(detail)" }
}

/// The rules of the pool that are checked.
package enum Rule: String, Sendable, CaseIterable {
    case poolMax = "members of a pool never exceed its max"
    case fleetMax = "members of all pools never exceed the server's max"
    case memory = "memory limits of all members never exceed the budget or the host"
    case sequential = "one create at a time"
    case breaker = "nothing is created while the breaker is open, and one probe after"
    case backoff = "the backoff counts from the failure, to the nanosecond"
    case wanted = "nothing is created that nobody wants"
    case batch = "after a batch another pool has its turn"
    case turns = "pools with waiters are served in turn"
    case fifo = "waiters are served first in, first out"
    case waiterDeadline = "no waiter is forgotten past its deadline"
    case waiterRefusal = "a waiter is refused only for a reason"
    case acquire = "an acquire is answered as the rules say"
    case longestIdle = "the longest-idle healthy member is handed out"
    case idleOrWaiting = "no member is idle while someone waits"
    case leaseEnd = "no lease outlives its time or its grace, and none ends early"
    case token = "a token is good for its lease, and for nothing after"
    case client = "a client has no more than its share"
    case books = "no member is lost or doubled"
    case removal = "removals are bounded, and repeated until confirmed"
    case reset = "a reset member is proven before it is idle again"
    case health = "idle members are asked for their health, and retired on failure"
    case evict = "a member that is taken back is leased to nobody else, and its lease ends with the grace"
    case retire = "a member is retired when it is time, and not before"
    case reload = "outdated members go as new ones get warm"
    case links = "a link is closed once, when its member is given up"
    case timers = "timers are bounded"
    case wake = "the maintenance task never sleeps past what is due"
    case nudge = "what has to be done at once is told by a nudge"
    case liveness = "what can be done is done"
    case drain = "draining comes to its end"
}

/// The server's end of a member that does not exist.
final class SimulatedLink: MemberLink {
    let number: Int
    init(_ number: Int) { self.number = number }
    func close(_ reason: LinkCloseReason) {}
}

/// The reference: the rules, written a second time without any optimization of the machine: arrays that are searched
/// from end to end.
struct Book {
    struct Lease {
        var token: LeaseToken
        var connection: UInt64?
        var client: ClientID?
        var time: Duration
        var expires: MonotonicInstant
        var active = 0
        var isOrphaned = false
        var isUsed = false
    }

    enum State {
        case starting
        case cleaning
        case idle(since: MonotonicInstant)
        case leased(Lease)
        case resetting(isRunning: Bool)
        case stoppingQueued(attempt: Int)
        case stoppingRunning(attempt: Int)
        case stoppingWaiting(attempt: Int, until: MonotonicInstant)
    }

    struct Member {
        var id: MemberID
        var number: Int
        var pool: String
        var generation: Int
        var memory: Int64
        var state = State.starting
        var hasDied = false
        var ready = MonotonicInstant(nanoseconds: 0)
        var jitter = 0.0
        var uses = 0
        var isUnhealthy = false
        /// Until when what runs in it may go on, since the runtime takes it back; nil if it does not.
        var evictionEnd: MonotonicInstant?
        /// Its number in the order in which members became idle.
        var idleOrder = 0
        var nextPing = MonotonicInstant(nanoseconds: .max)
        var isPinging = false
    }

    struct Waiter {
        var id: WaiterID
        var order: AcquireOrder
        var since: MonotonicInstant
        var deadline: MonotonicInstant
    }

    enum Breaker: Equatable {
        case closed
        case open(until: MonotonicInstant)
        case halfOpen
    }

    struct PoolPage {
        var settings: PoolConfiguration
        var generation = 0
        var breaker = Breaker.closed
        var lastYoungDeath: MonotonicInstant?
        var line: [Waiter] = []
        /// When each client of fair waiters came into the line, or was served while it waited: lower is longer ago.
        var turns: [ClientID: Int] = [:]
        var lastTurn = 0
        var isDraining = false
        var isRemoved = false
        var target: Int

        init(_ settings: PoolConfiguration) {
            self.settings = settings
            target = settings.size
        }
        var name: String { settings.name }

        mutating func takeTurn(_ client: ClientID) {
            lastTurn += 1
            turns[client] = lastTurn
        }
    }

    var fleet: FleetConfiguration
    var pools: [PoolPage]
    var members: [Member] = []
    /// Leases that have ended, and those of them that were released: releasing these again is not an error.
    var ended: [LeaseToken] = []
    var releasedTokens: Set<LeaseToken> = []
    /// What the event must cause before it is over.
    var duty: [Int: RetireReason] = [:]
    var mustGrant: (waiter: WaiterID, number: Int)?
    var mustRefuse: Set<WaiterID> = []
    var isDraining = false
    var hostMemory: Int64?
    var idleCounter = 0
    var removalsRunning: Int { members.reduce(0) { $0 + ($1.isRemoving ? 1 : 0) } }
    var resetsRunning = 0
    var pingsRunning = 0
    var lastFill: (pool: String, run: Int)?
    var lastServed: String?
    var openLinks: Set<Int> = []

    init(_ fleet: FleetConfiguration) {
        self.fleet = fleet
        pools = fleet.pools.map(PoolPage.init)
    }

    // MARK: Looking up

    func page(_ name: String) -> Int? { pools.firstIndex { $0.name == name && !$0.isRemoved } }
    func anyPage(_ name: String) -> Int? { page(name) ?? pools.firstIndex { $0.name == name } }
    func index(_ number: Int) -> Int? { members.firstIndex { $0.number == number } }
    func index(_ id: MemberID) -> Int? { members.firstIndex { $0.id == id } }
    func index(of token: LeaseToken) -> Int? { members.firstIndex { $0.lease?.token == token } }
    var creating: Int? { members.firstIndex { $0.isStarting || $0.isCleaning } }
    var memory: Int64 { members.reduce(0) { $0 + $1.memory } }

    func count(_ pool: String, _ condition: (Member) -> Bool = { _ in true }) -> Int {
        members.reduce(0) { $0 + ($1.pool == pool && condition($1) ? 1 : 0) }
    }

    func isFresh(_ member: Member) -> Bool {
        anyPage(member.pool).map { pools[$0].generation == member.generation } ?? false
    }

    func supply(_ pool: Int) -> Int {
        let page = pools[pool]
        return count(page.name) { $0.isStarting || $0.isResetting || $0.isIdle && $0.generation == page.generation }
    }

    func wantsFill(_ pool: Int) -> Bool { supply(pool) < pools[pool].target && !pools[pool].isDraining }
    func wantsOnDemand(_ pool: Int) -> Bool {
        !pools[pool].line.isEmpty && pools[pool].line.count > count(pools[pool].name) { $0.isResetting }
    }

    /// Whether a limit or the breaker forbids a create.
    func gate(_ pool: Int, _ now: MonotonicInstant) -> Violation? {
        let page = pools[pool]
        if case .open(let until) = page.breaker, now < until {
            return Violation(rule: .breaker, detail: "\(page.name) is open for another \(until - now)")
        }
        if case .halfOpen = page.breaker {
            return Violation(rule: .breaker, detail: "\(page.name): a probe is under way")
        }
        return limit(pool)
    }

    func limit(_ pool: Int) -> Violation? {
        let page = pools[pool]
        let inPool = count(page.name)
        if inPool >= page.settings.max { return Violation(rule: .poolMax, detail: "\(page.name) has \(inPool)") }
        if members.count >= fleet.max { return Violation(rule: .fleetMax, detail: "there are \(members.count)") }
        let needed = page.settings.template.memoryBytes
        if memory + needed > fleet.memoryBudgetBytes {
            return Violation(rule: .memory, detail: "\(memory) and \(needed) are over \(fleet.memoryBudgetBytes)")
        }
        if let hostMemory, hostMemory < needed {
            return Violation(rule: .memory, detail: "the host has \(hostMemory) for \(needed)")
        }
        return nil
    }

    func endOfLife(_ member: Member) -> MonotonicInstant? {
        guard let pool = anyPage(member.pool), let age = pools[pool].settings.maxAge else { return nil }
        return member.ready + age * (1 - pools[pool].settings.ageJitter * member.jitter)
    }

    func nextPing(_ pool: Int, _ now: MonotonicInstant) -> MonotonicInstant {
        pools[pool].settings.healthInterval.map { now + $0 } ?? MonotonicInstant(nanoseconds: .max)
    }

    func reasonToRetire(_ member: Member, _ now: MonotonicInstant) -> RetireReason? {
        guard let pool = anyPage(member.pool) else { return .draining }
        if member.evictionEnd != nil { return .evicted }
        if member.isUnhealthy { return .unhealthy }
        if let most = pools[pool].settings.maxUses, member.uses >= most { return .uses }
        if let end = endOfLife(member), end <= now { return .age }
        if !isFresh(member) { return .reconfigured }
        return nil
    }

    func clientCount(_ client: ClientID) -> Int {
        members.reduce(0) { $0 + ($1.lease?.client == client ? 1 : 0) }
            + pools.reduce(0) { $0 + $1.line.reduce(0) { $0 + ($1.order.client == client ? 1 : 0) } }
    }
}

extension Book.Member {
    var lease: Book.Lease? {
        if case .leased(let lease) = state { lease } else { nil }
    }
    var isStarting: Bool {
        if case .starting = state { true } else { false }
    }
    var isCleaning: Bool {
        if case .cleaning = state { true } else { false }
    }
    var isIdle: Bool {
        if case .idle = state { true } else { false }
    }
    var isLeased: Bool {
        if case .leased = state { true } else { false }
    }
    var isResetting: Bool {
        if case .resetting = state { true } else { false }
    }
    var isRemoving: Bool {
        if case .stoppingRunning = state { true } else { false }
    }
    var isStopping: Bool {
        switch state {
        case .cleaning, .stoppingQueued, .stoppingRunning, .stoppingWaiting: true
        case .starting, .idle, .leased, .resetting: false
        }
    }
}
