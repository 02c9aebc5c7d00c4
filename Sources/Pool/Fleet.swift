// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// Turns a container into a member: connects to its agent and waits for the first answer.
public protocol MemberConnector: Sendable {
    /// - Parameters:
    ///   - stream: the byte stream to the agent, which it takes over.
    ///   - onClose: must be called once when the stream has ended, for whatever reason.
    /// - Throws: `RuntimeError` if the agent does not answer as expected; the stream is closed then.
    func connect(
        _ member: MemberID, _ stream: consuming MemberStream, onClose: @escaping @Sendable () -> Void
    ) async throws(RuntimeError) -> any MemberLink

    /// Starts the interpreters of the member's template. Returns when they are ready.
    /// - Throws: `RuntimeError` if one can't be; the stream is closed then.
    func warm(_ link: any MemberLink, _ template: MemberTemplate) async throws(RuntimeError)
}

extension MemberConnector {
    public func warm(_ link: any MemberLink, _ template: MemberTemplate) async throws(RuntimeError) {}
}

/// The warm containers of a server: `FleetStateMachine` under a mutex, whose decisions are carried out after unlocking.
///
/// `run()` is the one maintenance task, and nothing else creates a container. All other calls are quick, never wait for a
/// container, and may come from any thread.
public final class Fleet: Sendable {
    public typealias AcquireCallback = @Sendable (Result<Grant, AcquireError>) -> Void

    private struct State {
        var machine: FleetStateMachine
        var callbacks: [WaiterID: AcquireCallback] = [:]
        var memberCounter: UInt64 = 0
        var waiterCounter: UInt64 = 0
        var isSuspended = false
    }

    private let state: Mutex<State>
    let runtime: any ContainerRuntime
    let connector: any MemberConnector
    let clock: any MonotonicClock
    let observer: any PoolObserver
    let hostMemory: @Sendable () -> Int64?
    let wake: @Sendable (@escaping @Sendable () -> Void) -> Void
    let nudge = Nudge()
    /// Of whatever the maintenance task waits for.
    let deadlines: Deadlines
    /// User ids for members; nil if programs run as the templates say.
    let users: UserIDs?
    private let memberPrefix: String
    private let fraction: @Sendable () -> Double

    /// - Parameters:
    ///   - memberPrefix: prefix of all member names; unique for each start of a server.
    ///   - hostMemory: bytes of memory that the host has available now; nil if unknown.
    ///   - wake: runs its argument, which wakes the maintenance task. Since that may start a thread, a caller that has an
    ///     answer to write can write it first, and run the argument after.
    ///   - fraction: a random number from 0 to 1, for each member another.
    public init(
        configuration: FleetConfiguration, runtime: any ContainerRuntime, connector: any MemberConnector,
        memberPrefix: String, clock: any MonotonicClock = SystemClock(), observer: any PoolObserver,
        hostMemory: @escaping @Sendable () -> Int64? = { nil },
        wake: @escaping @Sendable (@escaping @Sendable () -> Void) -> Void = { $0() },
        fraction: @escaping @Sendable () -> Double = { .random(in: 0...1) }
    ) {
        self.fraction = fraction
        self.runtime = runtime
        self.connector = connector
        self.memberPrefix = memberPrefix
        self.clock = clock
        deadlines = Deadlines(clock)
        self.observer = observer
        self.hostMemory = hostMemory
        self.wake = wake
        users = configuration.uids.map { UserIDs($0, first: .random(in: $0)) }
        state = Mutex(State(machine: FleetStateMachine(configuration)))
    }

    /// Runs an event of the machine at the present time, and carries out what it decided.
    private func transact<R: Sendable>(_ event: (inout State, MonotonicInstant) -> R) -> R {
        let (result, effects, callbacks, isNudged) = state.withLock { state in
            let result = event(&state, clock.now())
            let effects = state.machine.takeEffects()
            var callbacks: [WaiterID: AcquireCallback] = [:]
            for effect in effects {
                switch effect {
                case .grant(let id, _), .refuse(let id, _): callbacks[id] = state.callbacks.removeValue(forKey: id)
                case .close, .foretell, .event: break
                }
            }
            return (result, effects, callbacks, state.machine.takeNudge())
        }
        for effect in effects {
            switch effect {
            case .grant(let id, let grant): callbacks[id]?(.success(grant))
            case .refuse(let id, let error): callbacks[id]?(.failure(error))
            case .close(let link, let reason): link.close(reason)
            case .foretell(let link, let message): link.foretell(message)
            case .event(let event): observer.record(event)
            }
        }
        // After links were closed with their reason: the task removes the members, and a stream that ended without a reason
        // would count as a lost container.
        if isNudged { wake { [nudge] in nudge.signal() } }
        return result
    }

