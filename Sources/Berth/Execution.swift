// SPDX-License-Identifier: Apache-2.0

internal import BerthRPC
internal import BerthSchema

/// A running program: its events, in order, as they happen. Iterate it once, from one task.
///
/// `started` comes first, then `output`, and `ended` last. However the program ends, that is an event, even a failure to
/// start it. `dropped` reports output that the server no longer has; without it there are no gaps. Iterating throws
/// `BerthError` when the call itself fails (unknown lease, no member available, connection lost), and `CancellationError`
/// when its task is cancelled.
///
/// If output is read slowly, the program waits, and nothing else does. A program whose execution is cancelled or dropped
/// before its end is killed; a resumable one, and one that was attached to, continues without this watcher.
public final class Execution: AsyncSequence, Sendable {
    public typealias Element = ExecuteEvent

    /// Token of the lease; empty for a program in a member of its own.
    let lease: String
    let stream: EventStream<ExecuteEvent>
    let input: InputWriter
    /// Sends the standard input that was too long for the call, as the program reads it.
    private let feeding: Task<Void, Never>?
    /// The id of an execution that was attached to: known before this stream has started.
    let attachedID: String?
    /// Whether this watcher never slows the program down.
    let observes: Bool

    /// - Parameter rest: standard input that was too long for the call, and whether more follows it.
    init(
        lease: String, stream: EventStream<ExecuteEvent>, inputOffset: UInt64?,
        rest: (bytes: [UInt8], isAll: Bool)? = nil, attachedID: String? = nil, observes: Bool = false
    ) {
        self.lease = lease
        self.stream = stream
        self.attachedID = attachedID
        self.observes = observes
        input = InputWriter(stream, lease: lease, offset: inputOffset, isBusy: rest != nil)
        feeding = rest.map { [input] rest in Task { await input.feed(rest.bytes, ends: rest.isAll) } }
    }

