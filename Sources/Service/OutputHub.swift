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
struct OutputHub: Codable {
    /// Maximum bytes of output in one event, for clients that do not say how much they take, and at all.
    static let largestOutput = 32 << 10
    static let largestPiece = 64 << 10
    /// Maximum number of events, including gaps, that a watcher with a window was sent and has not acknowledged. A Go
    /// client closes a stream if 64 events wait for their reader for a second.
    static let maxEvents = 60
    /// Extra credit, in total, for a program whose watchers do not read: if it has ended, the rest of its output and
    /// its end arrive.
    let probe: UInt64

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
    enum Unread: String, Codable {
        /// The ring keeps the latest output.
        case overwritten
        /// The ring keeps unacknowledged output, and when it is full, the program waits.
        case kept
    }

    /// Maximum bytes that the ring of a stream holds for late watchers. It grows while there is memory.
    private(set) var ringSize: UInt64
    let agentWindow: UInt64
    private(set) var unread: Unread
    private(set) var rings = PerStream(ReplayRing())
    private(set) var watchers: [WatcherState] = []
    /// Its end. What is handed over to another program has it beside the hub.
    var ended: Agent.Ended?
    private(set) var isStarted = false
    /// Of a connection: no more output comes.
    private(set) var hasOutputEnded = false
    private var lastWatcher: UInt32 = 0
    private var sequence: UInt64 = 0
    /// With `kept`: what the last governing watcher had acknowledged when it left.
    private(set) var floor = PerStream<UInt64>(0)
    /// Bytes of events from the agent, which differ from those held, since events are held in another encoding.
    private var receivedOfEvents: UInt64 = 0
    /// Bytes for which the agent got credit.
    private var credited: UInt64 = 0
    /// Whether the time of the execution is over: then the rest of its output is accepted, even if nobody reads it.
    private(set) var isOverdue = false
    /// Whether no watcher has read for a while.
    private(set) var isProbing = false

    /// All but `ended`, and what is found out again.
    private enum CodingKeys: CodingKey {
        case probe, ringSize, agentWindow, unread, rings, watchers, isStarted, hasOutputEnded, lastWatcher, sequence
        case floor, receivedOfEvents, credited, isOverdue
    }

    /// Its watchers are about to take their next steps, whatever they did in the program that it comes from.
    mutating func wakeAll() {
        for index in watchers.indices { watchers[index].isAwake = true }
    }

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
    ///   - largest: maximum bytes of one output.
    /// - Returns: its number. The watcher counts as awake: it has to take its steps now.
    mutating func add(
        at position: PerStream<UInt64>, window: UInt64?, isObserver: Bool, announces: Bool,
        largest: Int = largestOutput
    ) -> UInt32 {
        lastWatcher += 1
        watchers.append(
            WatcherState(
                id: lastWatcher, window: window, isObserver: isObserver, mayStart: announces,
                position: position, largest: largest))
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
}

/// A piece of output for a watcher.
struct OutputSlice: Sendable, Equatable {
    var stream: OutputStream
    /// The offset of its first byte in the stream.
    var offset: UInt64
    var data: ByteBuffer
}