    // MARK: Leases

    /// Leases a member. Answered in place, or by `later`, exactly once, on any thread; the waiter's id is for
    /// `cancel`.
    public func acquire(
        pool: String = "", token: LeaseToken, connection: ConnectionID, isDetached: Bool = false,
        leaseTime: Duration? = nil, wait: Duration? = nil, client: ClientID? = nil, maxOfClient: Int? = nil,
        isFair: Bool = false, later: @escaping AcquireCallback
    ) -> (WaiterID, FleetStateMachine.AcquireOutcome) {
        transact { state, now in
            state.waiterCounter += 1
            let waiter = WaiterID(state.waiterCounter)
            let outcome = state.machine.acquire(
                AcquireOrder(
                    pool: pool, token: token, waiter: waiter, connection: connection, isDetached: isDetached,
                    leaseTime: leaseTime, wait: wait, client: client, maxOfClient: maxOfClient, isFair: isFair),
                now: now)
            if case .waiting = outcome { state.callbacks[waiter] = later }
            return (waiter, outcome)
        }
    }

    /// Leases and waiting acquires of a client.
    public func count(of client: ClientID) -> Int { transact { state, _ in state.machine.count(of: client) } }

    /// The caller of a waiting acquire has left. Returns false if the answer was given or is about to be: a grant must then be
    /// given back with `returnUnused`.
    public func cancel(_ waiter: WaiterID) -> Bool {
        transact { state, _ in
            state.callbacks[waiter] = nil
            return state.machine.cancelWaiter(waiter)
        }
    }

    /// Gives back a lease that nobody has seen.
    public func returnUnused(_ token: LeaseToken) {
        transact { state, now in state.machine.returnUnused(token, now: now) }
    }

    /// Uses a lease, which extends it, unless `extends` is false; with `begins`, an execution begins that lasts until `endUse`.
    /// Returns nil if there is no such lease, or it has ended.
    public func use(
        _ token: LeaseToken, begins: Bool = false, extends: Bool = true
    ) -> FleetStateMachine.LeaseUse? {
        transact { state, now in state.machine.use(token, begins: begins, extends: extends, now: now) }
    }

    /// Extends a lease, and may change how long it lasts without use. Returns nil if there is no such lease, or it has ended.
    public func renew(_ token: LeaseToken, leaseTime: Duration? = nil) -> FleetStateMachine.LeaseUse? {
        transact { state, now in state.machine.renew(token, leaseTime: leaseTime, now: now) }
    }

    public func endUse(_ token: LeaseToken) {
        transact { state, now in state.machine.endUse(token, now: now) }
    }

    /// Ends a lease. Returns false if there is no such lease, and none was released recently.
    public func release(_ token: LeaseToken) -> Bool {
        transact { state, now in state.machine.release(token, now: now) }
    }

    public func connectionClosed(_ connection: ConnectionID) {
        transact { state, now in state.machine.connectionClosed(connection, now: now) }
    }

    // MARK: Shutdown

    /// Refuses new acquires and removes idle members; `run` returns when all members are gone.
    public func drain() {
        transact { state, now in state.machine.drain(now: now) }
    }

    /// Ends every lease.
    public func endLeases() {
        transact { state, now in state.machine.endLeases(now: now) }
    }

    public var leaseCount: Int { state.withLock { $0.machine.leaseCount } }
    public var memberCount: Int { state.withLock { $0.machine.memberCount } }
    public var usedMemoryBytes: Int64 { state.withLock { $0.machine.usedMemoryBytes } }
    public var memoryBudgetBytes: Int64 { state.withLock { $0.machine.configuration.memoryBudgetBytes } }
    public var poolNames: [String] { configuration.pools.map(\.name) }
    /// The configuration that was loaded last.
    public var configuration: FleetConfiguration { state.withLock { $0.machine.configuration } }

