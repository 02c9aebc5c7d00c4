// SPDX-License-Identifier: Apache-2.0

internal import AgentLink
internal import AgentSchema
internal import BerthSchema
internal import NIOCore

/// What an execution has written, who watches it and how far each has come, and what the agent may therefore send.
/// Decides, and does nothing: `ServedExecution` carries it out.
///
/// Watchers pull: each has a position in each stream, and takes what comes next when its stream has room. Those that
/// govern (all but observers) hold the agent back: it gets credit only for what the slowest of them was sent, and never so
/// much that what one of them has not acknowledged would leave the ring.
struct OutputHub {
    /// Output in one event, in bytes.
    static let largestOutput = 32 << 10
    /// Events, gaps among them, that a watcher with a window was sent and has not acknowledged. A Go client closes a stream
    /// when 64 wait for their reader for a second.
    static let maxEvents = 60
    /// Credit beyond what is taken, for a program that nobody reads: if it has ended, the rest of its pipes and its end come.
    /// So much in all, until somebody reads.
    private let probe: UInt64

    /// What a watcher's stream is sent next.
    enum Step {
        case start
        case output(OutputSlice)
        case dropped(Dropped)
        /// The last one; the watcher has left.
        case end(Agent.Ended)
        /// Nothing for now: it is woken.
        case wait
    }

    /// What is done with output while nobody governs.
    enum Unread {
        /// The ring keeps the last of it.
        case overwritten
        /// The ring keeps what nobody has acknowledged, and then the program waits.
        case kept
    }

    /// What the ring of a stream holds for who comes late. Grows while there is memory.
    private(set) var ringSize: UInt64
    let agentWindow: UInt64
    private var unread: Unread
    private(set) var rings = PerStream(ReplayRing())
    private(set) var watchers: [WatcherState] = []
    private(set) var ended: Agent.Ended?
    private var isStarted = false
    private var lastWatcher: UInt32 = 0
    private var sequence: UInt64 = 0
    /// With `kept`: what had been acknowledged when the last one who governed left.
    private var floor = PerStream<UInt64>(0)
    /// Bytes of events that have come from the agent: not in the form in which they are held.
    private var receivedOfEvents: UInt64 = 0
    /// Bytes for which the agent was given credit.
    private var credited: UInt64 = 0
    /// The execution's time is over: what is left of its output is taken, whoever reads it.
    private var isOverdue = false
    /// Nobody has read for a while.
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

    /// An event that is to be sent whole, encoded as `ShownEvent` has it.
    /// - Returns: the watchers to wake.
    mutating func append(event bytes: [UInt8]) -> [UInt32] {
        sequence += 1
        for stream in OutputStream.pipes { rings[stream].endPiece() }
        rings.events.appendWhole(bytes, sequence: sequence)
        evict(.events)
        return wake()
    }

    /// Bytes of events have come from the agent, whole ones or not.
    mutating func received(ofEvents count: Int) { receivedOfEvents += UInt64(count) }

    /// - Returns: the watchers to wake.
    mutating func end(_ ended: Agent.Ended) -> [UInt32] {
        self.ended = ended
        return wake()
    }

    /// Nobody will want what nobody reads.
    mutating func abandon() {
        unread = .overwritten
        for stream in OutputStream.each { evict(stream) }
    }

    /// Its time is over, and its end is behind output that nobody takes. That is taken now, and the last of it kept for
    /// watchers that come to it after all.
    mutating func takeOver() {
        isOverdue = true
    }

    /// Nobody has read for a while, or somebody has.
    mutating func probe(_ isOn: Bool) {
        isProbing = isOn
    }

    /// Changes with whatever a watcher takes or acknowledges.
    var progress: UInt64 {
        watchers.reduce(UInt64(lastWatcher)) { $0 &+ $1.sent.sum &+ $1.acknowledged.sum }
    }

    static let largestRing: UInt64 = 1 << 20

    /// Whether so much more output would push out what a larger ring could hold.
    func wantsLargerRing(for count: Int) -> Bool {
        ringSize < OutputHub.largestRing && max(rings.stdout.count, rings.stderr.count) + count > ringSize
    }

    mutating func growRing() { ringSize *= 2 }

    /// For keeping it when it has ended.
    mutating func compact() {
        rings.stdout.compact()
        rings.stderr.compact()
        rings.events.compact()
    }

    /// Bytes of credit to give to the agent now.
    mutating func takeCredit() -> Int {
        let total = rings.stdout.end + rings.stderr.end + receivedOfEvents + allowance
        guard total > credited + agentWindow else { return 0 }
        defer { credited = total - agentWindow }
        return Int(total - agentWindow - credited)
    }

