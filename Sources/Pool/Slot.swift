// SPDX-License-Identifier: Apache-2.0

extension FleetStateMachine {
    typealias SlotIndex = Table<Slot>.Index

    /// The entry of a member, from the beginning of its create until the runtime has confirmed that it is gone.
    struct Slot: Sendable {
        let id: MemberID
        let pool: PoolIndex
        /// The generation of its pool's template that it was created from.
        let generation: Int
        let memoryBytes: Int64
        /// Changes by `move`, which counts.
        fileprivate(set) var state = SlotState.free
        /// The earliest timer that is set for it.
        var timer: MonotonicInstant?
        /// When it answered its first ping.
        var readySince = MonotonicInstant(nanoseconds: 0)
        /// 0 to 1: its share of the pool's `ageJitter`.
        var jitter = 0.0
        var endOfLife = MonotonicInstant(nanoseconds: .max)
        var uses = 0
        /// Whether a health ping is queued or in flight, even if the member has been leased since.
        var isPinging = false
        /// Whether it failed a ping while it was leased, so that it is retired when the lease ends.
        var isUnhealthy = false
        /// Until when what runs in it may go on, since the runtime takes it back; the largest time without an end, nil if it does
        /// not. It is not leased again.
        var evictionEnd: MonotonicInstant?
        /// While it is leased: its neighbours in the list of the owner's leases.
        var previousOwned: SlotIndex?
        var nextOwned: SlotIndex?

        init(id: MemberID, pool: PoolIndex, generation: Int, memoryBytes: Int64) {
            self.id = id
            self.pool = pool
            self.generation = generation
            self.memoryBytes = memoryBytes
        }

        /// What a release needs of the lease, without a copy of all of it; nil in another state.
        var leased: (link: any MemberLink, since: MonotonicInstant, isUsed: Bool)? {
            guard case .leased(let lease) = state else { return nil }
            return (lease.link, lease.since, lease.isUsed)
        }

        /// Sets the state and returns the old one.
        fileprivate mutating func exchange(_ new: consuming SlotState) -> SlotState {
            swap(&state, &new)
            return new
        }

        /// Changes the data of an idle member, which stays idle. Does nothing in another state.
        mutating func updateIdle(_ change: (inout Idle) -> Void) {
            guard case .idle(var idle) = state else { return }
            change(&idle)
            state = .idle(idle)
        }

        /// Changes the data of the lease, which continues. Returns nil in another state.
        @discardableResult
        mutating func updateLease(_ change: (inout Lease) -> Void) -> Lease? {
            guard case .leased(var lease) = state else { return nil }
            change(&lease)
            state = .leased(lease)
            return lease
        }
    }

    /// What a member is doing. Each state owns what is valid in it alone: only a member that is ready has a link.
    enum SlotState: Sendable {
        /// There is no member; the slot can be used again. → `starting`
        case free
        /// The create is in flight. `died`: the member's stream has ended before the create did.
        /// → `leased` by the first waiter, `idle` without one; `cleaning` when the create fails; `stopping` when the
        /// pool drains meanwhile
        case starting(died: Bool)
        /// The create has failed, and what it left behind is being removed. → `free`; `stopping` when that fails
        case cleaning
        /// Ready to be leased. → `leased`, `stopping`
        case idle(Idle)
        /// Leased. → `stopping`, or `resetting` if the pool reuses members; `leased` by the next waiter or `idle` only if the
        /// caller left before it got the lease
        case leased(Lease)
        /// Released, and being reset. → `leased` by the first waiter, `idle` without one; `stopping` if it is not proven
        /// clean, or no longer needed
        case resetting(Resetting)
        /// Given up: its link is closed, and it is removed until the runtime confirms that. → `free`
        case stopping(Removal)

        /// Whether the agent has answered, and the member is not given up.
        var isReady: Bool {
            switch self {
            case .idle, .leased, .resetting: true
            case .free, .starting, .cleaning, .stopping: false
            }
        }
    }

    struct Idle: Sendable {
        var link: any MemberLink
        var since: MonotonicInstant
        var nextPing: MonotonicInstant
        /// Distinguishes its place in the idle queue from earlier ones.
        var stamp: UInt64
    }

