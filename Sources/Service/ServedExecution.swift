// SPDX-License-Identifier: Apache-2.0

internal import AgentLink
internal import AgentSchema
internal import BerthRPC
internal import BerthSchema
internal import NIOCore
internal import Pool
internal import Synchronization

/// An execution, from its request until nothing of it is held any more: its output, its watchers, and its connection to
/// the agent. It may be used on any thread.
final class ServedExecution: Sendable {
    static let maxPendingInput = 1 << 20
    /// Maximum bytes of an event of a piece of code that is held whatever memory is left.
    private static let maxSmallEvent = 64 << 10

    let id: String
    let order: Order
    let started: MonotonicInstant
    let clock: any MonotonicClock
    let registry: ExecutionRegistry

    struct State {
        var hub: OutputHub
        var streams: [UInt32: NIOLoopBound<Watcher>] = [:]
        /// Nil before the start and after the end.
        var execution: AgentExecution?
        /// Set if it was cancelled before there was an `execution`.
        var cancelGrace: UInt64?
        /// Whether it is held for a while after its end.
        var isKept: Bool
        /// Ends its time without a watcher, or its time after the end.
        var timer: Task<Void, Never>?
        /// When it does.
        var timerEnd: MonotonicInstant?
        /// The number of the present timer: a timer with another number was stopped too late.
        var timerNumber = 0
        var pendingInput = 0
        var refusal: RPCError?
        var isWarm = false
        /// Bytes that are reserved for it.
        var reserved: Int
        var events: EventAssembler
        /// The part of `reserved` that is for events.
        var reservedForEvents = 0
        /// When `look` last found that its watchers had read.
        var reading = Reading()

        mutating func stopTimer() {
            timer?.cancel()
            (timer, timerEnd) = (nil, nil)
            timerNumber += 1
        }

        /// Takes the credit to give to the agent now.
        mutating func takeCredit() -> Credit? {
            guard let execution else { return nil }
            let bytes = hub.takeCredit()
            return bytes > 0 ? Credit(execution: execution, bytes: bytes) : nil
        }

        /// Whether nobody can need it any more.
        var isOver: Bool { hub.ended != nil && streams.isEmpty && !isKept }
    }

    /// The result of the last `look`.
    struct Reading {
        var progress: UInt64 = .max
        var since = MonotonicInstant(nanoseconds: 0)
    }

    struct Credit {
        var execution: AgentExecution
        var bytes: Int

        func give() { execution.acknowledge(bytes) }
    }

    let state: Mutex<State>

    init(id: String, order: Order, clock: any MonotonicClock, registry: ExecutionRegistry) {
        self.id = id
        self.order = order
        self.clock = clock
        self.registry = registry
        started = clock.now()
        let keepsUnread = order.resumable != nil && order.unwatched == .wait
        state = Mutex(
            State(
                hub: OutputHub(
                    unread: keepsUnread ? .kept : .overwritten, ringSize: Order.firstRing,
                    agentWindow: order.agentWindow),
                isKept: order.resumable != nil, reserved: order.reservedBytes,
                events: EventAssembler(maxDisplay: order.maxDisplay)))
    }

    /// One that goes on in this program.
    init(
        _ carried: CarriedExecution, order: Order, clock: any MonotonicClock, registry: ExecutionRegistry,
        hub: OutputHub
    ) {
        (id, self.order, self.clock, self.registry) = (carried.id, order, clock, registry)
        started = MonotonicInstant(nanoseconds: carried.started)
        state = Mutex(
            State(
                hub: hub, cancelGrace: carried.cancelGrace, isKept: carried.isKept, isWarm: carried.isWarm,
                reserved: order.reservedBytes, events: EventAssembler(maxDisplay: 0)))
    }

    // MARK: The program

    /// Handles an event of the agent. Events come in order, from one thread.
    func receive(_ event: ExecutionEvent) {
        switch event {
        case .started(_, let isWarm):
            notify { state in
                state.isWarm = isWarm
                // The agent has the whole request.
                give(order.requestBytes, &state)
                return state.hub.started()
            }
        case .output(let chunk) where chunk.stream == OutputStream.events.rawValue:
            notify { receive(events: chunk, &$0) }
        case .output(let chunk):
            notify { state in
                makeRoom(chunk.count, &state.hub, &state.reserved)
                return state.hub.append(chunk.data, to: chunk.stream == 0 ? .stdout : .stderr)
            }
        case .outputEnded: notify { $0.hub.endOutput() }
        case .overdue:
            notify { state in
                // From now on, up to twice the ring is held.
                take(2 * Int(state.hub.ringSize), &state)
                state.hub.takeOver()
                return []
            }
        case .refused(let error):
            // The agent is not trusted: its message is shortened and put behind ours.
            let most = "the lease has the maximum number of \(order.isConnection ? "connections" : "programs")"
            let reason: ErrorReason =
                order.isConnection
                ? .connectionLimit : error.reason == .backgroundLimit ? .backgroundLimit : .executionLimit
            state.withLock {
                $0.refusal = RPCError(.resourceExhausted, "\(most): \(error.message.prefix(256))", reason)
            }
        case .ended(let ended): receive(ended)
        }
    }

    var hasEnded: Bool { state.withLock { $0.hub.ended != nil } }

    /// Whether it was forked from an interpreter that had started before.
    var isWarm: Bool { state.withLock { $0.isWarm } }

    /// The error of its calls, if it was not started because there are too many.
    var refusal: RPCError? { state.withLock { $0.refusal } }

