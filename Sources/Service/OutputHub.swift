// SPDX-License-Identifier: Apache-2.0

internal import AgentLink
internal import AgentSchema
internal import BerthSchema
internal import NIOCore

/// Decides about the output of an execution: what is held, what each watcher gets next, and how much the agent may
/// send. It does no I/O, which is up to `ServedExecution`.
///
/// Watchers pull: each has a position in each stream, and takes the next output when its call has room. Watchers that
/// govern (all except observers) exert backpressure: the agent gets credit only for what the slowest of them was sent,
/// and never so much that unacknowledged output of one of them would leave the ring.
struct OutputHub {
    /// Maximum bytes of output in one event.
    static let largestOutput = 32 << 10
    /// Maximum number of events, including gaps, that a watcher with a window was sent and has not acknowledged. A Go
    /// client closes a stream if 64 events wait for their reader for a second.
    static let maxEvents = 60
    /// Extra credit, in total, for a program whose watchers do not read: if it has ended, the rest of its output and
    /// its end arrive.
    private let probe: UInt64

    /// What a watcher gets next.
    enum Step {
        case start
        case output(OutputSlice)
        case dropped(Dropped)
        /// Of a connection: the other side has sent all, so many bytes.
        case outputEnded(UInt64)
        /// The last step; the watcher has been removed.
        case end(Agent.Ended)
        /// Nothing for now: the watcher will be woken.
        case wait
    }

    /// What happens to output while nobody governs.
    enum Unread {
        /// The ring keeps the latest output.
        case overwritten
        /// The ring keeps unacknowledged output, and when it is full, the program waits.
        case kept
    }

    /// Maximum bytes that the ring of a stream holds for late watchers. It grows while there is memory.
    private(set) var ringSize: UInt64
    let agentWindow: UInt64
    private var unread: Unread
    private(set) var rings = PerStream(ReplayRing())
    private(set) var watchers: [WatcherState] = []
    private(set) var ended: Agent.Ended?
    private var isStarted = false
    /// Of a connection: no more output comes.
    private var hasOutputEnded = false
    private var lastWatcher: UInt32 = 0
    private var sequence: UInt64 = 0
    /// With `kept`: what the last governing watcher had acknowledged when it left.
    private var floor = PerStream<UInt64>(0)
    /// Bytes of events from the agent, which differ from those held, since events are held in another encoding.
    private var receivedOfEvents: UInt64 = 0
    /// Bytes for which the agent got credit.
    private var credited: UInt64 = 0
    /// Whether the time of the execution is over: then the rest of its output is accepted, even if nobody reads it.
    private var isOverdue = false
    /// Whether no watcher has read for a while.
    private var isProbing = false

    init(
        unread: Unread, ringSize: Int = 1 << 20, agentWindow: Int = AgentConnection.window, probe: Int = 256 << 10
    ) {
        self.unread = unread
        self.probe = UInt64(probe)
        self.ringSize = UInt64(ringSize)
        self.agentWindow = UInt64(agentWindow)
    }

    var isGoverned: Bool { watchers.contains { !$0.isObserver } }
    var written: PerStream<UInt64> {
        PerStream(stdout: rings.stdout.end, stderr: rings.stderr.end, events: rings.events.end)
    }
    var heldFrom: PerStream<UInt64> {
        PerStream(stdout: rings.stdout.start, stderr: rings.stderr.start, events: rings.events.start)
    }
    var heldBytes: Int { rings.stdout.count + rings.stderr.count + rings.events.count }

    // MARK: The program

    mutating func started() -> [UInt32] {
        isStarted = true
        return wake()
    }

    /// - Returns: the watchers to wake.
    mutating func append(_ data: ByteBuffer, to stream: OutputStream) -> [UInt32] {
        sequence += 1
        rings[stream].append(data, sequence: sequence)
        evict(stream)
        return wake()
    }

    /// Appends an event that is sent as a whole, in the encoding of `ShownEvent`.
    /// - Returns: the watchers to wake.
    mutating func append(event bytes: [UInt8]) -> [UInt32] {
        sequence += 1
        for stream in OutputStream.pipes { rings[stream].endPiece() }
        rings.events.appendWhole(bytes, sequence: sequence)
        evict(.events)
        return wake()
    }

    /// Counts bytes of events from the agent, complete events or not.
    mutating func received(ofEvents count: Int) { receivedOfEvents += UInt64(count) }

    /// No more output comes, and watchers are told when they have all of it.
    /// - Returns: the watchers to wake.
    mutating func endOutput() -> [UInt32] {
        hasOutputEnded = true
        return wake()
    }

    /// - Returns: the watchers to wake.
    mutating func end(_ ended: Agent.Ended) -> [UInt32] {
        self.ended = ended
        return wake()
    }

