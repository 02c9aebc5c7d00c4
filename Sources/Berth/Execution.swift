// SPDX-License-Identifier: Apache-2.0

internal import BerthRPC
internal import BerthSchema

/// A program that runs: its events, in order, while they happen. Iterate it once, from one task.
///
/// `started` comes first, then `output`, last `ended`; any end of the program is an event, a failure to start it
/// included. `dropped` stands for output that is no longer to be had; without it there are no gaps. Iterating throws
/// `BerthError` when the call itself fails (no such lease, no member to be had, the connection lost), and
/// `CancellationError` when its task is cancelled.
///
/// A program that is read slowly waits, and nothing else does. One whose execution is cancelled or dropped before its end
/// is killed; a resumable one, and one that was attached to, goes on without this watcher.
public final class Execution: AsyncSequence, Sendable {
    public typealias Element = ExecuteEvent

    /// The lease's token; empty for a program in a member of its own.
    let lease: String
    let stream: EventStream<ExecuteEvent>
    let input: InputWriter
    /// Sends the standard input that did not go with the call, as the program reads it.
    private let feeding: Task<Void, Never>?
    /// Its id, where it was attached to: known before this stream of it has started.
    let attachedID: String?
    /// It was attached to without slowing it down.
    let observes: Bool

    /// - Parameter rest: standard input that did not go with the call, and whether more follows it.
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

    /// Reads it to its end: what it wrote, and how it ended.
    /// - Parameter limit: bytes of output kept, of both streams each; what is over it is counted.
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

    /// How many bytes of stdout the reader has, dropped ones included.
    public var stdoutOffset: UInt64 { stream.consumed.stdout }

    /// How many bytes of stderr the reader has, dropped ones included.
    public var stderrOffset: UInt64 { stream.consumed.stderr }

    /// How many bytes of standard input were taken for sure; nil while that is not known, as before the first write to an
    /// execution that was attached to. After a lost connection, what is written on the resumed execution begins here.
    public var inputOffset: UInt64? { input.offset }

    // MARK: What is done to it

    /// Adds to its standard input; on a terminal, types. Returns when the bytes were taken: while the program does not
    /// read, that takes as long as it takes. What several tasks write stays together, in the order of the calls.
    ///
    /// - Throws: `failedPrecondition` when the input has ended, `notFound` when the program has, `unavailable` when the
    ///   connection is lost, `cancelled` when the task is. The last two may come when a part was taken.
    public func write(_ bytes: [UInt8]) async throws(BerthError) {
        guard !bytes.isEmpty else { return }
        try await input.write(bytes, ends: false)
    }

    /// Ends its standard input, after what was written; on a terminal, types the end-of-file character (Ctrl-D).
    /// - Parameter bytes: the last of it, which goes with the end: a program that ends when it has read them is no failure.
    /// - Throws: as `write`.
    public func closeInput(after bytes: [UInt8] = []) async throws(BerthError) {
        try await input.write(bytes, ends: true)
    }

    /// Tells its terminal its new size.
    /// - Throws: `failedPrecondition` when it has no terminal, `notFound` when it has ended.
    public func resize(rows: Int, columns: Int) async throws(BerthError) {
        let id = try await id
        _ = try await stream.rpc.call(
            PoolService.resize,
            ResizeTerminalRequest(
                lease: lease, execution: id,
                terminal: Terminal(rows: UInt32(clamping: rows), columns: UInt32(clamping: columns))))
    }

    /// Sends it a signal; `.kill` ends everything it started.
    /// - Throws: `invalidArgument` when there is no such signal, `notFound` when it has ended.
    public func signal(_ signal: ProgramSignal) async throws(BerthError) {
        var request = SignalRequest(lease: lease, execution: try await id)
        switch signal.value {
        case .number(let number): request.signal = number
        case .name(let name): request.signalName = name
        }
        _ = try await stream.rpc.call(PoolService.signal, request)
    }

    /// Ends it and everything it started: TERM, a grace, KILL. Its end event follows.
    /// - Parameter grace: nil is the execution's own.
    /// - Throws: `notFound` when it has ended.
    public func cancel(grace: Duration? = nil) async throws(BerthError) {
        let id = try await id
        _ = try await stream.rpc.call(
            PoolService.signal,
            SignalRequest(
                lease: lease, execution: id, isCancel: true, graceMilliseconds: grace?.milliseconds ?? 0))
    }

    /// Kills it and everything it started, without waiting for anything; before its start: as soon as it has started.
    /// Its end event follows.
    public func kill() { stream.kill() }

    /// Watches it no more: iterating ends after what has come. A resumable program goes on for its time; any other one
    /// ends with its last watcher.
    public func detach() async throws(BerthError) {
        let identity = try await stream.started()
        stream.detaches()
        _ = try await stream.rpc.call(
            PoolService.detach, DetachRequest(lease: lease, execution: identity.execution, watcher: identity.watcher))
    }
}

/// A signal by its number, 1 to 64, or its name: `15`, `"TERM"`, `"SIGTERM"`, `.terminate`.
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
    /// Ends everything that the program started as well.
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
        case .ended: .last
        case .unknown: .other
        }
    }
}
