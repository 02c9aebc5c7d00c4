// SPDX-License-Identifier: Apache-2.0

internal import AgentLink
internal import AgentSchema
internal import BerthRPC
internal import BerthSchema
internal import NIOCore
internal import Pool
internal import Synchronization

/// An execution, from its request until nothing of it is kept any more: its output, its watchers, its way to the agent.
/// May be used from any thread.
final class ServedExecution: Sendable {
    /// What is asked of one.
    struct Order: Sendable {
        /// The lease it runs in; nil for one in a member of its own, for which its unguessable id is the key.
        var lease: LeaseToken?
        /// On whose account it is kept when it has ended, where it has no lease.
        var client: ClientID
        var member: MemberID
        /// As it is listed.
        var argv: [SystemString]
        /// Between TERM and KILL, when it is cancelled.
        var graceMilliseconds: UInt64
        /// How long it goes on without a watcher, and is kept after its end; nil: not at all.
        var resumable: Duration?
        var unwatched = Unwatched.runOn
        var maxWatchers = 64
        /// What it holds is counted there.
        var memory: MemoryAccount?
        /// Counted when it was started.
        var reservedBytes = 0
        /// Of them, for its request, until the agent has it.
        var requestBytes = 0
        /// Bytes that the agent may send before they are taken.
        var agentWindow = AgentConnection.window
        /// What ends it when nobody watches; nil: the agent's cancel.
        var whenLeft: (@Sendable () -> Void)?
        /// The context that runs it, and bytes of one display at most, where it is a piece of code.
        var context = ""
        var maxDisplay = 0
    }

    static let maxPendingInput = 1 << 20

    let id: String
    let order: Order
    private let started: MonotonicInstant
    private let clock: any MonotonicClock
    private let registry: ExecutionRegistry

    private struct State {
        var hub: OutputHub
        var streams: [UInt32: NIOLoopBound<Watcher>] = [:]
        /// Nil before it was started and after its end.
        var execution: Execution?
        /// Asked for before there was an `execution`.
        var cancelGrace: UInt64?
        /// It is to be kept for a while when it has ended.
        var isKept: Bool
        /// The end of its time without a watcher, or of its time after the end.
        var timer: Task<Void, Never>?
        /// A timer that has another number was stopped too late.
        var timerNumber = 0
        var pendingInput = 0
        var refusal: RPCError?
        /// Bytes that are counted for it.
        var reserved: Int
        var events: EventAssembler
        /// Of `reserved`, for events.
        var reservedForEvents = 0
        /// When a look last found that its watchers had come on.
        var reading = Reading()

        mutating func stopTimer() {
            timer?.cancel()
            timer = nil
            timerNumber += 1
        }

        /// Credit that the agent is to get now.
        mutating func takeCredit() -> Credit? {
            guard let execution else { return nil }
            let bytes = hub.takeCredit()
            return bytes > 0 ? Credit(execution: execution, bytes: bytes) : nil
        }

        /// Nobody can want anything of it any more.
        var isOver: Bool { hub.ended != nil && streams.isEmpty && !isKept }
    }

    /// What a look at its watchers found.
    private struct Reading {
        var progress: UInt64 = .max
        var since = MonotonicInstant(nanoseconds: 0)
    }

    private struct Credit {
        var execution: Execution
        var bytes: Int

        func give() { execution.acknowledge(bytes) }
    }

    private let state: Mutex<State>

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

    // MARK: The program

    /// Its events come in order, from one thread.
    func receive(_ event: ExecutionEvent) {
        switch event {
        case .started:
            notify { state in
                // The agent has all of it.
                give(order.requestBytes, &state)
                return state.hub.started()
            }
        case .output(let chunk) where chunk.stream == OutputStream.events.rawValue:
            notify { receive(events: chunk, &$0) }
        case .output(let chunk):
            notify { state in
                makeRoom(chunk.count, &state)
                return state.hub.append(chunk.data, to: chunk.stream == 0 ? .stdout : .stderr)
            }
        case .overdue:
            notify { state in
                // What it takes then is held up to twice the ring.
                take(2 * Int(state.hub.ringSize), &state)
                state.hub.takeOver()
                return []
            }
        case .refused(let error):
            // What the agent says is not passed on as it is.
            let most = "the lease has as many programs as it can"
            state.withLock {
                $0.refusal = RPCError(
                    .resourceExhausted, "\(most): \(error.message.prefix(256))",
                    error.reason == .backgroundLimit ? .backgroundLimit : .executionLimit)
            }
        case .ended(let ended): receive(ended)
        }
    }