    /// Drops the claim on unread output, because no watcher will come any more.
    mutating func abandon() {
        unread = .overwritten
        for stream in OutputStream.each { evict(stream) }
    }

    /// The time of the execution is over, and its end is behind output that nobody reads. From now on output is
    /// accepted, and the latest kept for watchers that read after all.
    mutating func takeOver() {
        isOverdue = true
    }

    /// Sets whether no watcher has read for a while.
    mutating func probe(_ isOn: Bool) {
        isProbing = isOn
    }

    /// A number that changes whenever a watcher comes, takes output or acknowledges it.
    var progress: UInt64 {
        watchers.reduce(UInt64(lastWatcher)) { $0 &+ $1.sent.sum &+ $1.acknowledged.sum }
    }

    static let largestRing: UInt64 = 1 << 20

    /// Whether `count` more bytes would push out output or events that a larger ring could hold.
    func wantsLargerRing(for count: Int) -> Bool {
        let largest = max(rings.stdout.count, rings.stderr.count, rings.events.count)
        return ringSize < OutputHub.largestRing && largest + count > ringSize
    }

    mutating func growRing() { ringSize *= 2 }

    /// Reduces the memory for output that is kept after the end.
    mutating func compact() {
        rings.stdout.compact()
        rings.stderr.compact()
        rings.events.compact()
    }

    /// Takes the bytes of credit to give to the agent now.
    mutating func takeCredit() -> Int {
        let total = rings.stdout.end + rings.stderr.end + receivedOfEvents + allowance
        guard total > credited + agentWindow else { return 0 }
        defer { credited = total - agentWindow }
        return Int(total - agentWindow - credited)
    }

    /// Bytes that the agent may send beyond what has come.
    private var allowance: UInt64 {
        guard !isOverdue else { return agentWindow }
        // The extra credit is relative to what watchers have taken, not to what has come. Otherwise each piece would
        // bring credit for another one, and a program that nobody reads would fill the memory of the server.
        let beyond = isProbing ? probe : 0
        var least = agentWindow
        var isGoverned = false
        // By index, here and below, to avoid a copy of a watcher for each piece of output.
        for index in watchers.indices where !watchers[index].isObserver {
            isGoverned = true
            least = min(least, (agentWindow + beyond).less(written.sum - watchers[index].sent.sum))
            least = min(least, room(after: watchers[index].acknowledged, beyond))
        }
        if !isGoverned, unread == .kept { least = min(least, room(after: floor, beyond)) }
        return least
    }

    /// Bytes that fit into the ring of each stream, plus `beyond`, before output after `position` has to be dropped.
    private func room(after position: PerStream<UInt64>, _ beyond: UInt64) -> UInt64 {
        let most = ringSize + beyond
        return min(
            most.less(rings.stdout.end - position.stdout), most.less(rings.stderr.end - position.stderr),
            most.less(rings.events.end - position.events))
    }

    /// Drops what exceeds the ring. If a watcher comes that is far behind, and the agent already has credit, it may be
    /// exceeded by the window of the agent.
    private mutating func evict(_ stream: OutputStream) {
        var first = rings[stream].end.less(ringSize)
        var isGoverned = false
        for index in watchers.indices where !watchers[index].isObserver {
            isGoverned = true
            first = min(first, watchers[index].acknowledged[stream])
        }
        if !isGoverned, unread == .kept { first = min(first, floor[stream]) }
        if isOverdue { first = max(first, rings[stream].end.less(2 * ringSize)) }
        rings[stream].discard(before: first)
    }

    // MARK: Watchers

    /// - Parameters:
    ///   - position: its offset in each stream, at most what was written.
    ///   - announces: whether it gets `start` at once, or when the program has started.
    /// - Returns: its number. The watcher counts as awake: it has to take its steps now.
    mutating func add(
        at position: PerStream<UInt64>, window: UInt64?, isObserver: Bool, announces: Bool
    ) -> UInt32 {
        lastWatcher += 1
        watchers.append(
            WatcherState(
                id: lastWatcher, window: window, isObserver: isObserver, mayStart: announces,
                position: position))
        return lastWatcher
    }

    /// Removes a watcher. Returns false if it had been removed before.
    mutating func remove(_ id: UInt32) -> Bool {
        guard let index = watchers.firstIndex(where: { $0.id == id }) else { return false }
        let watcher = watchers.remove(at: index)
        if !watcher.isObserver, !isGoverned { floor = watcher.acknowledged }
        for stream in OutputStream.each { evict(stream) }
        return true
    }