    deinit {
        feeding?.cancel()
        stream.leave()
    }

    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(execution: self) }

    public struct AsyncIterator: AsyncIteratorProtocol {
        fileprivate let execution: Execution

        public mutating func next() async throws -> ExecuteEvent? {
            do {
                return try await execution.stream.next()
            } catch let error as CancellationError {
                execution.stream.leave()
                throw error
            }
        }
    }

    /// Reads to the end, and returns all output and how the program ended.
    /// - Parameter limit: maximum bytes kept of each stream; what exceeds it is only counted.
    public func collect(limit: Int = 16 << 20) async throws -> CollectedOutput {
        var collected = CollectedOutput()
        for try await event in self { collected.take(event, limit: limit) }
        return collected
    }

    // MARK: Which one, and how far

    /// The execution's id, for `BerthClient.attach`; secret, like a lease. Waits for the start.
    /// - Throws: why it did not start.
    public var id: String {
        get async throws(BerthError) { try await stream.started().execution }
    }

    /// How many bytes of stdout the reader has received, dropped ones included.
    public var stdoutOffset: UInt64 { stream.consumed.stdout }

    /// How many bytes of stderr the reader has received, dropped ones included.
    public var stderrOffset: UInt64 { stream.consumed.stderr }

    /// How many bytes of standard input the server has confirmed; nil while that is not known, as before the first write to
    /// an execution that was attached to. After a lost connection, writing on the resumed execution begins here.
    public var inputOffset: UInt64? { input.offset }

    // MARK: Control

    /// Writes to the standard input; on a terminal, types. It returns when the server has accepted all bytes, which takes as
    /// long as the program does not read. What several tasks write is not interleaved, and keeps the order of the calls.
    ///
    /// - Throws: `failedPrecondition` if the input has ended, `notFound` if the program has ended, `unavailable` if the
    ///   connection is lost, `cancelled` if the task is cancelled. In the last two cases a part may have been written.
    public func write(_ bytes: [UInt8]) async throws(BerthError) {
        guard !bytes.isEmpty else { return }
        try await input.write(bytes, ends: false)
    }

    /// Closes the standard input after what was written; on a terminal, types the end-of-file character (Ctrl-D).
    /// - Parameter bytes: the last bytes, sent together with the end, so that a program may exit as soon as it has read them.
    /// - Throws: the errors of `write`.
    public func closeInput(after bytes: [UInt8] = []) async throws(BerthError) {
        try await input.write(bytes, ends: true)
    }

    /// Changes the size of its terminal.
    /// - Throws: `failedPrecondition` if it has no terminal, `notFound` if it has ended.
    public func resize(rows: Int, columns: Int) async throws(BerthError) {
        let id = try await id
        _ = try await stream.rpc.call(
            PoolService.resize,
            ResizeTerminalRequest(
                lease: lease, execution: id,
                terminal: Terminal(rows: UInt32(clamping: rows), columns: UInt32(clamping: columns))))
    }

    /// Sends a signal to the program; `.kill` kills everything it started.
    /// - Throws: `invalidArgument` for an unknown signal, `notFound` if the program has ended.
    public func signal(_ signal: ProgramSignal) async throws(BerthError) {
        var request = SignalRequest(lease: lease, execution: try await id)
        switch signal.value {
        case .number(let number): request.signal = number
        case .name(let name): request.signalName = name
        }
        _ = try await stream.rpc.call(PoolService.signal, request)
    }

    /// Ends the program and everything it started: TERM, and KILL after the grace. Its end event follows.
    /// - Parameter grace: time between the two; nil is the command's own.
    /// - Throws: `notFound` if it has ended.
    public func cancel(grace: Duration? = nil) async throws(BerthError) {
        let id = try await id
        _ = try await stream.rpc.call(
            PoolService.signal,
            SignalRequest(
                lease: lease, execution: id, isCancel: true, graceMilliseconds: grace?.milliseconds ?? 0))
    }

    /// Kills the program and everything it started, or as soon as it has started. It does not wait; the end event follows.
    public func kill() { stream.kill() }

    /// Stops watching: iterating ends after the events that have arrived. A resumable program continues for its time; any
    /// other one ends with its last watcher.
    public func detach() async throws(BerthError) {
        let identity = try await stream.started()
        stream.detaches()
        _ = try await stream.rpc.call(
            PoolService.detach, DetachRequest(lease: lease, execution: identity.execution, watcher: identity.watcher))
    }
}

/// A signal, given by its number (1 to 64) or its name: `15`, `"TERM"`, `"SIGTERM"`, `.terminate`.
public struct ProgramSignal: Sendable, Equatable, ExpressibleByIntegerLiteral, ExpressibleByStringLiteral {
    enum Value: Sendable, Equatable {
        case number(Int32)
        case name(String)
    }

    let value: Value

    public init(_ number: Int32) { value = .number(number) }
    public init(_ name: String) { value = .name(name) }
    public init(integerLiteral number: Int32) { self.init(number) }
    public init(stringLiteral name: String) { self.init(name) }

    public static let hangup: ProgramSignal = 1
    public static let interrupt: ProgramSignal = 2
    public static let quit: ProgramSignal = 3
    /// Kills everything that the program started as well.
    public static let kill: ProgramSignal = 9
    public static let terminate: ProgramSignal = 15
}

extension ExecuteEvent: CreditedEvent {
    var meaning: EventMeaning {
        switch self {
        case .started(let started):
            .started(StreamIdentity(execution: started.execution, watcher: started.watcher))
        case .output(let output): .output(output)
        case .dropped(let dropped): .dropped(dropped)
        case .display(let display):
            .shown(position: display.position, bytes: display.data.reduce(0) { $0 + $1.data.count })
        case .failure(let failure):
            .shown(position: failure.position, bytes: failure.traceback.reduce(0) { $0 + $1.utf8.count })
        case .prompt(let prompt): .shown(position: prompt.position, bytes: prompt.text.utf8.count)
        case .outputEnded: .other
        case .ended: .last
        case .unknown: .other
        }
    }
}
