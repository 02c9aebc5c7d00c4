internal import DequeModule
internal import HeapModule

/// All decisions of the pools, without I/O, clock or randomness: events and the time go in, outcomes come out.
///
/// Every event is a `mutating func`. What it decides beyond its own outcome waits in `takeEffects()`; what is to be
/// created or removed is asked for with `next`, by the one maintenance task. `Fleet` is the shell around it.
///
/// No event walks over all members: each costs the same with 10 as with 10 000 of them.
public struct FleetStateMachine: Sendable {
    /// What is to be done for others because of an event, outside the lock, in this order.
    public enum Effect: Sendable {
        case grant(WaiterID, Grant)
        case refuse(WaiterID, AcquireError)
        case close(any MemberLink, LinkCloseReason)
        case event(PoolEvent)
    }

    /// A member's place: from the moment its create begins until the runtime has confirmed that it is gone.
    struct Slot: Sendable {
        var id: MemberID
        var pool: Int
        var state: SlotState
        var link: (any MemberLink)?
        /// What its pool's template was when it was created.
        var generation: Int
        var memoryBytes: Int64
        /// The earliest timer that is set for it.
        var timer: MonotonicInstant?
        /// When it answered its first ping.
        var readySince = MonotonicInstant(nanoseconds: 0)
        /// 0 to 1: its share of the pool's `ageJitter`.
        var jitter = 0.0
        var endOfLife = MonotonicInstant(nanoseconds: .max)
        var uses = 0
        var nextPing = MonotonicInstant(nanoseconds: .max)
        /// Its health ping is in line or under way.
        var isPinging = false
        /// It failed a ping while it was leased: retired as soon as the lease ends.
        var isUnhealthy = false
        /// Tells a place in the idle line that is still good from one left behind.
        var idleStamp: UInt64 = 0
        /// Neighbours in the list of leases of one connection.
        var previousOwned: Int?
        var nextOwned: Int?
    }

    enum SlotState: Sendable {
        /// No member; the slot waits to be used again.
        case free
        /// Its create is under way. → idle, leased (a waiter gets it at once), cleaning
        case starting(died: Bool)
        /// Its create failed, and what that left behind is being removed. → free, stopping
        case cleaning
        /// Ready to be leased. → leased, stopping
        case idle(since: MonotonicInstant)
        /// → stopping, resetting; → idle only when it was handed to a caller who had gone
        case leased(Lease)
        /// Released, and being made as new; false: it waits for its turn. → idle, leased, stopping
        case resetting(isRunning: Bool)
        /// To be removed, or being removed. → free
        case stopping(Removal)
    }

    struct Lease: Sendable {
        var token: LeaseToken
        var owner: ConnectionID?
        var client: ClientID?
        var time: Duration
        var expires: MonotonicInstant
        /// Executions that run in it: while there are any, time does not end it.
        var active = 0
        /// Its connection has closed: it ends at `expires`, in use or not.
        var isOrphaned = false
        /// A call on it was made: its member is not as good as new any more.
        var isUsed = false
    }

    enum Removal: Sendable {
        case queued(attempt: Int)
        case running(attempt: Int)
        case waiting(attempt: Int, until: MonotonicInstant)
    }

    struct Waiter: Sendable {
        var pool: Int
        var order: AcquireOrder
        var since: MonotonicInstant
        var deadline: MonotonicInstant
    }

    enum Breaker: Sendable, Equatable {
        /// Creates go on. → open
        case closed
        /// No create until then; the next one is the probe. → halfOpen
        case open(until: MonotonicInstant, RuntimeError)
        /// The probe is under way. → closed, open
        case halfOpen(RuntimeError)
    }

    struct PoolState: Sendable {
        var configuration: PoolConfiguration
        var breaker = Breaker.closed
        var failuresInRow = 0
        /// When a member died young and unused; nil: not since the last lease.
        var lastYoungDeath: MonotonicInstant?
        var starting = 0
        var idle = 0
        var leased = 0
        var resetting = 0
        var stopping = 0
        /// How many idle members there should be.
        var target: Int
        /// Counts the changes of the template; members of an earlier one are outdated.
        var generation = 0
        /// Those of `idle` that are outdated.
        var outdatedIdle = 0
        var idleLine = IdleLine()
        /// Handed out when no other is idle, and retired as new ones get warm.
        var outdatedLine = IdleLine()
        var demand = Demand()
        /// When the next member beyond the target goes; nil while there is none.
        var surplusDue: MonotonicInstant?
        var isDraining = false
        /// It is no longer configured, and goes when its last member has gone.
        var isRemoved = false
        var line: Deque<WaiterID> = []
        var waiting = 0
        var held: HeldReason?
        var filledInBatch = 0
        var creates: UInt64 = 0
        var createFailures: UInt64 = 0
        var leases: UInt64 = 0
        var removed: UInt64 = 0
        var recycled: UInt64 = 0
        var retired = [UInt64](repeating: 0, count: RetireReason.allCases.count)
        var latency = LatencyHistogram()

        init(_ configuration: PoolConfiguration) {
            self.configuration = configuration
            target = configuration.size
        }

        var members: Int { starting + idle + leased + resetting + stopping }
        /// Idle members, and those that will be in a moment.
        var supply: Int { idle - outdatedIdle + starting + resetting }
        var wantsFill: Bool { supply < target && !isDraining }
        /// Members that are being reset are about to serve the line: a create is for who is left over.
        var wantsOnDemand: Bool { waiting > resetting }
        var isVacant: Bool { isRemoved && members == 0 }
    }

