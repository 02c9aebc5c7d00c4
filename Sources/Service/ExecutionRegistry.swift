// SPDX-License-Identifier: Apache-2.0

internal import Pool
internal import Synchronization

/// All executions by id, for calls other than their streams: running ones, and ended ones that are kept for a while.
final class ExecutionRegistry: Sendable {
    /// Limits for what is kept. The execution that ended first is dropped first.
    struct Limits: Sendable {
        /// Maximum number for one lease, or for one client's executions without a lease.
        var keptPerOwner = 64
        var kept = 4096
        /// Maximum bytes of output of all together.
        var keptBytes = 64 << 20
        /// How long the output of an ended execution is held for a client that does not read it.
        var unreadTime = Duration.seconds(600)
        /// Maximum number of ids remembered after they were dropped, for `was`.
        var remembered = 1024
    }

    fileprivate enum Owner: Hashable {
        case lease(LeaseToken)
        case client(ClientID)
    }

    fileprivate struct Kept {
        var execution: ServedExecution
        var bytes: Int
    }

    fileprivate struct State {
        var executions: [String: ServedExecution] = [:]
        /// The executions of each lease, in the order of their requests.
        var ofLease: [LeaseToken: [ServedExecution]] = [:]
        var running = 0
        /// The kept executions by a number that counts ends; `keptNumbers` has the numbers.
        var kept: [UInt64: Kept] = [:]
        var keptNumbers: [String: UInt64] = [:]
        var ofOwner: [Owner: [UInt64]] = [:]
        var keptBytes = 0
        var ends: UInt64 = 0
        /// No kept execution has a smaller number.
        var oldest: UInt64 = 1
        /// The ids that were dropped last, with their leases and clients; and their order.
        var gone: [String: (lease: LeaseToken?, client: ClientID)] = [:]
        var goneOrder: [String] = []
        var goneNext = 0
        var isLooking = false
    }

    fileprivate let state = Mutex(State())
    private let limits: Limits
    private let frozen = Mutex(false)
    private let clock: any MonotonicClock

    init(limits: Limits = Limits(), clock: any MonotonicClock) {
        self.limits = limits
        self.clock = clock
    }

    /// Number of running executions.
    var count: Int { state.withLock { $0.running } }

    /// Nothing is done because time has passed, until it goes on.
    var isFrozen: Bool {
        get { frozen.withLock { $0 } }
        set { frozen.withLock { $0 = newValue } }
    }
    static let frozenInterval = Duration.milliseconds(5)

    /// - Parameter hasEnded: whether it has, in the program that it comes from.
    func insert(_ execution: ServedExecution, hasEnded: Bool = false) {
        let begins = state.withLock { state in
            defer { state.isLooking = true }
            state.executions[execution.id] = execution
            if let lease = execution.order.lease { state.ofLease[lease, default: []].append(execution) }
            if !hasEnded { state.running += 1 }
            return !state.isLooking
        }
        if begins { Task { [weak self, clock] in await ExecutionRegistry.look(clock) { self } } }
    }

    /// How often the registry checks whether output is read.
    static let lookInterval = Duration.seconds(5)

    /// Checks as long as there are executions: one task for all, so that none needs a timer of its own.
    private static func look(_ clock: any MonotonicClock, _ registry: () -> ExecutionRegistry?) async {
        repeat {
            do { try await clock.sleep(until: clock.now() + lookInterval) } catch { return }
        } while registry()?.look() == true
    }

    private func look() -> Bool {
        let executions = state.withLock { state in
            state.isLooking = !state.executions.isEmpty
            return Array(state.executions.values)
        }
        for execution in executions where !isFrozen { execution.look(limit: limits.unreadTime) }
        return !executions.isEmpty
    }

    /// - Parameters:
    ///   - lease: the lease it runs or ran in.
    ///   - tenant: whose it must be; nil: whoever knows its id may have it.
    func find(_ id: String, lease: LeaseToken?, of tenant: ClientID? = nil) -> ServedExecution? {
        state.withLock { state in
            guard let execution = state.executions[id], execution.order.lease == lease,
                tenant == nil || execution.order.client == tenant
            else { return nil }
            return execution
        }
    }

    /// Whether the execution existed recently: a call that was in flight when it ended is not an error.
    func was(_ id: String, lease: LeaseToken?, of tenant: ClientID? = nil) -> Bool {
        state.withLock { state in
            state.gone[id].map { $0.lease == lease && (tenant == nil || $0.client == tenant) } ?? false
        }
    }