    private func receive(_ ended: Agent.Ended) {
        // It counts as ended before any watcher is told.
        registry.ended(self)
        order.work?.end(ended)
        let (streams, keptBytes, isOver) = state.withLock { state in
            let streams = state.hub.end(ended).compactMap { state.streams[$0] }
            state.execution = nil
            if state.isKept {
                state.hub.compact()
                startTimer(&state)
            }
            // No more output comes.
            give(state.reserved - min(state.reserved, state.hub.heldBytes), &state)
            return (streams, state.isKept ? state.hub.heldBytes : nil, state.isOver)
        }
        if let keptBytes { registry.keep(self, bytes: keptBytes) }
        if isOver { registry.forget(self) }
        for stream in streams { stream.onLoop { $0.pump() } }
    }

    /// Must be called when the agent was asked to start it.
    func begin(_ execution: AgentExecution) {
        let (grace, credit) = state.withLock { state in
            guard state.hub.ended == nil else { return (UInt64?.none, Credit?.none) }
            state.execution = execution
            return (state.cancelGrace, state.takeCredit())
        }
        credit?.give()
        if let grace { execution.end(graceMilliseconds: grace) }
    }

    /// Ends it with everything that it started. It has no effect after the end.
    func cancel(graceMilliseconds: UInt64? = nil) {
        let grace = graceMilliseconds ?? order.graceMilliseconds
        let execution = state.withLock { state in
            if state.execution == nil { state.cancelGrace = grace }
            return state.execution
        }
        execution?.end(graceMilliseconds: grace)
    }

    /// The running program; nil before its start and after its end.
    var running: AgentExecution? { state.withLock { $0.execution } }

    /// Reserves room for input that the agent has not taken yet, until `releaseInput`. Returns false if there is not
    /// enough.
    func reserveInput(_ count: Int) -> Bool {
        state.withLock { state in
            guard state.pendingInput + count <= ServedExecution.maxPendingInput else { return false }
            state.pendingInput += count
            return true
        }
    }

    func releaseInput(_ count: Int) { state.withLock { $0.pendingInput -= count } }

    /// Changes the hub, wakes the watchers that have something to do then, and gives the agent the credit that this
    /// frees.
    func notify(_ change: (inout State) -> [UInt32]) {
        let (streams, credit) = state.withLock { state in
            let streams = change(&state).compactMap { state.streams[$0] }
            return (streams, state.takeCredit())
        }
        credit?.give()
        for stream in streams { stream.onLoop { $0.pump() } }
    }

    /// Handles bytes of events of a piece of code.
    private func receive(events chunk: OutputChunk, _ state: inout State) -> [UInt32] {
        state.hub.received(ofEvents: chunk.count)
        var woken: [UInt32] = []
        state.events.append(chunk.data.readableBytesView)
        while let event = state.events.next(reserve: { count in
            // Before the event is whole: with a small ring, the agent would not get credit for all of it.
            makeRoom(count, &state.hub, &state.reserved)
            let missing = state.hub.rings.events.count + count - state.reservedForEvents
            guard missing > 0 else { return true }
            if order.memory?.reserve(missing, sixteenths: 12) == false {
                // A value, a failure or a question is never left out: the ring and one of them are all that this takes.
                guard count <= ServedExecution.maxSmallEvent else { return false }
                order.memory?.take(missing)
            }
            state.reserved += missing
            state.reservedForEvents += missing
            return true
        }) {
            woken += state.hub.append(event: event)
        }
        return woken
    }

    // MARK: Memory

    /// Lets the rings grow if output or events would otherwise be pushed out, and there is memory.
    private func makeRoom(_ count: Int, _ hub: inout OutputHub, _ reserved: inout Int) {
        while hub.wantsLargerRing(for: count) {
            // For both output streams.
            let bytes = 2 * Int(hub.ringSize)
            // The last quarter of the memory is for executions that are yet to start.
            guard order.memory?.reserve(bytes, sixteenths: 12) != false else { return }
            reserved += bytes
            hub.growRing()
        }
    }

    private func take(_ bytes: Int, _ state: inout State) {
        state.reserved += bytes
        order.memory?.take(bytes)
    }

    private func give(_ bytes: Int, _ state: inout State) {
        guard bytes > 0 else { return }
        state.reserved -= bytes
        order.memory?.give(bytes)
    }

    deinit {
        let reserved = state.withLock { $0.reserved }
        if reserved > 0 { order.memory?.give(reserved) }
    }

    // MARK: Information

    func info() -> ExecutionInfo {
        let age = clock.now() - started
        return state.withLock { state in
            let written = state.hub.written
            let held = state.hub.heldFrom
            return ExecutionInfo(
                execution: id, argv: order.argv, ageMilliseconds: age.wholeMilliseconds,
                watchers: UInt32(clamping: state.hub.watchers.count), stdoutBytes: written.stdout,
                stderrBytes: written.stderr, stdoutHeldFrom: held.stdout, stderrHeldFrom: held.stderr,
                resumableMilliseconds: UInt32(clamping: order.resumable?.wholeMilliseconds ?? 0),
                ended: state.hub.ended.map { Ended($0) }, context: order.context, eventsHeldFrom: held.events)
        }
    }
}

extension NIOLoopBound where Value == Watcher {
    /// Runs `body` on the loop: at once if this is the loop.
    func onLoop(_ body: @escaping @Sendable (Watcher) -> Void) {
        if eventLoop.inEventLoop { body(value) } else { eventLoop.execute { body(value) } }
    }
}