    /// Statistics of every pool.
    public func snapshot() -> [PoolSnapshot] {
        state.withLock { $0.machine.snapshot(now: clock.now()) }
    }

    // MARK: Administration

    /// Changes to another configuration without ending a lease: see `FleetStateMachine.reload`.
    public func reload(_ configuration: FleetConfiguration) {
        transact { state, now in state.machine.reload(configuration, now: now) }
    }

    /// Changes a pool's size and maximum. Returns false if there is no such pool.
    public func resize(pool: String, size: Int? = nil, max: Int? = nil) -> Bool {
        transact { state, now in state.machine.resize(pool: pool, size: size, max: max, now: now) }
    }

    /// Closes the breaker of one pool, or of all. Returns false if there is no such pool.
    public func resetBackoff(pool: String? = nil) -> Bool {
        transact { state, now in state.machine.resetBackoff(pool: pool, now: now) }
    }

    /// Refuses acquires of one pool and removes its idle members. Returns false if there is no such pool.
    public func drainPool(_ name: String) -> Bool {
        transact { state, now in state.machine.drainPool(name, now: now) }
    }

    /// Every member of a pool, or of all.
    public func listMembers(pool: String? = nil) -> [MemberInfo] {
        state.withLock { $0.machine.listMembers(pool: pool, now: clock.now()) }
    }

    /// The links of all members that are leased.
    public func leasedLinks() -> [any MemberLink] { state.withLock { $0.machine.leasedLinks } }

    // MARK: For the maintenance task

    func nextStep() -> FleetStateMachine.Step {
        transact { state, now in
            // `resume` wakes the task.
            guard !state.isSuspended else {
                return FleetStateMachine.Step(wake: now + state.machine.configuration.tick)
            }
            var counter = state.memberCounter
            defer { state.memberCounter = counter }
            return state.machine.next(
                now: now,
                newMember: {
                    counter += 1
                    return MemberID("\(memberPrefix)-\(counter)")
                }, hostMemory: hostMemory)
        }
    }

    func createSucceeded(_ member: MemberID, _ link: any MemberLink, took: Duration) -> Bool {
        let jitter = fraction()
        return transact { state, now in
            state.machine.createSucceeded(member, link: link, took: took, jitter: jitter, now: now)
        }
    }

    func createFailed(_ member: MemberID, _ error: RuntimeError) {
        transact { state, now in state.machine.createFailed(member, error, now: now) }
    }

    func createCleaned(_ member: MemberID, _ error: RuntimeError?) {
        transact { state, now in state.machine.createCleaned(member, error, now: now) }
    }

    func memberDied(_ member: MemberID) {
        transact { state, now in state.machine.memberDied(member, now: now) }
    }

    func evict(_ member: MemberID, _ eviction: Eviction) {
        transact { state, now in state.machine.evict(member, eviction, now: now) }
    }

    func removalFinished(_ member: MemberID, _ error: RuntimeError?) {
        transact { state, now in state.machine.removalFinished(member, error, now: now) }
    }

    func resetFinished(_ member: MemberID, _ error: MemberLinkError?) {
        transact { state, now in state.machine.resetFinished(member, error, now: now) }
    }

    func pingFinished(_ member: MemberID, _ error: MemberLinkError?) {
        transact { state, now in state.machine.pingFinished(member, error, now: now) }
    }

    // MARK: Handing over

    func setSuspended(_ isOn: Bool) { state.withLock { $0.isSuspended = isOn } }
    var isSuspended: Bool { state.withLock { $0.isSuspended } }
    var isAtWork: Bool { state.withLock { $0.machine.isAtWork } }
    var machineCarried: CarriedFleet { state.withLock { $0.machine.carried } }
    func machineGoesOn(_ carried: CarriedFleet, _ links: [MemberID: any MemberLink]) {
        transact { state, now in state.machine.goOn(carried, links: links, now: now) }
    }

    var machineLinks: [any MemberLink] { state.withLock { $0.machine.allLinks } }

    var knownMembers: Set<MemberID> { state.withLock { Set($0.machine.knownMembers) } }
}
