// SPDX-License-Identifier: Apache-2.0

internal import DequeModule
internal import HeapModule

/// All decisions of the pools, without I/O, clock or randomness: events and the time go in, outcomes come out.
///
/// Every event is a `mutating func`. What it decides for others waits in `takeEffects()`; what to create or remove, the
/// maintenance task asks for with `next`. `Fleet` is the shell around it.
///
/// No event visits all members, so each costs the same with 10 as with 10 000 of them.
public struct FleetStateMachine: Sendable {
    /// What to do for others because of an event, outside the lock, in this order.
    public enum Effect: Sendable {
        case grant(WaiterID, Grant)
        case refuse(WaiterID, AcquireError)
        case close(any MemberLink, LinkCloseReason)
        /// The member's stream may end soon, and why.
        case foretell(any MemberLink, String)
        case event(PoolEvent)
    }

    struct Waiter: Sendable {
        var pool: PoolIndex
        var order: AcquireOrder
        var since: MonotonicInstant
        var deadline: MonotonicInstant
    }

    struct Timer: Sendable, Comparable {
        enum Target: Sendable, Equatable {
            case slot(SlotIndex)
            case waiter(WaiterID)
        }
        var at: MonotonicInstant
        var target: Target
        static func < (a: Timer, b: Timer) -> Bool { a.at < b.at }
    }

    var configuration: FleetConfiguration
    var pools: Table<PoolState>
    var poolNamed: [String: PoolIndex]
    /// The pools in the configured order, the default pool first.
    var poolOrder: [PoolIndex]
    var slots = Table<Slot>()
    var freeSlots: [SlotIndex] = []
    var slotOf: [MemberID: SlotIndex] = [:]
    var slotOfLease: [LeaseToken: SlotIndex] = [:]
    /// First slot in the list of each connection's leases.
    var firstOwned: [ConnectionID: SlotIndex] = [:]
    var released = RecentTokens(capacity: 4096)
    var waiters: [WaiterID: Waiter] = [:]
    /// Waiters of each client that has any.
    var waitingOfClient: [ClientID: Int] = [:]
    /// Leases and waiters of each client that has any.
    var countOfClient: [ClientID: Int] = [:]
    var timers = Heap<Timer>()
    /// The slot whose create, or cleaning after it, is in flight.
    var creating: SlotIndex?
    var removalQueue: Deque<SlotIndex> = []
    var resetQueue: Deque<MemberID> = []
    /// Resets that were requested and not reported, including those of members that have died since.
    var resetsInFlight = 0
    var pingQueue: Deque<MemberID> = []
    /// Pings, counted in the same way.
    var pingsInFlight = 0
    // Of all pools together: counted by `move` alone.
    var members = 0
    var usedMemory: Int64 = 0
    var removalsInFlight = 0
    /// The pools whose turn it is: to have a waiter served, and to be filled.
    var nextServed = PoolIndex(0)
    var nextFilled = PoolIndex(0)
    var stamp: UInt64 = 0
    var isDraining = false
    private var effects: [Effect] = []
    private var wantsNudge = false

    public init(_ configuration: FleetConfiguration) {
        precondition(!configuration.pools.isEmpty, "a fleet has at least one pool")
        self.configuration = configuration
        let pools = Table(configuration.pools.map { PoolState($0) })
        self.pools = pools
        poolOrder = Array(pools.indices)
        poolNamed = Dictionary(
            pools.indices.map { (pools[$0].configuration.name, $0) }, uniquingKeysWith: { first, _ in first })
    }

    /// Removes and returns what the last events decided for others.
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

    // MARK: Timers

    mutating func setTimer(_ slot: SlotIndex, at instant: MonotonicInstant) {
        if let set = slots[slot].timer, set <= instant { return }
        slots[slot].timer = instant
        // The maintenance task sleeps for longer than that.
        if timers.min.map({ instant < $0.at }) ?? true { nudge() }
        timers.insert(Timer(at: instant, target: .slot(slot)))
        dropDeadTimers()
    }

    /// A timer stays in the heap when its purpose is gone; this keeps the heap in proportion to the timers still needed.
    mutating func dropDeadTimers() {
        guard timers.count > 2 * (slots.count + waiters.count) + 64 else { return }
        timers = Heap(timers.unordered.filter(isLive))
    }

    func isLive(_ timer: Timer) -> Bool {
        switch timer.target {
        case .slot(let slot): slots[slot].timer == timer.at
        case .waiter(let id): waiters[id]?.deadline == timer.at
        }
    }

    // MARK: Views

    /// Members in all states, of all pools.
    public var memberCount: Int { members }

    /// Every member that the pool knows, in whatever state.
    public var knownMembers: [MemberID] { Array(slotOf.keys) }

    public var leaseCount: Int { slotOfLease.count }

    /// Timers that are set, including those whose purpose is gone.
    public var timerCount: Int { timers.count }

    /// The sum of the memory limits of all members, in bytes.
    public var usedMemoryBytes: Int64 { usedMemory }
}
