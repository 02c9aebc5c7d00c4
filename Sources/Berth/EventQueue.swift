// SPDX-License-Identifier: Apache-2.0

internal import BerthSchema
internal import DequeModule

/// An event of a stream with credit.
protocol CreditedEvent: Message {
    var meaning: EventMeaning { get }
    static func output(_ output: Output) -> Self
}

enum EventMeaning {
    /// The first one: what to name in calls about the stream.
    case started(StreamIdentity)
    case output(Output)
    case dropped(Dropped)
    /// What a piece of code shows beside output: its position and about its size, in bytes.
    case shown(position: UInt64, bytes: Int)
    /// The good end.
    case last
    case other
}

/// What `Acknowledge`, `Detach`, `Input` and the like name.
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

/// Events that wait for their reader: never more bytes than the window. Decides when credit is due, and does nothing.
struct EventQueue<Event: CreditedEvent> {
    /// Joined outputs are not longer than those of the wire.
    private static var maxOutput: Int { 32 << 10 }
    /// With more than so many events here, outputs are joined over those of the other stream in between: a program may
    /// write its window byte by byte, in turns.
    private static var manyEvents: Int { 1024 }
    /// Events after which credit is due, however few bytes they have: a server leaves no more than 60 unacknowledged.
    private static var eventsPerCredit: Int { 30 }

    private let window: Int
    private var events: Deque<Event> = []
    /// How many of the wire's outputs each of them is.
    private var pieces: Deque<Int> = []
    /// How many events were ever taken out: what is at an index now is counted from here.
    private var taken = 0
    /// The newest output of each stream, counted from the first event ever; nil when a dropped event has come after it.
    private var newest: [Int?] = [nil, nil, nil]
    /// Bytes of output that wait.
    private var bytes = 0
    /// Bytes of output that were taken since credit was last given, and how many of the wire's outputs they were.
    private var unacknowledged = 0
    private var unacknowledgedEvents = 0
    /// What the reader has.
    private(set) var consumed: OutputOffsets

    init(window: Int, from offsets: OutputOffsets) {
        self.window = window
        consumed = offsets
    }

    var isEmpty: Bool { events.isEmpty }

    /// Takes in what came.
    /// - Returns: false when the server has sent more than the window allows.
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
            // One that is larger than the window comes when nothing else is here.
            guard bytes == 0 || bytes + count <= window else { return false }
            bytes += count
            // What comes after it is not to be joined to what was before it.
            newest = [nil, nil, nil]
        case .started, .last, .other:
            break
        }
        events.append(event)
        pieces.append(1)
        return true
    }

    /// Adds to the newest output of the same stream, if it is short.
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

    /// The reader has the event, which may never have waited here.
    /// - Parameter pieces: how many of the wire's outputs it is.
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

    /// Whether a quarter of the window has been consumed since credit was last given, or many events. Never less: credit for
    /// each small piece would be answered by small pieces.
    var isCreditDue: Bool { unacknowledged * 4 >= window || unacknowledgedEvents >= Self.eventsPerCredit }

    /// The offsets to acknowledge now.
    mutating func giveCredit() -> OutputOffsets {
        unacknowledged = 0
        unacknowledgedEvents = 0
        return consumed
    }

    /// Nobody will read: all that waits goes.
    mutating func discard() {
        events = []
        pieces = []
        bytes = 0
    }
}

extension OutputStream {
    fileprivate var index: Int { Int(rawValue) }
}
