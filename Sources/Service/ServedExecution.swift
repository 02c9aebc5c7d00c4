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
    /// The request for an execution.
    struct Order: Sendable {
        /// The lease that it runs in; nil if it has its own member. Then its unguessable id gives access.
        var lease: LeaseToken?
        /// The client whose memory it uses after its end, if it has no lease.
        var client: ClientID
        var member: MemberID
        /// The command for lists of executions.
        var argv: [SystemString]
        /// Time between TERM and KILL when it is cancelled.
        var graceMilliseconds: UInt64
        /// How long it goes on without a watcher, and is held after its end; nil: not at all.
        var resumable: Duration?
        var unwatched = Unwatched.runOn
        var maxWatchers = 64
        /// The account for the memory that it holds.
        var memory: MemoryAccount?
        /// Bytes that were reserved when it was started.
        var reservedBytes = 0
        /// The part of them that is for its request, until the agent has that.
        var requestBytes = 0
        /// The window of the agent: maximum bytes that are sent and not yet taken.
        var agentWindow = AgentConnection.window
        /// Ends it when nobody watches; nil: it is cancelled at the agent.
        var whenLeft: (@Sendable () -> Void)?
        /// For a piece of code: the context that runs it.
        var context = ""
        /// For a piece of code: maximum bytes of one display.
        var maxDisplay = 0
        /// It is a connection, which has no program.
        var isConnection = false
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
        /// Nil before the start and after the end.
        var execution: Execution?
        /// Set if it was cancelled before there was an `execution`.
        var cancelGrace: UInt64?
        /// Whether it is held for a while after its end.
        var isKept: Bool
        /// Ends its time without a watcher, or its time after the end.
        var timer: Task<Void, Never>?
        /// The number of the present timer: a timer with another number was stopped too late.
        var timerNumber = 0
        var pendingInput = 0
        var refusal: RPCError?
        /// Bytes that are reserved for it.
        var reserved: Int
        var events: EventAssembler
        /// The part of `reserved` that is for events.
        var reservedForEvents = 0
        /// When `look` last found that its watchers had read.
        var reading = Reading()

        mutating func stopTimer() {
            timer?.cancel()
            timer = nil
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

    /// Handles an event of the agent. Events come in order, from one thread.
    func receive(_ event: ExecutionEvent) {
        switch event {
        case .started:
            notify { state in
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

    /// The error of its calls, if it was not started because there are too many.
    var refusal: RPCError? { state.withLock { $0.refusal } }

    private func receive(_ ended: Agent.Ended) {
        // It counts as ended before any watcher is told.
        registry.ended(self)
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
    func begin(_ execution: Execution) {
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
    var running: Execution? { state.withLock { $0.execution } }

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

    // MARK: Watchers

    /// Lets the call that requested the execution watch it from the first byte. Must be called on the call's loop.
    func watchFirst(_ call: ServerCall, _ events: WatcherEvents, window: UInt64?) {
        let watcher = state.withLock { state in
            add(call, events, at: PerStream(0), window: window, isObserver: false, announces: false, &state)
        }
        watcher.value.begin()
    }

    /// Lets another call watch. Must be called on the call's loop.
    /// - Parameter position: its offset in each stream; nil: after everything that was written by now.
    /// - Throws: RESOURCE_EXHAUSTED if there are too many watchers, INVALID_ARGUMENT for a position that is past the
    ///   end or within an event.
    func watch(
        _ call: ServerCall, at position: PerStream<UInt64>?, window: UInt64?, isObserver: Bool
    ) throws(RPCError) {
        let result = state.withLock { state -> Result<NIOLoopBound<Watcher>, RPCError> in
            guard state.streams.count < order.maxWatchers else {
                return .failure(
                    RPCError(
                        .resourceExhausted,
                        "\(state.streams.count) watchers are the maximum for an execution; detach one, or raise max_watchers",
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

    /// Takes the next step of a watcher.
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

    /// - Returns: false if there never was such a watcher.
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

    /// Removes a watcher. Returns false if it had been removed before.
    /// - Parameter error: the error that ends its call; nil if the call has ended already.
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

    /// Changes the hub, wakes the watchers that have something to do then, and gives the agent the credit that this
    /// frees.
    private func notify(_ change: (inout State) -> [UInt32]) {
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

    // MARK: Time

    /// Starts the time without a watcher, or after the end.
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

    /// Cancels it because no watcher will come any more. What it still writes is discarded, so that it does not block
    /// while it ends.
    private func abandon() {
        let credit = state.withLock { state in
            state.hub.abandon()
            return state.takeCredit()
        }
        credit?.give()
        if let whenLeft = order.whenLeft { whenLeft() } else { cancel() }
    }

    /// Ends the time for which it is held after its end; watchers that it still has keep it.
    func letGo() {
        let isOver = state.withLock { state in
            state.stopTimer()
            state.isKept = false
            return state.isOver
        }
        if isOver { registry.forget(self) }
    }

    /// Checks whether its watchers read. While they do not, the agent gets a little extra credit, so that the server
    /// learns of the end of the program. After the end, unread output is held only for a limited time.
    /// - Parameter limit: how long output is held after the end for watchers that do not read.
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

extension ServedExecution.Order {
    /// The initial size of the ring of a stream.
    static let firstRing = 64 << 10

    /// Reserves the initial memory of an execution. The less memory is left, the smaller its window is, and the slower
    /// its output.
    /// - Returns: false if there is not enough memory.
    mutating func reserve(_ account: MemoryAccount, request: Int) -> Bool {
        // The last sixteenth is left for calls to running executions: input, signals, acknowledgements.
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
    /// Runs `body` on the loop: at once if this is the loop.
    fileprivate func onLoop(_ body: @escaping @Sendable (Watcher) -> Void) {
        if eventLoop.inEventLoop { body(value) } else { eventLoop.execute { body(value) } }
    }
}
