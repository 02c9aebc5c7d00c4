// SPDX-License-Identifier: Apache-2.0

internal import BerthSchema
internal import NIOCore

/// How far a watcher has come.
struct WatcherState {
    let id: UInt32
    /// Output sent and not acknowledged, in bytes, at most; nil: what is sent counts as acknowledged.
    let window: UInt64?
    let isObserver: Bool
    /// Its stream may start before the program.
    let mayStart: Bool
    var isStarted = false
    /// Its stream looks for more by itself: it has been woken, or waits for room.
    var isAwake = true
    private(set) var sent: PerStream<UInt64>
    private(set) var acknowledged: PerStream<UInt64>
    /// Sent and not acknowledged, both streams together.
    private(set) var unacknowledged: UInt64 = 0
    /// The ends of the outputs that are unacknowledged.
    private var events = EventEnds()
    /// It had no room left, and has yet to get enough of it.
    private var isStalled = false
    /// It was told of a gap right behind what it had acknowledged, and has acknowledged nothing since.
    private var hasLeadingGap = false
    /// What it was told that it does not get, after what is acknowledged. It is not in `unacknowledged`.
    private var gaps = PerStream<[Range<UInt64>]>([])

    init(id: UInt32, window: UInt64?, isObserver: Bool, mayStart: Bool, position: PerStream<UInt64>) {
        self.id = id
        self.window = window
        self.isObserver = isObserver
        self.mayStart = mayStart
        sent = position
        acknowledged = position
    }

    /// Bytes that it may be sent now.
    var room: Int { window.map { Int($0 - unacknowledged) } ?? .max }
    var hasEventsLeft: Bool {
        guard window != nil else { return true }
        let told = gaps.stdout.count + gaps.stderr.count + (hasLeadingGap ? 1 : 0)
        return events.count + told < OutputHub.mostEvents
    }

    /// Whether there is enough room for more. Who frees it in small pieces would else get output in small pieces for ever,
    /// which is known as the silly window.
    func goesOn(waiting: UInt64) -> Bool {
        guard isStalled, let window else { return true }
        return room >= min(waiting, window / 4, UInt64(OutputHub.largestOutput))
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
            // All of the gap, which there is nothing to acknowledge of.
            position = max(position, gap.upperBound)
            passed += 1
        }
        gaps[stream].removeFirst(passed)
        unacknowledged -= consumed
        events.remove(upTo: offset, stream)
        acknowledged[stream] = position
    }
}

/// Where outputs ended that were sent and not acknowledged, of both streams together; in place, since each watcher has one.
struct EventEnds {
    private var ends = InlineArray<60, UInt64>(repeating: 0)
    private var ofStderr: UInt64 = 0
    private(set) var count = 0

    /// Only with room for it: fewer than `OutputHub.mostEvents`.
    mutating func append(_ end: UInt64, _ stream: OutputStream) {
        precondition(count < OutputHub.mostEvents, "more events than a watcher may have")
        ends[count] = end
        if stream == .stderr { ofStderr |= 1 << UInt64(count) }
        count += 1
    }

    /// Removes those of a stream that end at `offset` or before.
    mutating func remove(upTo offset: UInt64, _ stream: OutputStream) {
        var kept = 0
        var keptOfStderr: UInt64 = 0
        for index in 0..<count {
            let isStderr = ofStderr >> UInt64(index) & 1 == 1
            if isStderr == (stream == .stderr), ends[index] <= offset { continue }
            ends[kept] = ends[index]
            if isStderr { keptOfStderr |= 1 << UInt64(kept) }
            kept += 1
        }
        (count, ofStderr) = (kept, keptOfStderr)
    }
}