    /// Why it was not started, where that is for want of room; its calls fail with this.
    var refusal: RPCError? { state.withLock { $0.refusal } }

    private func receive(_ ended: Agent.Ended) {
        // Counted as ended before anybody is told.
        registry.ended(self)
        let (streams, keptBytes, isOver) = state.withLock { state in
            let streams = state.hub.end(ended).compactMap { state.streams[$0] }
            state.execution = nil
            if state.isKept {
                state.hub.compact()
                startTimer(&state)
            }
            // Nothing more comes.
            give(state.reserved - min(state.reserved, state.hub.heldBytes), &state)
            return (streams, state.isKept ? state.hub.heldBytes : nil, state.isOver)
        }
        if let keptBytes { registry.keep(self, bytes: keptBytes) }
        if isOver { registry.forget(self) }
        for stream in streams { stream.onLoop { $0.pump() } }
    }

    /// The agent has been asked to start it.
    func begin(_ execution: Execution) {
        let (grace, credit) = state.withLock { state in
            guard state.hub.ended == nil else { return (UInt64?.none, Credit?.none) }
            state.execution = execution
            return (state.cancelGrace, state.takeCredit())
        }
        credit?.give()
        if let grace { execution.end(graceMilliseconds: grace) }
    }

    /// Ends it, with all that it started. Without effect when it has ended.
    func cancel(graceMilliseconds: UInt64? = nil) {
        let grace = graceMilliseconds ?? order.graceMilliseconds
        let execution = state.withLock { state in
            if state.execution == nil { state.cancelGrace = grace }
            return state.execution
        }
        execution?.end(graceMilliseconds: grace)
    }

    /// The running program; nil when it has ended.
    var running: Execution? { state.withLock { $0.execution } }

    /// Whether there is room for so much input that the agent has yet to take; it is taken then, until `releaseInput`.
    func reserveInput(_ count: Int) -> Bool {
        state.withLock { state in
            guard state.pendingInput + count <= ServedExecution.maxPendingInput else { return false }
            state.pendingInput += count
            return true
        }
    }

    func releaseInput(_ count: Int) { state.withLock { $0.pendingInput -= count } }

    // MARK: Watchers

    /// Lets the stream of the call that asked for it watch from the first byte on; on the call's loop.
    func watchFirst(_ call: ServerCall, _ events: WatcherEvents, window: UInt64?) {
        let watcher = state.withLock { state in
            add(call, events, at: PerStream(0), window: window, isObserver: false, announces: false, &state)
        }
        watcher.value.begin()
    }

    /// Lets another call's stream watch; on the call's loop.
    /// - Parameter position: what it has of each stream; nil: all that was written by now.
    /// - Throws: RESOURCE_EXHAUSTED with too many watchers, INVALID_ARGUMENT for a position after what was written.
    func watch(
        _ call: ServerCall, at position: PerStream<UInt64>?, window: UInt64?, isObserver: Bool
    ) throws(RPCError) {
        let result = state.withLock { state -> Result<NIOLoopBound<Watcher>, RPCError> in
            guard state.streams.count < order.maxWatchers else {
                return .failure(
                    RPCError(
                        .resourceExhausted,
                        "\(state.streams.count) watch this execution already, the most; detach one, or raise max_watchers",
                        .clientLimit))
            }
            let written = state.hub.written
            for stream in OutputStream.each {
                guard let offset = position?[stream], offset > written[stream] else { continue }
                return .failure(
                    RPCError(
                        .invalidArgument,
                        "\(stream.positionField) \(offset) is past the end of what was written, \(written[stream])"))
            }
            if let offset = position?.events, offset >= state.hub.heldFrom.events,
                !state.hub.rings.events.hasBoundary(at: offset)
            {
                return .failure(
                    RPCError(.invalidArgument, "events_position \(offset) is not the position of an event"))
            }
            if !isObserver, state.hub.ended == nil { state.stopTimer() }
            return .success(
                add(
                    call, .execute, at: position ?? written, window: window, isObserver: isObserver, announces: true,
                    &state))
        }
        try result.get().value.begin()
    }

