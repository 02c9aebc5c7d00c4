// SPDX-License-Identifier: Apache-2.0

internal import BerthRPC
internal import BerthSchema
internal import NIOCore
internal import Synchronization

/// A stream of events with credit, between the connection and the one task that reads it.
final class EventStream<Event: CreditedEvent>: Sendable {
    /// What happens to the execution when its reader leaves before the end.
    enum Leaving: Sendable {
        /// It is killed, with everything it started.
        case kill
        /// This watcher detaches: the execution ends with its last watcher, unless it is resumable.
        case detach
    }

    private let connector: Connector
    /// The connection of the call, which all calls about the execution use; nil until there is one.
    private let connection = AtomicLazyReference<ClientConnection>()
    /// The token of the execution's lease, for calls about it.
    private let lease: String
    private let leaving: Leaving
    private let state: Mutex<StreamState<Event>>

    /// Makes the call. Its events arrive from then on.
    /// - Parameter deadline: the deadline of the call, connecting included; nil is none.
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
        // The usual case, without a task.
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

    // MARK: Events from the connection, on its loop

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

    /// The server broke the protocol, so that nothing it still sends is of use.
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

    /// The offsets up to which the reader has everything.
    var consumed: OutputOffsets { state.withLock { $0.consumed } }

    /// Sends the newest offsets. On the loop.
    private func giveCredit() {
        guard let (identity, offsets) = state.withLock({ $0.credit() }) else { return }
        let request = AcknowledgeRequest(
            lease: lease, execution: identity.execution, watcher: identity.watcher, stdoutOffset: offsets.stdout,
            stderrOffset: offsets.stderr, eventsPosition: offsets.events)
        // The answer does not matter: an execution that has ended needs no credit, and other errors end the stream as well.
        post(PoolService.acknowledge, request)
    }

    // MARK: Start and end

    /// The identity, once it has started; also after its end.
    var identity: StreamIdentity? { state.withLock { $0.identity } }

    /// Waits for the start.
    /// - Throws: why it did not start; `cancelled` if the task is cancelled.
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

    /// The reader leaves: events that still arrive are discarded.
    func leave() {
        if let identity = state.withLock({ $0.leave() }) { sendLeave(identity) }
    }

    /// Kills the execution and everything it started. Its end event still arrives.
    func kill() {
        if let identity = state.withLock({ $0.kill() }) { sendKill(identity) }
    }

    /// From now on, a stream may end without its last event.
    func detaches() { state.withLock { $0.detach() } }

    private func sendKill(_ identity: StreamIdentity) {
        post(PoolService.signal, SignalRequest(lease: lease, execution: identity.execution, signal: 9))
    }

    private func sendLeave(_ identity: StreamIdentity) {
        if leaving == .kill, !state.withLock({ $0.isKilled }) { sendKill(identity) }
        post(
            PoolService.detach, DetachRequest(lease: lease, execution: identity.execution, watcher: identity.watcher))
    }

    // MARK: Calls about the execution

    /// The connection for calls about the execution. It has started, so there is one.
    var rpc: ClientConnection {
        get throws(BerthError) {
            guard let rpc = connection.load() else { throw .lost }
            return rpc
        }
    }

    /// Calls without waiting for the answer.
    private func post<Request, Response>(_ method: UnaryMethod<Request, Response>, _ request: Request) {
        connection.load()?.unary(method, request) { _ in }
    }
}

extension BerthError {
    static let leftCall = BerthError(.cancelled, "the caller left the call")
}