    /// What the agent may send before there is news here, in bytes.
    private var allowance: UInt64 {
        guard !isOverdue else { return agentWindow }
        // Beyond what watchers have taken, and not beyond what has come: else each piece that comes would bring credit for
        // another, and a program that nobody reads would fill the server's memory.
        let beyond = isProbing ? probe : 0
        var least = agentWindow
        var isGoverned = false
        // By index, here and below: no copy of a watcher for each piece of output.
        for index in watchers.indices where !watchers[index].isObserver {
            isGoverned = true
            least = min(least, (agentWindow + beyond).less(written.sum - watchers[index].sent.sum))
            least = min(least, room(after: watchers[index].acknowledged, beyond))
        }
        if !isGoverned, unread == .kept { least = min(least, room(after: floor, beyond)) }
        return least
    }

    /// What fits into the ring of each stream, and `beyond` it, before what comes after `position` has to go.
    private func room(after position: PerStream<UInt64>, _ beyond: UInt64) -> UInt64 {
        let most = ringSize + beyond
        return min(
            most.less(rings.stdout.end - position.stdout), most.less(rings.stderr.end - position.stderr),
            most.less(rings.events.end - position.events))
    }

    /// An agent that had credit when a watcher came that is far behind may overfill the ring, by its window at most.
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
    ///   - position: what it has of each stream, at most what was written.
    ///   - announces: it is sent its start at once; else when the program has started.
    /// - Returns: its number. It is awake: its stream is to take what is there.
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

    /// The watcher's stream has ended, or is not to go on. False when it had left before.
    mutating func remove(_ id: UInt32) -> Bool {
        guard let index = watchers.firstIndex(where: { $0.id == id }) else { return false }
        let watcher = watchers.remove(at: index)
        if !watcher.isObserver, !isGoverned { floor = watcher.acknowledged }
        for stream in OutputStream.each { evict(stream) }
        return true
    }

    /// What a watcher's stream is to be sent, which counts as sent by this.
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
        case .end(let ended):
            _ = remove(id)
            return .end(ended)
        }
    }

    /// What a watcher has consumed.
    /// - Returns: the watchers to wake; nil when there never was this one.
    /// - Throws: the first offset that is over what it was sent.
    mutating func acknowledge(
        _ id: UInt32, _ offsets: PerStream<UInt64>
    ) throws(OverAcknowledged) -> [UInt32]? {
        guard let index = watchers.firstIndex(where: { $0.id == id }) else {
            // One that has left since: its end and this met on their ways.
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

    /// Those that sleep and have something to do now; they count as awake.
    private mutating func wake() -> [UInt32] {
        var woken: [UInt32] = []
        for index in watchers.indices where !watchers[index].isAwake && news(for: index) != nil {
            watchers[index].isAwake = true
            woken.append(watchers[index].id)
        }
        return woken
    }

    /// What a watcher is to be told next, before anything is made of it.
    private enum News {
        case start
        case output(OutputStream)
        /// What it would need is no longer held.
        case gap(OutputStream)
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
                // Only when output follows: else each piece that goes by would be told of.
                return room > 0 ? .gap(stream) : nil
            }
            guard let sequence = rings[stream].sequence(at: position) else { continue }
            if let first, first.sequence < sequence { continue }
            first = (stream, sequence)
        }
        guard let first else { return ended.map { .end($0) } }
        if first.stream == .events {
            let size = rings.events.slice(at: watchers[index].sent.events, upTo: .max).readableBytes
            return watchers[index].hasRoom(forWhole: size) ? .output(.events) : nil
        }
        let waiting = rings[first.stream].end - watchers[index].sent[first.stream]
        return room > 0 && watchers[index].goesOn(waiting: waiting) ? .output(first.stream) : nil
    }

    /// What comes next of a stream, as far as the watcher has room.
    private func slice(of stream: OutputStream, for index: Int) -> OutputSlice {
        let position = watchers[index].sent[stream]
        guard stream != .events else {
            return OutputSlice(
                stream: stream, offset: position, data: rings.events.slice(at: position, upTo: .max))
        }
        let limit = min(OutputHub.largestOutput, watchers[index].room)
        // The first of what comes beside it.
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

/// A piece of a program's output, as a watcher gets it.
struct OutputSlice: Sendable, Equatable {
    var stream: OutputStream
    /// Of its first byte in its stream.
    var offset: UInt64
    var data: ByteBuffer
}

extension UInt64 {
    /// The difference, not below 0.
    fileprivate func less(_ other: UInt64) -> UInt64 { self > other ? self - other : 0 }
}