    /// The executions of a lease, oldest first.
    func list(_ lease: LeaseToken) -> [ServedExecution] { state.withLock { $0.ofLease[lease] ?? [] } }

    /// The program has ended.
    func ended(_ execution: ServedExecution) { state.withLock { $0.running -= 1 } }

    /// Keeps an execution that has ended, so that it can be found for a while.
    func keep(_ execution: ServedExecution, bytes: Int) {
        let excess = state.withLock { state -> [ServedExecution] in
            // Its time may be over already.
            guard state.executions[execution.id] === execution else { return [] }
            state.ends += 1
            let owner = Owner(execution)
            state.kept[state.ends] = Kept(execution: execution, bytes: bytes)
            state.keptNumbers[execution.id] = state.ends
            state.ofOwner[owner, default: []].append(state.ends)
            state.keptBytes += bytes
            var excess: [ServedExecution] = []
            if let first = state.ofOwner[owner], first.count > limits.keptPerOwner, let oldest = state.kept[first[0]] {
                excess.append(oldest.execution)
                state.unkeep(oldest.execution)
            }
            while state.kept.count > limits.kept || state.keptBytes > limits.keptBytes {
                guard let oldest = state.kept[state.oldest]?.execution else {
                    state.oldest += 1
                    continue
                }
                excess.append(oldest)
                state.unkeep(oldest)
            }
            return excess
        }
        for execution in excess { execution.letGo() }
    }

    /// The time for which an ended execution is kept is over.
    func expired(_ execution: ServedExecution) {
        state.withLock { $0.unkeep(execution) }
        execution.letGo()
    }

    /// Removes an execution that nobody can need any more.
    func forget(_ execution: ServedExecution) {
        state.withLock { state in
            state.unkeep(execution)
            guard state.executions.removeValue(forKey: execution.id) != nil else { return }
            state.remember(execution, atMost: limits.remembered)
            guard let lease = execution.order.lease else { return }
            state.ofLease[lease]?.removeAll { $0 === execution }
            if state.ofLease[lease]?.isEmpty == true { state.ofLease[lease] = nil }
        }
    }
}

extension ExecutionRegistry.Owner {
    fileprivate init(_ execution: ServedExecution) {
        self = execution.order.lease.map { .lease($0) } ?? .client(execution.order.client)
    }
}

extension ExecutionRegistry.State {
    fileprivate mutating func remember(_ execution: ServedExecution, atMost most: Int) {
        if goneOrder.count < most {
            goneOrder.append(execution.id)
        } else {
            gone[goneOrder[goneNext]] = nil
            goneOrder[goneNext] = execution.id
            goneNext = (goneNext + 1) % most
        }
        gone[execution.id] = (execution.order.lease, execution.order.client)
    }

    fileprivate mutating func unkeep(_ execution: ServedExecution) {
        guard let number = keptNumbers.removeValue(forKey: execution.id), let entry = kept.removeValue(forKey: number)
        else { return }
        keptBytes -= entry.bytes
        let owner = ExecutionRegistry.Owner(execution)
        ofOwner[owner]?.removeAll { $0 == number }
        if ofOwner[owner]?.isEmpty == true { ofOwner[owner] = nil }
    }
}

// MARK: Handing over

extension ExecutionRegistry {
    /// An id that was dropped.
    struct CarriedID: Codable, Equatable {
        var id: String
        var lease: LeaseToken?
        var client: String
    }

    /// All executions: first those that are not kept, then the kept ones in the order of their ends.
    var all: [ServedExecution] {
        state.withLock { state in
            let others = state.executions.values.filter { state.keptNumbers[$0.id] == nil }
            return others.sorted { $0.started < $1.started }
                + state.kept.sorted { $0.key < $1.key }.map(\.value.execution)
        }
    }

    /// The ids that were dropped, the oldest first.
    var gone: [CarriedID] {
        state.withLock { state in
            let order = state.goneOrder[state.goneNext...] + state.goneOrder[..<state.goneNext]
            return order.compactMap { id in
                state.gone[id].map { CarriedID(id: id, lease: $0.lease, client: $0.client.name) }
            }
        }
    }

    func goOn(_ gone: [CarriedID]) {
        state.withLock { state in
            for entry in gone.suffix(limits.remembered) {
                state.goneOrder.append(entry.id)
                state.gone[entry.id] = (entry.lease, ClientID(entry.client))
            }
        }
    }

    /// Whosever it is.
    func find(_ id: String) -> ServedExecution? { state.withLock { $0.executions[id] } }
}
