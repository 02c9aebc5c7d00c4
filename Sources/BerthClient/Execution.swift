internal import DequeModule
public import Schema
internal import Synchronization

/// A program that runs: its events, in order, while they happen. Iterate it once.
///
/// `started` comes first, then `output`, last `ended`; any end of the program is an event, a failure to start it
/// included. Iterating throws `BerthError` when the call itself fails (no such lease, no member to be had, the
/// connection lost), and `CancellationError` when its task is cancelled. A program whose execution is cancelled or
/// dropped before its end is killed.
public final class Execution: AsyncSequence, Sendable {
    public typealias Element = ExecuteEvent

    private let buffer: EventBuffer
    private let send: @Sendable (_ execution: String, _ signal: Int32) -> Void

    init(buffer: EventBuffer, send: @escaping @Sendable (String, Int32) -> Void) {
        self.buffer = buffer
        self.send = send
        buffer.whenKilledEarly { id in send(id, 9) }
    }

    deinit {
        leave()
    }

    /// Sends a signal, 1 to 64, to the program; 9 ends everything it started. Without effect before `started`.
    public func signal(_ signal: Int32) {
        if let id = buffer.runningExecution { send(id, signal) }
    }

    /// Ends the program and everything it started; its end event follows.
    public func kill() {
        if let id = buffer.kill() { send(id, 9) }
    }

    /// Kills it, and keeps nothing of what it still writes.
    private func leave() {
        kill()
        buffer.discard()
    }

    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(execution: self) }

    public struct AsyncIterator: AsyncIteratorProtocol {
        fileprivate let execution: Execution

        public mutating func next() async throws -> ExecuteEvent? {
            do {
                return try await execution.buffer.next()
            } catch let error as CancellationError {
                execution.leave()
                throw error
            }
        }
    }

    /// Reads it to its end: what it wrote, and how it ended.
    /// - Parameter limit: bytes of output kept, of both streams each; what is over it is dropped.
    public func collect(limit: Int = 16 << 20) async throws -> CollectedOutput {
        var collected = CollectedOutput()
        for try await event in self {
            switch event {
            case .output(let output) where output.stream == .stdout:
                collected.stdout.append(contentsOf: output.data.prefix(Swift.max(0, limit - collected.stdout.count)))
            case .output(let output):
                collected.stderr.append(contentsOf: output.data.prefix(Swift.max(0, limit - collected.stderr.count)))
            case .ended(let ended):
                collected.ended = ended
            case .started, .dropped, .unknown:
                break
            }
        }
        return collected
    }
}

/// All that a program wrote, and its end.
public struct CollectedOutput: Sendable, Equatable {
    public var stdout: [UInt8] = []
    public var stderr: [UInt8] = []
    public var ended = Ended()
}

/// Events between the connection and who iterates, bounded by stopping to read.
final class EventBuffer: Sendable {
    private static let high = 1 << 20
    private static let low = 256 << 10

    private struct State {
        var events: Deque<ExecuteEvent> = []
        var bytes = 0
        var isPaused = false
        var isOver = false
        var isKilled = false
        /// Nobody will read.
        var isDiscarding = false
        var error: BerthError?
        var id: String?
        var waiting: CheckedContinuation<ExecuteEvent?, any Error>?
        var onKilledEarly: (@Sendable (String) -> Void)?
    }

    private let state = Mutex(State())
    private let flow: ReadingPause

    init(_ flow: ReadingPause) {
        self.flow = flow
    }

    func whenKilledEarly(_ action: @escaping @Sendable (String) -> Void) {
        state.withLock { $0.onKilledEarly = action }
    }

    /// The execution's id while it runs.
    var runningExecution: String? {
        state.withLock { $0.isOver ? nil : $0.id }
    }

    /// The id to kill; nil when it has ended, or has not started: then it is killed as soon as it has.
    func kill() -> String? {
        state.withLock { state in
            guard !state.isOver, !state.isKilled else { return nil }
            state.isKilled = true
            return state.id
        }
    }

    /// Nobody reads any more: what is here goes, and so does what still comes, so that it does not stop the other calls
    /// of the connection.
    func discard() {
        let wasPaused = state.withLock { state in
            state.isDiscarding = true
            state.events = []
            state.bytes = 0
            defer { state.isPaused = false }
            return state.isPaused
        }
        if wasPaused { flow.end() }
    }

    func push(_ event: ExecuteEvent) {
        var toKill: (@Sendable (String) -> Void, String)?
        let waiting = state.withLock { state -> CheckedContinuation<ExecuteEvent?, any Error>? in
            guard !state.isOver else { return nil }
            switch event {
            case .started(let started):
                state.id = started.execution
                if state.isKilled, let action = state.onKilledEarly { toKill = (action, started.execution) }
            case .ended:
                state.isOver = true
            case .output, .dropped, .unknown:
                break
            }
            if let waiting = state.waiting {
                state.waiting = nil
                return waiting
            }
            guard !state.isDiscarding else { return nil }
            state.events.append(event)
            state.bytes += event.cost
            if state.bytes > EventBuffer.high, !state.isPaused {
                state.isPaused = true
                flow.begin()
            }
            return nil
        }
        waiting?.resume(returning: event)
        if let (action, id) = toKill { action(id) }
    }

    func end(_ error: BerthError?) {
        let error = error ?? BerthError(.internal, "the server ended the stream without an end of the program")
        let waiting = state.withLock { state -> CheckedContinuation<ExecuteEvent?, any Error>? in
            guard !state.isOver else { return nil }
            state.isOver = true
            // Told once: to who waits, or to who comes next.
            guard let waiting = state.waiting.take() else {
                state.error = error
                return nil
            }
            return waiting
        }
        waiting?.resume(throwing: error)
    }

    func next() async throws -> ExecuteEvent? {
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let answer: Result<ExecuteEvent?, any Error>? = state.withLock { state in
                    if let event = state.events.popFirst() {
                        state.bytes -= event.cost
                        if state.isPaused, state.bytes < EventBuffer.low {
                            state.isPaused = false
                            flow.end()
                        }
                        return .success(event)
                    }
                    if let error = state.error {
                        state.error = nil
                        return .failure(error)
                    }
                    if state.isOver { return .success(nil) }
                    if Task.isCancelled { return .failure(CancellationError()) }
                    precondition(state.waiting == nil, "an execution is iterated by one task")
                    state.waiting = continuation
                    return nil
                }
                if let answer { continuation.resume(with: answer) }
            }
        } onCancel: {
            let waiting = state.withLock { state in
                defer { state.waiting = nil }
                return state.waiting
            }
            waiting?.resume(throwing: CancellationError())
        }
    }

    deinit {
        if state.withLock({ $0.isPaused }) { flow.end() }
    }
}

extension ExecuteEvent {
    fileprivate var cost: Int {
        if case .output(let output) = self { output.data.count + 64 } else { 64 }
    }
}
