// SPDX-License-Identifier: Apache-2.0

internal import BerthSchema

/// Where a stream of events stands, and what each thing that happens to it means. Decides, and does nothing.
struct StreamState<Event: CreditedEvent> {
    typealias Reader = CheckedContinuation<Event?, any Error>
    typealias Starter = CheckedContinuation<Result<StreamIdentity, BerthError>, Never>

    enum Phase {
        /// To `running` with the first event, or to `over`.
        case starting
        /// To `over` with the last event, or with an error.
        case running(StreamIdentity)
        /// For good. Events may still wait for the reader.
        case over
    }

    /// What is to be done about an event that came.
    struct Reaction {
        /// Gets the event.
        var reader: Reader?
        var givesCredit = false
        /// The server does not keep to the window.
        var isTooMuch = false
        /// What those get who waited for the start, and what was put off until then.
        var started: StreamIdentity?
        var starters: [Starter] = []
        var kills = false
        var leaves = false
    }

    private(set) var phase = Phase.starting
    /// From the start on, also after the end.
    private(set) var identity: StreamIdentity?
    private(set) var isKilled = false
    private(set) var isDetached = false
    private var queue: EventQueue<Event>
    /// Told once, when all that came before it has been read.
    private var error: BerthError?
    private var reader: Reader?
    private var starters: [Int: Starter] = [:]
    private var lastTicket = 0
    private var hasLeft = false
    private var isCreditOnItsWay = false

    init(queue: EventQueue<Event>) {
        self.queue = queue
    }

    /// How much of each output the reader has.
    var consumed: OutputOffsets { queue.consumed }

    // MARK: What comes

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

    /// The stream ends without its last event. Returns who is to be told, and whether it is well so, as it is for a reader
    /// that detached.
    mutating func ended(_ error: BerthError) -> (reader: Reader?, starters: [Starter], isGood: Bool) {
        if case .over = phase { return (nil, [], true) }
        phase = .over
        defer { starters = [:] }
        if reader == nil, !isDetached { self.error = error }
        return (reader.take(), Array(starters.values), isDetached)
    }

    // MARK: Who reads

    /// The next event that is here, and whether the caller is now to give credit.
    mutating func next() -> (event: Event, givesCredit: Bool)? {
        queue.next().map { ($0, takesCredit()) }
    }

    /// What there is to tell when no event is here; nil: the reader waits.
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

    /// Whether credit is due and nobody has taken it on to give it: the caller now has.
    private mutating func takesCredit() -> Bool {
        guard queue.isCreditDue, !isCreditOnItsWay, case .running = phase else { return false }
        isCreditOnItsWay = true
        return true
    }

    /// The newest offsets, whoever took it on; nil when the stream is over.
    mutating func credit() -> (StreamIdentity, OutputOffsets)? {
        isCreditOnItsWay = false
        let offsets = queue.giveCredit()
        guard case .running(let identity) = phase else { return nil }
        return (identity, offsets)
    }

    // MARK: Who waits for the start

    mutating func ticket() -> Int {
        lastTicket += 1
        return lastTicket
    }

    /// What is known of the start; nil: not yet.
    var start: Result<StreamIdentity, BerthError>? {
        if let identity { return .success(identity) }
        guard case .over = phase else { return nil }
        return .failure(error ?? BerthError(.unavailable, "the execution never started"))
    }

    mutating func waitForStart(_ starter: Starter, _ ticket: Int) { starters[ticket] = starter }

    mutating func stopWaitingForStart(_ ticket: Int) -> Starter? { starters.removeValue(forKey: ticket) }

    // MARK: Who has enough

    /// Returns the stream to leave; nil when there is none any more, or none yet: then it is left at the start.
    mutating func leave() -> StreamIdentity? {
        guard !hasLeft else { return nil }
        hasLeft = true
        queue.discard()
        return running
    }

    /// Returns what to kill; nil when it was killed before, is no more, or is not yet: then it is killed at the start.
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
