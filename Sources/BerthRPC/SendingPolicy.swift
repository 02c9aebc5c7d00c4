// SPDX-License-Identifier: Apache-2.0

internal import BerthSchema
internal import BerthWire
internal import NIOCore

/// Decides what of a server connection's frames goes out when: which wait in their stream's queue, whether streams should send,
/// and whose turn it is when there is room again. Sends nothing itself; `pending` is always what the output has not written.
struct SendingPolicy {
    struct Limits {
        /// What may wait before streams should not send …
        var highWatermark: Int
        /// … and what must be left of it before they should again.
        var lowWatermark: Int
        /// What may wait in the queue of one stream before it should not send.
        var callHighWatermark: Int
        /// What must not wait in the queue of one stream.
        var maxQueuedBytesPerCall: Int
    }

    /// How those that wait for room are to be told that there is some.
    enum Telling: Equatable {
        case none
        /// In the event loop's next turn.
        case nextTurn
        /// After the event loop has looked at its other channels.
        case afterOthers
    }

    private let limits: Limits
    private(set) var queues = StreamQueues()
    /// What waits has reached the high watermark, and has not come down to the low one.
    private(set) var isFull = false
    /// Streams that found no room, the one that waits longest first; `head` is where that begins. An entry counts while its
    /// ticket is the stream's in `tickets`; the others are left over from calls that ended.
    private var line: [(id: UInt32, ticket: UInt)] = []
    private var head = 0
    private var tickets: [UInt32: UInt] = [:]
    private var lastTicket: UInt = 0
    private var isTelling = false
    /// How often room was told of.
    private var rounds: UInt = 0
    /// Where in `line` the round ends that is under way.
    private var endOfRound = 0

    init(_ limits: Limits) {
        self.limits = limits
    }

    // MARK: queues

    /// Whether a frame must wait in its stream's queue. Messages do behind all others; an answer only behind what its own
    /// stream has sent, so that no call waits for another's backlog.
    func mustQueue(_ type: FrameType, _ id: UInt32, pending: Int) -> Bool {
        type == .data
            ? !queues.isEmpty || pending >= limits.highWatermark
            : !queues.isEmpty && queues.bytes(of: id) > 0
    }

    /// Why a stream can't send a message of so many bytes more.
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

    /// The next frame that moves up to the output; nil when there is none, or no room.
    mutating func nextFrame(pending: Int) -> ByteBuffer? {
        pending < limits.highWatermark ? queues.takeFrame() : nil
    }

    // MARK: room

    /// All that waits, in queues and in the output.
    func waiting(pending: Int) -> Int { pending + queues.totalBytes }

    /// What waits has changed.
    /// - Parameter isMemoryFull: the server's memory for this client is used up, so the connection is to come down to the low
    ///   watermark.
    mutating func update(waiting bytes: Int, isMemoryFull: @autoclosure () -> Bool) {
        let isTight = isFull || (bytes > 0 && isMemoryFull())
        isFull = bytes >= (isTight ? limits.lowWatermark : limits.highWatermark)
    }

    /// Whether a stream should send now. If not, it is told when there is room.
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

    /// The call on that stream has ended: it is told nothing more. What it has queued still goes out.
    mutating func ended(_ id: UInt32) {
        if !tickets.isEmpty { tickets[id] = nil }
    }

    /// After something was written: whether to begin a round of telling. Each `.nextTurn` and `.afterOthers` is answered with
    /// `beginRound`.
    mutating func tell() -> Telling {
        guard !isFull, !tickets.isEmpty, !isTelling else { return .none }
        isTelling = true
        // The event loop does not look at its other channels while it has tasks: a stream whose peer reads as fast as it sends
        // would keep them all waiting. So every few rounds it gets the time to look.
        rounds &+= 1
        return rounds % 4 == 0 ? .afterOthers : .nextTurn
    }

    /// Those that wait now are told, in turn; those that find the room used up then wait behind the ones that had no turn.
    mutating func beginRound() {
        isTelling = false
        endOfRound = line.count
    }

    /// The stream whose turn it is; nil when all had theirs, or the room is used up.
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

    /// Entries in the line, those left over included.
    var lineLength: Int { line.count }

    /// The connection is gone.
    mutating func closed() { self = SendingPolicy(limits) }

    /// Not while a round is under way, whose end would move: `line` is then short by what it has told.
    private mutating func compactLine() {
        guard head >= endOfRound || isFull, line.count > 64, line.count > 2 * tickets.count else { return }
        line = line[head...].filter { tickets[$0.id] == $0.ticket }
        head = 0
        endOfRound = 0
    }
}
