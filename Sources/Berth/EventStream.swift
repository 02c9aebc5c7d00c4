// SPDX-License-Identifier: Apache-2.0

internal import BerthRPC
internal import BerthSchema
internal import NIOCore
internal import Synchronization

/// A stream of events with credit, between the connection and the one task that reads it.
final class EventStream<Event: CreditedEvent>: Sendable {
    /// What is done about the execution when its reader leaves before its end.
    enum Leaving: Sendable {
        /// It and everything it started is killed.
        case kill
        /// It is watched no more: it ends with its last watcher, unless it is resumable.
        case detach
    }

    private let connector: Connector
    /// Where it was called, and where all calls about it go; nil until there is a connection.
    private let connection = AtomicLazyReference<ClientConnection>()
    /// The lease of the execution, as the calls about it name it.
    private let lease: String
    private let leaving: Leaving
    private let state: Mutex<StreamState<Event>>

    /// Makes the call; its events come from then on.
    /// - Parameter deadline: of the call, connecting included; nil is none.
    init<Request>(
        _ connector: Connector, _ method: StreamingMethod<Request, Event>, _ request: Request, lease: String,
        window: Int, from offsets: OutputOffsets = OutputOffsets(), leaving: Leaving, deadline: Duration? = nil
    ) {
        self.connector = connector
        self.lease = lease
        self.leaving = leaving
        state = Mutex(StreamState(queue: EventQueue(window: window, from: offsets)))
        begin(method, request, deadline)
    }

    private func begin<Request>(
        _ method: StreamingMethod<Request, Event>, _ request: Request, _ deadline: Duration?
    ) {
        // The usual way, without a task.
        if let line = connector.current { return call(line.rpc, method, request, deadline) }
        let end = deadline.map { ContinuousClock.now + $0 }
        Task {
            do throws(BerthError) {
                let rpc = try await connector.line(until: deadline.map { .now() + $0.timeAmount }).rpc
                call(rpc, method, request, end.map { $0 - .now })
            } catch {
                self.end(error)
            }
        }
    }

    private func call<Request>(
        _ rpc: ClientConnection, _ method: StreamingMethod<Request, Event>, _ request: Request, _ deadline: Duration?
    ) {
        _ = connection.storeIfNil(rpc)
        let arena = NIOLoopBoundBox.makeBoxSendingValue(Arena(), eventLoop: rpc.eventLoop)
        rpc.stream(method, request, timeout: deadline?.timeAmount) { [self] event in
            switch event {
            case .message(let bytes):
                let decoded = bytes.withUnsafeReadableBytes { raw in
                    Result { () throws(SchemaError) in try Event(decoding: raw, arena: arena.value) }
                }
                switch decoded {
                case .success(let event): push(event)
                case .failure(let error): fail(BerthError(.internal, "the server sent \(error)"))
                }
            case .end(let error):
                end(
                    error.map { BerthError($0) } ?? BerthError(.internal, "the server ended the stream without its end")
                )
            }
        }
    }

    // MARK: What the connection brings, on its loop

    private func push(_ event: Event) {
        let reaction = state.withLock { $0.received(event) }
        reaction.reader?.resume(returning: event)
        if reaction.givesCredit { giveCredit() }
        if reaction.isTooMuch {
            fail(BerthError(.internal, "the server sent more than the stream's window allows"))
        }
        if let started = reaction.started {
            for starter in reaction.starters { starter.resume(returning: .success(started)) }
            if reaction.kills { sendKill(started) }
            if reaction.leaves { sendLeave(started) }
        }
    }

    /// What came can't be right, and nothing of what still comes is of use.
    private func fail(_ error: BerthError) {
        leave()
        end(error)
    }

    private func end(_ error: BerthError) {
        let ending = state.withLock { $0.ended(error) }
        for starter in ending.starters { starter.resume(returning: .failure(error)) }
        ending.reader?.resume(with: ending.isGood ? .success(nil) : .failure(error))
    }

