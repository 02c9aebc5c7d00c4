// SPDX-License-Identifier: Apache-2.0

internal import BerthSchema
internal import NIOCore

/// The progress of a watcher.
struct WatcherState: Codable {
    let id: UInt32
    /// Maximum bytes of output sent and not acknowledged; nil: what is sent counts as acknowledged.
    let window: UInt64?
    let isObserver: Bool
    /// Whether its stream may start before the program.
    let mayStart: Bool
    /// Maximum bytes of one output; nil: that of clients that do not say.
    private let largest: Int?
    var isStarted = false
    /// Whether it was told that no more output comes.
    var knowsOutputEnd = false
    /// Whether its stream will ask for more by itself, because it was woken or waits for room.
    var isAwake = true
    private(set) var sent: PerStream<UInt64>
    private(set) var acknowledged: PerStream<UInt64>
    /// Bytes sent and not acknowledged, both streams together.
    private(set) var unacknowledged: UInt64 = 0
    /// Where the unacknowledged outputs end.
    private var events = EventEnds()
    /// Whether it ran out of room, and does not have enough again.
    private var isStalled = false
    /// Whether a gap was reported right after what it had acknowledged, and it has acknowledged nothing since.
    private var hasLeadingGap = false
    /// Gaps that were reported after what is acknowledged. They do not count in `unacknowledged`.
    private var gaps = PerStream<[Range<UInt64>]>([])

    init(
        id: UInt32, window: UInt64?, isObserver: Bool, mayStart: Bool, position: PerStream<UInt64>,
        largest: Int = OutputHub.largestOutput
    ) {
        self.largest = largest == OutputHub.largestOutput ? nil : largest
        self.id = id
        self.window = window
        self.isObserver = isObserver
        self.mayStart = mayStart
        sent = position
        acknowledged = position
    }

    var largestOutput: Int { largest ?? OutputHub.largestOutput }
    /// How many bytes may be sent now.
    var room: Int { window.map { Int($0 - min($0, unacknowledged)) } ?? .max }
    /// Whether so many bytes, which can't be divided, may be sent. What is larger than the rest of the window waits until less
    /// than a quarter of the window is out: for less, clients give no credit.
    func hasRoom(forWhole count: Int) -> Bool {
        hasEventsLeft && (count <= room || unacknowledged < (window ?? .max) / 4)
    }
    var hasEventsLeft: Bool {
        guard window != nil else { return true }
        let told = gaps.stdout.count + gaps.stderr.count + gaps.events.count + (hasLeadingGap ? 1 : 0)
        return events.count + told < OutputHub.maxEvents
    }

    /// Whether there is enough room to continue. Otherwise a client that frees room in small pieces would get output in small
    /// pieces for ever (silly window syndrome).
    func goesOn(waiting: UInt64) -> Bool {
        guard isStalled, let window else { return true }
        return room >= min(waiting, window / 4, UInt64(largestOutput))
    }

    mutating func sent(_ slice: OutputSlice) {
        let count = UInt64(slice.data.readableBytes)
        sent[slice.stream] += count
        if window == nil {
            acknowledged[slice.stream] = sent[slice.stream]
        } else {
            unacknowledged += count
            events.append(sent[slice.stream], slice.stream)
            isStalled = room == 0
        }
    }

    mutating func skipped(_ gap: Dropped) {
        sent[gap.stream] += gap.bytes
        if acknowledged[gap.stream] == gap.offset {
            acknowledged[gap.stream] = sent[gap.stream]
            hasLeadingGap = true
        } else {
            gaps[gap.stream].append(gap.offset..<gap.offset + gap.bytes)
        }
    }

    mutating func acknowledge(_ offset: UInt64, _ stream: OutputStream) {
        guard window != nil, offset > acknowledged[stream] else { return }
        hasLeadingGap = false
        var consumed = offset - acknowledged[stream]
        var position = offset
        var passed = 0
        for gap in gaps[stream] where gap.lowerBound <= offset {
            consumed -= min(gap.upperBound, offset) - gap.lowerBound
            // The whole gap counts, since there is nothing in it to acknowledge.
            position = max(position, gap.upperBound)
            passed += 1
        }
        gaps[stream].removeFirst(passed)
        unacknowledged -= consumed
        events.remove(upTo: offset, stream)
        acknowledged[stream] = position
    }
}

/// Where outputs end that were sent and not acknowledged, of both streams together. Stored inline, since each watcher has one.
struct EventEnds: Codable {
    private var ends = InlineArray<60, UInt64>(repeating: 0)
    private var ofStderr: UInt64 = 0
    private var ofEvents: UInt64 = 0
    private(set) var count = 0

    /// Appends an end. There must be room: fewer than `OutputHub.maxEvents`.
    mutating func append(_ end: UInt64, _ stream: OutputStream) {
        precondition(count < OutputHub.maxEvents, "more events than a watcher may have")
        ends[count] = end
        switch stream {
        case .stdout: break
        case .stderr: ofStderr |= 1 << UInt64(count)
        case .events: ofEvents |= 1 << UInt64(count)
        }
        count += 1
    }

    init() {}

    init(from decoder: any Decoder) throws {
        var values = try decoder.unkeyedContainer()
        while !values.isAtEnd {
            let (end, number) = (try values.decode(UInt64.self), try values.decode(UInt32.self))
            guard count < OutputHub.maxEvents, let stream = OutputStream(rawValue: number) else {
                throw DecodingError.dataCorrupted(
                    .init(codingPath: decoder.codingPath, debugDescription: "more events than a watcher may have"))
            }
            append(end, stream)
        }
    }

    func encode(to encoder: any Encoder) throws {
        var values = encoder.unkeyedContainer()
        for index in 0..<count {
            let isStderr = ofStderr >> UInt64(index) & 1 == 1
            let isEvent = ofEvents >> UInt64(index) & 1 == 1
            try values.encode(ends[index])
            try values.encode((isEvent ? OutputStream.events : isStderr ? .stderr : .stdout).rawValue)
        }
    }

    /// Removes those of a stream that end at `offset` or before.
    mutating func remove(upTo offset: UInt64, _ stream: OutputStream) {
        var kept = 0
        var keptOfStderr: UInt64 = 0
        var keptOfEvents: UInt64 = 0
        for index in 0..<count {
            let isStderr = ofStderr >> UInt64(index) & 1 == 1
            let isEvent = ofEvents >> UInt64(index) & 1 == 1
            if isStderr == (stream == .stderr), isEvent == (stream == .events), ends[index] <= offset { continue }
            ends[kept] = ends[index]
            if isStderr { keptOfStderr |= 1 << UInt64(kept) }
            if isEvent { keptOfEvents |= 1 << UInt64(kept) }
            kept += 1
        }
        (count, ofStderr, ofEvents) = (kept, keptOfStderr, keptOfEvents)
    }
}