    /// Slots in the order in which they became idle. A slot that is idle no longer, or again, leaves its place behind.
    struct IdleLine: Sendable {
        var places: Deque<(slot: Int, stamp: UInt64)> = []
    }

    struct Timer: Sendable, Comparable {
        enum Target: Sendable, Equatable {
            case slot(Int)
            case waiter(WaiterID)
        }
        var at: MonotonicInstant
        var target: Target
        static func < (a: Timer, b: Timer) -> Bool { a.at < b.at }
    }

    var configuration: FleetConfiguration
    var pools: [PoolState]
    var poolNamed: [String: Int]
    /// The pools as they are configured, the default pool first.
    var poolOrder: [Int]
    var slots: [Slot] = []
    var freeSlots: [Int] = []
    var slotOf: [MemberID: Int] = [:]
    var slotOfLease: [LeaseToken: Int] = [:]
    /// First slot in the list of each connection's leases.
    var firstOwned: [ConnectionID: Int] = [:]
    var released = RecentTokens(capacity: 4096)
    var waiters: [WaiterID: Waiter] = [:]
    /// Leases and waiters of each client that has any.
    var countOfClient: [ClientID: Int] = [:]
    var timers = Heap<Timer>()
    /// The one slot whose create, or the cleaning after it, is under way.
    var creating: Int?
    var removalLine: Deque<Int> = []
    var removalsRunning = 0
    var resetLine: Deque<MemberID> = []
    var resetsRunning = 0
    var pingLine: Deque<MemberID> = []
    var pingsRunning = 0
    var members = 0
    var usedMemory: Int64 = 0
    var nextServed = 0
    var nextFilled = 0
    var stamp: UInt64 = 0
    var isDraining = false
    private var effects: [Effect] = []
    private var wantsNudge = false

    public init(_ configuration: FleetConfiguration) {
        precondition(!configuration.pools.isEmpty, "a fleet has at least one pool")
        self.configuration = configuration
        pools = configuration.pools.map { PoolState($0) }
        poolOrder = Array(configuration.pools.indices)
        poolNamed = Dictionary(
            configuration.pools.enumerated().map { ($1.name, $0) }, uniquingKeysWith: { first, _ in first })
    }

    /// What the last events decided for others; empty afterwards.
    public mutating func takeEffects() -> [Effect] {
        guard !effects.isEmpty else { return [] }
        defer { effects = [] }
        return effects
    }

    /// Whether the maintenance task has something to do now; false afterwards.
    public mutating func takeNudge() -> Bool {
        defer { wantsNudge = false }
        return wantsNudge
    }

    mutating func emit(_ effect: Effect) { effects.append(effect) }
    mutating func nudge() { wantsNudge = true }

    // MARK: Slots

    mutating func makeSlot(_ id: MemberID, pool: Int) -> Int {
        precondition(slotOf[id] == nil, "member \(id) exists already")
        let memory = pools[pool].configuration.template.memoryBytes
        let slot = Slot(
            id: id, pool: pool, state: .starting(died: false), generation: pools[pool].generation, memoryBytes: memory)
        let index: Int
        if let free = freeSlots.popLast() {
            slots[free] = slot
            index = free
        } else {
            slots.append(slot)
            index = slots.count - 1
        }
        slotOf[id] = index
        pools[pool].starting += 1
        members += 1
        usedMemory += memory
        return index
    }

    /// The runtime has confirmed that the member is gone.
    mutating func freeSlot(_ index: Int) {
        let pool = slots[index].pool
        slotOf[slots[index].id] = nil
        slots[index].state = .free
        slots[index].link = nil
        slots[index].timer = nil
        pools[pool].removed += 1
        members -= 1
        usedMemory -= slots[index].memoryBytes
        freeSlots.append(index)
        emit(.event(.removed(slots[index].id, pool: pools[pool].configuration.name)))
        nudge()
    }

    // MARK: Timers

    mutating func setTimer(_ index: Int, at instant: MonotonicInstant) {
        if let set = slots[index].timer, set <= instant { return }
        slots[index].timer = instant
        // The maintenance task sleeps for longer than that.
        if timers.min.map({ instant < $0.at }) ?? true { nudge() }
        timers.insert(Timer(at: instant, target: .slot(index)))
        dropDeadTimers()
    }

    /// Timers are not taken out when what they were for goes away; this keeps the heap in proportion to the living.
    mutating func dropDeadTimers() {
        guard timers.count > 2 * (slots.count + waiters.count) + 64 else { return }
        timers = Heap(timers.unordered.filter(isLive))
    }

    func isLive(_ timer: Timer) -> Bool {
        switch timer.target {
        case .slot(let index): slots[index].timer == timer.at
        case .waiter(let id): waiters[id]?.deadline == timer.at
        }
    }

    // MARK: Views

    /// Members in all states, of all pools.
    public var memberCount: Int { members }

    /// Every member that the pool knows, in whatever state.
    public var knownMembers: [MemberID] { Array(slotOf.keys) }

    public var leaseCount: Int { slotOfLease.count }

    /// Timers that are set, those included that what they were for has made idle.
    public var timerCount: Int { timers.count }

    /// The sum of the memory limits of all members, in bytes.
    public var usedMemoryBytes: Int64 { usedMemory }
}