    // MARK: The reader

    /// The next event; nil after the last.
    /// - Throws: `BerthError`, or `CancellationError`.
    func next() async throws -> Event? {
        if Task.isCancelled { throw CancellationError() }
        if let (event, givesCredit) = state.withLock({ $0.next() }) {
            if givesCredit { connector.eventLoop.execute { self.giveCredit() } }
            return event
        }
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let (answer, givesCredit) = state.withLock { state -> (Result<Event?, any Error>?, Bool) in
                    if Task.isCancelled { return (.failure(CancellationError()), false) }
                    if let (event, givesCredit) = state.next() { return (.success(event), givesCredit) }
                    if let end = state.end() { return (end, false) }
                    state.wait(continuation)
                    return (nil, false)
                }
                if let answer { continuation.resume(with: answer) }
                if givesCredit { connector.eventLoop.execute { self.giveCredit() } }
            }
        } onCancel: {
            state.withLock { $0.stopWaiting() }?.resume(throwing: CancellationError())
        }
    }

    /// How much of each output the reader has.
    var consumed: OutputOffsets { state.withLock { $0.consumed } }

    /// On the loop.
    private func giveCredit() {
        guard let (identity, offsets) = state.withLock({ $0.credit() }) else { return }
        let request = AcknowledgeRequest(
            lease: lease, execution: identity.execution, watcher: identity.watcher, stdoutOffset: offsets.stdout,
            stderrOffset: offsets.stderr, eventsPosition: offsets.events)
        // An execution that has ended meanwhile needs no credit, and an error that matters ends the stream as well.
        post(PoolService.acknowledge, request)
    }

    // MARK: Start and end

    /// The identity, if it has started, also when it has ended.
    var identity: StreamIdentity? { state.withLock { $0.identity } }

    /// Waits for the start.
    /// - Throws: why it did not start; `cancelled` when the task is.
    func started() async throws(BerthError) -> StreamIdentity {
        let ticket = state.withLock { $0.ticket() }
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let answer = state.withLock { state -> Result<StreamIdentity, BerthError>? in
                    if let start = state.start { return start }
                    if Task.isCancelled { return .failure(.leftCall) }
                    state.waitForStart(continuation, ticket)
                    return nil
                }
                if let answer { continuation.resume(returning: answer) }
            }
        } onCancel: {
            state.withLock { $0.stopWaitingForStart(ticket) }?.resume(returning: .failure(.leftCall))
        }
        return try result.get()
    }

    /// The reader leaves: nothing of what still comes is kept.
    func leave() {
        if let identity = state.withLock({ $0.leave() }) { sendLeave(identity) }
    }

    /// Kills it and all it started; its end still comes.
    func kill() {
        if let identity = state.withLock({ $0.kill() }) { sendKill(identity) }
    }

    /// From here on the end of the stream is a good one.
    func detaches() { state.withLock { $0.detach() } }

    private func sendKill(_ identity: StreamIdentity) {
        post(PoolService.signal, SignalRequest(lease: lease, execution: identity.execution, signal: 9))
    }

    private func sendLeave(_ identity: StreamIdentity) {
        if leaving == .kill, !state.withLock({ $0.isKilled }) { sendKill(identity) }
        post(
            PoolService.detach, DetachRequest(lease: lease, execution: identity.execution, watcher: identity.watcher))
    }

    // MARK: Calls about it

    /// Where calls about it go. It has started, so that there is one.
    var rpc: ClientConnection {
        get throws(BerthError) {
            guard let rpc = connection.load() else { throw .lost }
            return rpc
        }
    }

    /// Nobody needs the answer.
    private func post<Request, Response>(_ method: UnaryMethod<Request, Response>, _ request: Request) {
        connection.load()?.unary(method, request) { _ in }
    }
}

extension BerthError {
    static let leftCall = BerthError(.cancelled, "the caller left the call")
}
