// SPDX-License-Identifier: Apache-2.0

internal import BerthSchema

/// The state of a stream of events, and what each event means for it. It only decides; `EventStream` acts.
struct StreamState<Event: CreditedEvent> {
    typealias Reader = CheckedContinuation<Event?, any Error>
    typealias Starter = CheckedContinuation<Result<StreamIdentity, BerthError>, Never>

    enum Phase {
        /// To `running` with the first event, or to `over`.
        case starting
        /// To `over` with the last event, or with an error.
        case running(StreamIdentity)
        /// The final state. Events may still wait for the reader.
        case over
    }

    /// What to do about an event that arrived.
    struct Reaction {
        /// The reader that gets the event.
        var reader: Reader?
        var givesCredit = false
        /// Whether the server has exceeded the window.
        var isTooMuch = false
        /// The identity for callers who waited for the start, and for calls that were postponed until then.
        var started: StreamIdentity?
        var starters: [Starter] = []
        var kills = false
        var leaves = false
    }

    private(set) var phase = Phase.starting
    /// Set from the start on, also after the end.
    private(set) var identity: StreamIdentity?
    private(set) var isKilled = false
    private(set) var isDetached = false
    private var queue: EventQueue<Event>
    /// Thrown once, after everything before it has been read.
    private var error: BerthError?
    private var reader: Reader?
    private var starters: [Int: Starter] = [:]
    private var lastTicket = 0
    private var hasLeft = false
    private var isCreditOnItsWay = false

    init(queue: EventQueue<Event>) {
        self.queue = queue
    }

    /// The offsets up to which the reader has everything.
    var consumed: OutputOffsets { queue.consumed }

    // MARK: Arriving events

    mutating func received(_ event: Event) -> Reaction {
        var reaction = Reaction()
        if case .over = phase { return reaction }
        switch event.meaning {
        case .started(let identity):
            phase = .running(identity)
            self.identity = identity
            reaction.started = identity
            reaction.starters = Array(starters.values)
            starters = [:]
            (reaction.kills, reaction.leaves) = (isKilled, hasLeft)
        case .last: phase = .over
        case .output, .dropped, .shown, .other: break
        }
        if let reader = reader.take() {
            queue.consume(event)
            reaction.reader = reader
            reaction.givesCredit = takesCredit()
        } else if !hasLeft {
            reaction.isTooMuch = !queue.append(event)
        }
        return reaction
    }

    /// The stream ends without its last event. Returns the waiters to resume, and whether this was expected, as for a reader that
    /// detached.
    mutating func ended(_ error: BerthError) -> (reader: Reader?, starters: [Starter], isGood: Bool) {
        if case .over = phase { return (nil, [], true) }
        phase = .over
        defer { starters = [:] }
        if reader == nil, !isDetached { self.error = error }
        return (reader.take(), Array(starters.values), isDetached)
    }

    // MARK: The reader

    /// The next event in the queue, and whether the caller must give credit now.
    mutating func next() -> (event: Event, givesCredit: Bool)? {
        queue.next().map { ($0, takesCredit()) }
    }

    /// What the reader gets if the queue is empty; nil if it must wait.
    mutating func end() -> Result<Event?, any Error>? {
        if let error = error.take() { return .failure(error) }
        if case .over = phase { return .success(nil) }
        return nil
    }

    mutating func wait(_ reader: Reader) {
        precondition(self.reader == nil, "an execution is iterated by one task")
        self.reader = reader
    }

    mutating func stopWaiting() -> Reader? { reader.take() }

    /// Whether credit is due and nobody else is about to give it. If true, the caller must give it.
    private mutating func takesCredit() -> Bool {
        guard queue.isCreditDue, !isCreditOnItsWay, case .running = phase else { return false }
        isCreditOnItsWay = true
        return true
    }

    /// The newest offsets, for the caller that gives credit; nil if the stream is over.
    mutating func credit() -> (StreamIdentity, OutputOffsets)? {
        isCreditOnItsWay = false
        let offsets = queue.giveCredit()
        guard case .running(let identity) = phase else { return nil }
        return (identity, offsets)
    }

    // MARK: Waiting for the start

    mutating func ticket() -> Int {
        lastTicket += 1
        return lastTicket
    }

    /// The result of the start; nil if there is none yet.
    var start: Result<StreamIdentity, BerthError>? {
        if let identity { return .success(identity) }
        guard case .over = phase else { return nil }
        return .failure(error ?? BerthError(.unavailable, "the execution never started"))
    }

    mutating func waitForStart(_ starter: Starter, _ ticket: Int) { starters[ticket] = starter }

    mutating func stopWaitingForStart(_ ticket: Int) -> Starter? { starters.removeValue(forKey: ticket) }

    // MARK: Leaving

    /// Returns the stream to leave; nil if it is over, or has not started: then it is left when it starts.
    mutating func leave() -> StreamIdentity? {
        guard !hasLeft else { return nil }
        hasLeft = true
        queue.discard()
        return running
    }

    /// Returns the execution to kill; nil if it was killed before, is over, or has not started: then it is killed when it
    /// starts.
    mutating func kill() -> StreamIdentity? {
        guard !isKilled else { return nil }
        isKilled = true
        return running
    }

    mutating func detach() { isDetached = true }

    private var running: StreamIdentity? {
        if case .running(let identity) = phase { identity } else { nil }
    }
}
