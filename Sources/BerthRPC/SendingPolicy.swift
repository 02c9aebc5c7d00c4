// SPDX-License-Identifier: Apache-2.0

internal import BerthSchema
internal import BerthWire
internal import NIOCore

/// Decides when a server connection's frames go out: which wait in their stream's queue, whether streams should send, and
/// whose turn it is when there is room again. It sends nothing itself. `pending` is always what the output has not written.
struct SendingPolicy {
    struct Limits {
        /// When this much waits, streams should stop sending …
        var highWatermark: Int
        /// … and when only this much is left, they may send again.
        var lowWatermark: Int
        /// When this much waits in the queue of one stream, it should stop sending.
        var callHighWatermark: Int
        /// Maximum bytes in the queue of one stream.
        var maxQueuedBytesPerCall: Int
    }

    /// When to tell waiting streams that there is room.
    enum Telling: Equatable {
        case none
        /// In the event loop's next turn.
        case nextTurn
        /// After the event loop has looked at its other channels.
        case afterOthers
    }

    private let limits: Limits
    private(set) var queues = StreamQueues()
    /// Whether the high watermark was reached, and the low one not since.
    private(set) var isFull = false
    /// Streams that found no room, the longest waiting first, beginning at `head`. An entry is valid while its ticket is the
    /// stream's in `tickets`; the others are leftovers of calls that ended.
    private var line: [(id: UInt32, ticket: UInt)] = []
    private var head = 0
    private var tickets: [UInt32: UInt] = [:]
    private var lastTicket: UInt = 0
    private var isTelling = false
    /// Number of rounds so far.
    private var rounds: UInt = 0
    /// Index in `line` at which the current round ends.
    private var endOfRound = 0

    init(_ limits: Limits) {
        self.limits = limits
    }

    // MARK: queues

    /// Whether a frame must wait in its stream's queue. A message waits if anything is queued; an answer only behind what its
    /// own stream has queued, so that no call waits for another's backlog.
    func mustQueue(_ type: FrameType, _ id: UInt32, pending: Int) -> Bool {
        type == .data
            ? !queues.isEmpty || pending >= limits.highWatermark
            : !queues.isEmpty && queues.bytes(of: id) > 0
    }

    /// The error if a stream cannot send a message of `size` more bytes.
    func refusal(_ id: UInt32, _ size: Int) -> RPCError? {
        guard size <= FrameHeader.maxDataLength else { return .tooLarge("a message of the stream", size) }
        let queued = queues.bytes(of: id) + size
        guard queued > limits.maxQueuedBytesPerCall else { return nil }
        return RPCError(
            .resourceExhausted,
            "\(queued) bytes wait for the client to read them, the limit is \(limits.maxQueuedBytesPerCall)",
            .memoryLimit)
    }

    mutating func queue(
        _ type: FrameType, _ flags: FrameFlags, streamID: UInt32, size: Int,
        _ body: (UnsafeMutableRawBufferPointer) -> Void
    ) {
        queues.append(type, flags, streamID: streamID, size: size, body)
    }

    /// The next frame to move from the queues to the output; nil if there is none, or no room.
    mutating func nextFrame(pending: Int) -> ByteBuffer? {
        pending < limits.highWatermark ? queues.takeFrame() : nil
    }

    // MARK: room

    /// Bytes that wait in queues and in the output.
    func waiting(pending: Int) -> Int { pending + queues.totalBytes }

    /// Called when the number of waiting bytes has changed.
    /// - Parameter isMemoryFull: whether the budget for this client is used up, so that the connection must go down to the low
    ///   watermark.
    mutating func update(waiting bytes: Int, isMemoryFull: @autoclosure () -> Bool) {
        let isTight = isFull || (bytes > 0 && isMemoryFull())
        isFull = bytes >= (isTight ? limits.lowWatermark : limits.highWatermark)
    }

    /// Whether a stream should send now. If not, it will be told when there is room.
    mutating func hasRoom(_ id: UInt32) -> Bool {
        guard isFull || (!queues.isEmpty && queues.bytes(of: id) >= limits.callHighWatermark) else { return true }
        if tickets[id] == nil {
            compactLine()
            lastTicket &+= 1
            tickets[id] = lastTicket
            line.append((id, lastTicket))
        }
        return false
    }

    /// The call on that stream has ended: it is not told any more. What it has queued is still sent.
    mutating func ended(_ id: UInt32) {
        if !tickets.isEmpty { tickets[id] = nil }
    }

    /// Called after a write: whether to tell waiting streams. For `.nextTurn` and `.afterOthers` the caller calls `beginRound`
    /// at that time.
    mutating func tell() -> Telling {
        guard !isFull, !tickets.isEmpty, !isTelling else { return .none }
        isTelling = true
        // While an event loop has tasks, it does not serve its other channels: a stream whose peer reads as fast as it sends
        // would keep them all waiting. So every few rounds the loop gets the time to serve them.
        rounds &+= 1
        return rounds % 4 == 0 ? .afterOthers : .nextTurn
    }

    /// Begins a round: the streams that wait now are notified in turn. A stream that finds no room goes to the end of the queue.
    mutating func beginRound() {
        isTelling = false
        endOfRound = line.count
    }

    /// The stream whose turn it is; nil if all had theirs, or the room is used up.
    mutating func nextInRound() -> UInt32? {
        while head < endOfRound, !isFull {
            let (id, ticket) = line[head]
            head += 1
            guard tickets[id] == ticket else { continue }
            tickets[id] = nil
            return id
        }
        return nil
    }

    /// Entries in the line, leftovers included.
    var lineLength: Int { line.count }

    /// The connection is closed.
    mutating func closed() { self = SendingPolicy(limits) }

    /// Removes what `head` has passed. It must not be called during a round, since `endOfRound` would be wrong.
    private mutating func compactLine() {
        guard head >= endOfRound || isFull, line.count > 64, line.count > 2 * tickets.count else { return }
        line = line[head...].filter { tickets[$0.id] == $0.ticket }
        head = 0
        endOfRound = 0
    }
}