    struct Lease: Sendable {
        var link: any MemberLink
        var token: LeaseToken
        var owner: ConnectionID?
        var client: ClientID?
        /// When it was granted.
        var since: MonotonicInstant
        var time: Duration
        var expires: MonotonicInstant
        /// Number of running executions: while there are any, the lease does not expire.
        var active = 0
        /// Whether its connection has closed, so that it ends at `expires` even if it is in use.
        var isOrphaned = false
        /// Whether a call on it was made, so that its member is no longer unused.
        var isUsed = false
    }

    struct Resetting: Sendable {
        var link: any MemberLink
        /// Whether the reset is in flight, and not queued.
        var isInFlight = false
    }

    enum Removal: Sendable {
        /// → `inFlight`
        case queued(attempt: Int)
        /// → `waiting`, when it fails
        case inFlight(attempt: Int)
        /// Until the next attempt. → `queued`
        case waiting(attempt: Int, until: MonotonicInstant)
    }
}

// MARK: Changes of state

extension FleetStateMachine {
    /// The only way from one state to another. Every count of members, and the ledger of leases, is kept here.
    mutating func move(_ slot: SlotIndex, to state: SlotState) {
        // Taken out, and moved on: a state that is read in its place is copied whole for every look.
        let old = slots[slot].exchange(state)
        count(slot, old, by: -1)
        count(slot, state, by: 1)
        if case .leased(let lease) = consume old { strike(lease, slot) }
        if case .leased(let lease) = state { enter(lease.token, lease.owner, slot) }
    }

    private mutating func count(_ slot: SlotIndex, _ state: SlotState, by change: Int) {
        if case .free = state { return }
        if case .stopping(.inFlight) = state { removalsInFlight += change }
        pools[slots[slot].pool].count(state, generation: slots[slot].generation, by: change)
        members += change
        usedMemory += Int64(change) * slots[slot].memoryBytes
    }

    private mutating func enter(_ token: LeaseToken, _ owner: ConnectionID?, _ slot: SlotIndex) {
        slotOfLease[token] = slot
        guard let owner, let next = firstOwned.updateValue(slot, forKey: owner) else { return }
        slots[next].previousOwned = slot
        slots[slot].nextOwned = next
    }

    private mutating func strike(_ lease: Lease, _ slot: SlotIndex) {
        slotOfLease[lease.token] = nil
        discharge(lease.client)
        guard let owner = lease.owner else { return }
        let (previous, next) = (slots[slot].previousOwned, slots[slot].nextOwned)
        (slots[slot].previousOwned, slots[slot].nextOwned) = (nil, nil)
        if let previous { slots[previous].nextOwned = next } else { firstOwned[owner] = next }
        if let next { slots[next].previousOwned = previous }
    }

    /// A slot for a member whose create begins.
    mutating func makeSlot(
        _ id: MemberID, pool: PoolIndex, generation: Int? = nil, memoryBytes: Int64? = nil
    ) -> SlotIndex {
        precondition(slotOf[id] == nil, "member \(id) exists already")
        let new = Slot(
            id: id, pool: pool, generation: generation ?? pools[pool].generation,
            memoryBytes: memoryBytes ?? pools[pool].configuration.template.memoryBytes)
        let slot: SlotIndex
        if let free = freeSlots.popLast() {
            slots[free] = new
            slot = free
        } else {
            slot = slots.append(new)
        }
        slotOf[id] = slot
        move(slot, to: .starting(died: false))
        return slot
    }

    /// The runtime has confirmed that the member is gone.
    mutating func freeSlot(_ slot: SlotIndex) {
        let (id, pool) = (slots[slot].id, slots[slot].pool)
        move(slot, to: .free)
        slots[slot].timer = nil
        slotOf[id] = nil
        freeSlots.append(slot)
        pools[pool].removed += 1
        emit(.event(.removed(id, pool: pools[pool].configuration.name)))
        nudge()
    }

    /// Whether it was created from an earlier template of its pool.
    func isOutdated(_ slot: SlotIndex) -> Bool {
        slots[slot].generation != pools[slots[slot].pool].generation
    }
}