    private func add(
        _ call: ServerCall, _ events: WatcherEvents, at position: PerStream<UInt64>, window: UInt64?,
        isObserver: Bool, announces: Bool, _ state: inout State
    ) -> NIOLoopBound<Watcher> {
        let number = state.hub.add(at: position, window: window, isObserver: isObserver, announces: announces)
        let watcher = NIOLoopBound(
            Watcher(call, events, number: number, of: self), eventLoop: call.connection.eventLoop)
        state.streams[number] = watcher
        return watcher
    }

    /// What a watcher's stream is to be sent.
    func next(_ number: UInt32) -> OutputHub.Step {
        let (step, credit, isOver) = state.withLock { state in
            let step = state.hub.next(number)
            if case .end = step { state.streams[number] = nil }
            return (step, state.takeCredit(), state.isOver)
        }
        credit?.give()
        if isOver { registry.forget(self) }
        return step
    }

    /// - Returns: false when there is no such watcher.
    func acknowledge(
        _ number: UInt32, _ offsets: PerStream<UInt64>
    ) throws(OutputHub.OverAcknowledged) -> Bool {
        var result: Result<Bool, OutputHub.OverAcknowledged> = .success(false)
        notify { state in
            do throws(OutputHub.OverAcknowledged) {
                guard let woken = try state.hub.acknowledge(number, offsets) else { return [] }
                result = .success(true)
                return woken
            } catch {
                result = .failure(error)
                return []
            }
        }
        return try result.get()
    }

    /// A watcher's stream is no more, or is to be ended. False when it was no more before.
    /// - Parameter error: what the stream is ended with; nil: it is no more.
    @discardableResult
    func leave(_ number: UInt32, _ error: RPCError? = nil) -> Bool {
        let (stream, isLeft, isOver, credit) = state.withLock { state in
            let wasGoverned = state.hub.isGoverned
            guard state.hub.remove(number) else {
                return (NIOLoopBound<Watcher>?.none, false, false, Credit?.none)
            }
            let stream = state.streams.removeValue(forKey: number)
            var isLeft = wasGoverned && !state.hub.isGoverned && state.hub.ended == nil
            if isLeft, state.isKept {
                startTimer(&state)
                isLeft = false
            }
            return (stream, isLeft, state.isOver, state.takeCredit())
        }
        credit?.give()
        if isLeft { abandon() }
        if isOver { registry.forget(self) }
        if let error { stream?.onLoop { $0.fail(error) } }
        return stream != nil
    }

    /// Does something to the hub; wakes who has something to do then, and gives the agent what credit that frees.
    private func notify(_ change: (inout State) -> [UInt32]) {
        let (streams, credit) = state.withLock { state in
            let streams = change(&state).compactMap { state.streams[$0] }
            return (streams, state.takeCredit())
        }
        credit?.give()
        for stream in streams { stream.onLoop { $0.pump() } }
    }

    /// Bytes of a piece's events have come.
    private func receive(events chunk: OutputChunk, _ state: inout State) -> [UInt32] {
        state.hub.received(ofEvents: chunk.count)
        var woken: [UInt32] = []
        state.events.append(chunk.data.readableBytesView)
        while let event = state.events.next(reserve: { count in
            let missing = state.hub.rings.events.count + count - state.reservedForEvents
            guard missing > 0 else { return true }
            guard order.memory?.reserve(missing, sixteenths: 12) != false else { return false }
            state.reserved += missing
            state.reservedForEvents += missing
            return true
        }) {
            woken += state.hub.append(event: event)
        }
        return woken
    }

