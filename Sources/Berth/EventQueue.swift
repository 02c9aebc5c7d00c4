// SPDX-License-Identifier: Apache-2.0

internal import BerthSchema
internal import DequeModule

/// An event of a stream with credit.
protocol CreditedEvent: Message {
    var meaning: EventMeaning { get }
    static func output(_ output: Output) -> Self
}

enum EventMeaning {
    /// The first event: how calls about the stream name it.
    case started(StreamIdentity)
    case output(Output)
    case dropped(Dropped)
    /// What a piece of code shows beside output: its position and about its size, in bytes.
    case shown(position: UInt64, bytes: Int)
    /// The regular last event.
    case last
    case other
}

/// How `Acknowledge`, `Detach`, `Input` and similar calls name a stream.
struct StreamIdentity: Sendable, Equatable {
    var execution: String
    var watcher: UInt32
}

/// How far a stream's outputs have come, and what is shown beside them.
struct OutputOffsets: Sendable, Equatable {
    var stdout: UInt64 = 0
    var stderr: UInt64 = 0
    var events: UInt64 = 0

    mutating func advance(_ stream: OutputStream, to offset: UInt64) {
        switch stream {
        case .stdout: stdout = offset
        case .stderr: stderr = offset
        case .events: events = offset
        }
    }
}

/// Events that wait for their reader, never more bytes than the window. It decides when credit is due; others send it.
struct EventQueue<Event: CreditedEvent> {
    /// Joined outputs are no longer than those on the wire.
    private static var maxOutput: Int { 32 << 10 }
    /// With more events than this, an output is joined to the previous one of its stream even if the other stream's are in
    /// between, since a program may fill its window byte by byte, alternating between streams.
    private static var manyEvents: Int { 1024 }
    /// Events after which credit is due, however few bytes they have: a server never has more than 60 unacknowledged.
    private static var eventsPerCredit: Int { 30 }

    private let window: Int
    private var events: Deque<Event> = []
    /// How many outputs of the wire were joined into each of them.
    private var pieces: Deque<Int> = []
    /// How many events were ever removed: indices into the queue count from here.
    private var taken = 0
    /// The newest output of each stream, counted from the first event ever; nil if a dropped event came after it.
    private var newest: [Int?] = [nil, nil, nil]
    /// Bytes of output in the queue.
    private var bytes = 0
    /// Bytes of output consumed since credit was last given, and how many outputs of the wire they were.
    private var unacknowledged = 0
    private var unacknowledgedEvents = 0
    /// The offsets up to which the reader has everything.
    private(set) var consumed: OutputOffsets

    init(window: Int, from offsets: OutputOffsets) {
        self.window = window
        consumed = offsets
    }

    var isEmpty: Bool { events.isEmpty }

    /// Adds an event that arrived.
    /// - Returns: false if the server has sent more than the window allows.
    mutating func append(_ event: Event) -> Bool {
        switch event.meaning {
        case .output(let output):
            bytes += output.data.count
            guard bytes <= window else { return false }
            if join(output) { return true }
            newest[output.stream.index] = taken + events.count
        case .dropped(let dropped):
            newest[dropped.stream.index] = nil
        case .shown(_, let count):
            // What is larger than what is left of the window comes when less than a quarter of that is here.
            guard bytes < window / 4 || bytes + count <= window else { return false }
            bytes += count
            // Output after it must not be joined to output before it.
            newest = [nil, nil, nil]
        case .started, .last, .other:
            break
        }
        events.append(event)
        pieces.append(1)
        return true
    }

    /// Appends to the newest output of the same stream, if that is short.
    private mutating func join(_ output: Output) -> Bool {
        guard let position = newest[output.stream.index] else { return false }
        let index = position - taken
        guard index >= 0, index == events.count - 1 || events.count > Self.manyEvents,
            case .output(var joined) = events[index].meaning, joined.data.count + output.data.count <= Self.maxOutput
        else { return false }
        // Given back for a moment, so that appending does not copy what is there.
        events[index] = .output(Output())
        joined.data += output.data
        events[index] = .output(joined)
        pieces[index] += 1
        return true
    }

    mutating func next() -> Event? {
        guard let event = events.popFirst(), let count = pieces.popFirst() else { return nil }
        taken += 1
        switch event.meaning {
        case .output(let output): bytes -= output.data.count
        case .shown(_, let count): bytes -= count
        case .started, .dropped, .last, .other: break
        }
        consume(event, pieces: count)
        return event
    }

    /// The reader has received the event, which may never have been in the queue.
    /// - Parameter pieces: how many outputs of the wire it consists of.
    mutating func consume(_ event: Event, pieces: Int = 1) {
        switch event.meaning {
        case .output(let output):
            consumed.advance(output.stream, to: output.offset + UInt64(output.data.count))
            unacknowledged += output.data.count
            unacknowledgedEvents += pieces
        case .dropped(let dropped):
            unacknowledgedEvents += 1
            consumed.advance(dropped.stream, to: dropped.offset + dropped.bytes)
        case .shown(let position, let count):
            consumed.advance(.events, to: position)
            unacknowledged += count
            unacknowledgedEvents += 1
        case .started, .last, .other:
            break
        }
    }

    /// Whether a quarter of the window, or many events, were consumed since credit was last given. Credit for less than that
    /// would make the server send small pieces.
    var isCreditDue: Bool { unacknowledged * 4 >= window || unacknowledgedEvents >= Self.eventsPerCredit }

    /// The offsets to acknowledge now.
    mutating func giveCredit() -> OutputOffsets {
        unacknowledged = 0
        unacknowledgedEvents = 0
        return consumed
    }

    /// Discards everything in the queue, because nobody will read it.
    mutating func discard() {
        events = []
        pieces = []
        bytes = 0
    }
}

extension OutputStream {
    fileprivate var index: Int { Int(rawValue) }
}