    /// Takes the next step of a watcher, which then counts as sent.
    mutating func next(_ id: UInt32) -> Step {
        guard let index = watchers.firstIndex(where: { $0.id == id }) else { return .wait }
        guard let news = news(for: index) else {
            watchers[index].isAwake = false
            return .wait
        }
        switch news {
        case .start:
            watchers[index].isStarted = true
            return .start
        case .output(let stream):
            let slice = slice(of: stream, for: index)
            watchers[index].sent(slice)
            return .output(slice)
        case .gap(let stream):
            let position = watchers[index].sent[stream]
            let gap = Dropped(stream: stream, offset: position, bytes: rings[stream].start - position)
            watchers[index].skipped(gap)
            return .dropped(gap)
        case .outputEnd:
            watchers[index].knowsOutputEnd = true
            return .outputEnded(rings.stdout.end)
        case .end(let ended):
            _ = remove(id)
            return .end(ended)
        }
    }

    /// Takes what a watcher has consumed.
    /// - Returns: the watchers to wake; nil if there never was such a watcher.
    /// - Throws: the first offset that exceeds what it was sent.
    mutating func acknowledge(
        _ id: UInt32, _ offsets: PerStream<UInt64>
    ) throws(OverAcknowledged) -> [UInt32]? {
        guard let index = watchers.firstIndex(where: { $0.id == id }) else {
            // It may have left since: its end and this call have crossed.
            return id > 0 && id <= lastWatcher ? [] : nil
        }
        for stream in OutputStream.each where offsets[stream] > watchers[index].sent[stream] {
            throw OverAcknowledged(stream: stream, offset: offsets[stream], sent: watchers[index].sent[stream])
        }
        for stream in OutputStream.each {
            watchers[index].acknowledge(offsets[stream], stream)
            evict(stream)
        }
        return wake()
    }

    struct OverAcknowledged: Error {
        var stream: OutputStream
        var offset: UInt64
        var sent: UInt64
    }

    /// Returns the sleeping watchers that have something to do now, which count as awake from then on.
    private mutating func wake() -> [UInt32] {
        var woken: [UInt32] = []
        for index in watchers.indices where !watchers[index].isAwake && news(for: index) != nil {
            watchers[index].isAwake = true
            woken.append(watchers[index].id)
        }
        return woken
    }

    /// The kind of a watcher's next step, without its data.
    private enum News {
        case start
        case output(OutputStream)
        /// The output that it needs next is no longer held.
        case gap(OutputStream)
        case outputEnd
        case end(Agent.Ended)
    }

    private func news(for index: Int) -> News? {
        guard watchers[index].isStarted else {
            if isStarted || watchers[index].mayStart { return .start }
            return ended.map { .end($0) }
        }
        let room = watchers[index].hasEventsLeft ? watchers[index].room : 0
        var first: (stream: OutputStream, sequence: UInt64)?
        for stream in OutputStream.each {
            let position = watchers[index].sent[stream]
            guard position >= rings[stream].start else {
                // Only if there is room for output, too: otherwise each dropped piece would be reported.
                return room > 0 ? .gap(stream) : nil
            }
            guard let sequence = rings[stream].sequence(at: position) else { continue }
            if let first, first.sequence < sequence { continue }
            first = (stream, sequence)
        }
        guard let first else {
            if hasOutputEnded, !watchers[index].knowsOutputEnd { return .outputEnd }
            return ended.map { .end($0) }
        }
        if first.stream == .events {
            let size = rings.events.slice(at: watchers[index].sent.events, upTo: .max).readableBytes
            return watchers[index].hasRoom(forWhole: size) ? .output(.events) : nil
        }
        let waiting = rings[first.stream].end - watchers[index].sent[first.stream]
        return room > 0 && watchers[index].goesOn(waiting: waiting) ? .output(first.stream) : nil
    }

    /// The next output of a stream, as far as the watcher has room.
    private func slice(of stream: OutputStream, for index: Int) -> OutputSlice {
        let position = watchers[index].sent[stream]
        guard stream != .events else {
            return OutputSlice(
                stream: stream, offset: position, data: rings.events.slice(at: position, upTo: .max))
        }
        let limit = min(OutputHub.largestOutput, watchers[index].room)
        // The sequence of the next piece of the other streams.
        var next: UInt64?
        for other in OutputStream.each where other != stream {
            let otherPosition = watchers[index].sent[other]
            guard otherPosition >= rings[other].start, let sequence = rings[other].sequence(at: otherPosition) else {
                continue
            }
            next = min(next ?? .max, sequence)
        }
        let data = rings[stream].joined(at: position, upTo: limit, before: next)
        return OutputSlice(stream: stream, offset: position, data: data)
    }
}

/// A piece of output for a watcher.
struct OutputSlice: Sendable, Equatable {
    var stream: OutputStream
    /// The offset of its first byte in the stream.
    var offset: UInt64
    var data: ByteBuffer
}

extension UInt64 {
    /// The difference, but at least 0.
    fileprivate func less(_ other: UInt64) -> UInt64 { self > other ? self - other : 0 }
}