    // MARK: Memory

    /// Lets the ring grow before output would push out what it still could hold, as long as there is memory for that.
    private func makeRoom(_ count: Int, _ state: inout State) {
        guard state.hub.wantsLargerRing(for: count) else { return }
        // Of either stream.
        let bytes = 2 * Int(state.hub.ringSize)
        // The last quarter is for what has yet to start.
        guard order.memory?.reserve(bytes, sixteenths: 12) != false else { return }
        state.reserved += bytes
        state.hub.growRing()
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

    // MARK: Time

    /// Nobody watches it, or it has ended: from now on it has so long.
    private func startTimer(_ state: inout State) {
        state.stopTimer()
        let end = clock.now() + (order.resumable ?? .zero)
        state.timer = Task { [weak self, clock, number = state.timerNumber] in
            do { try await clock.sleep(until: end) } catch { return }
            self?.timePassed(number)
        }
    }

    private func timePassed(_ number: Int) {
        let (isDue, hasEnded) = state.withLock { ($0.timerNumber == number, $0.hub.ended != nil) }
        guard isDue else { return }
        if hasEnded { registry.expired(self) } else { abandon() }
    }

    /// Nobody will come any more: it is cancelled, and what it still writes is thrown away, so that it does not block on its
    /// way out.
    private func abandon() {
        let credit = state.withLock { state in
            state.hub.abandon()
            return state.takeCredit()
        }
        credit?.give()
        if let whenLeft = order.whenLeft { whenLeft() } else { cancel() }
    }

    /// It is no longer kept, but for those who still watch it.
    func letGo() {
        let isOver = state.withLock { state in
            state.stopTimer()
            state.isKept = false
            return state.isOver
        }
        if isOver { registry.forget(self) }
    }

    /// Looks at whether its watchers read. While they do not, the agent gets a little more credit, so that the end of a
    /// program that has ended is known; and what is held after the end is held for a limited time.
    /// - Parameter limit: how long what has ended is held for watchers that do not come on.
    func look(limit: Duration) {
        let now = clock.now()
        let (late, credit) = state.withLock { state -> ([UInt32], Credit?) in
            let progress = state.hub.progress
            guard progress == state.reading.progress else {
                state.reading = Reading(progress: progress, since: now)
                state.hub.probe(false)
                return ([], nil)
            }
            guard state.hub.ended != nil else {
                state.hub.probe(true)
                return ([], state.takeCredit())
            }
            return (now - state.reading.since >= limit ? Array(state.streams.keys) : [], nil)
        }
        credit?.give()
        let error = RPCError(
            .resourceExhausted, "what the program wrote was not read for \(limit.inWords) after its end", .memoryLimit)
        for number in late { leave(number, error) }
    }

    // MARK: What is told of it

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

extension ServedExecution.Order {
    /// What the ring of a stream begins with.
    static let firstRing = 64 << 10

    /// Counts what an execution holds at first: the less there is left, the less it gets, and the slower its output is.
    /// - Returns: false when there is no memory for it.
    mutating func reserve(_ account: MemoryAccount, request: Int) -> Bool {
        // The last sixteenth is left to the calls that move executions on: input, signals, acknowledgements.
        for (window, part) in [(AgentConnection.window, 8), (256 << 10, 12), (64 << 10, 15)] {
            let bytes = window + Self.firstRing + request
            guard account.reserve(bytes, sixteenths: part) else { continue }
            (memory, reservedBytes, requestBytes, agentWindow) = (account, bytes, request, window)
            return true
        }
        return false
    }
}

extension NIOLoopBound where Value == Watcher {
    /// At once where that is possible.
    fileprivate func onLoop(_ body: @escaping @Sendable (Watcher) -> Void) {
        if eventLoop.inEventLoop { body(value) } else { eventLoop.execute { body(value) } }
    }
}
