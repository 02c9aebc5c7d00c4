package import NIOCore
internal import NIOPosix
internal import Schema
package import Wire

/// What is to be written to a channel: frames gather, and go out in few vectored writes during a read burst, or in one at the
/// end of the event loop's tick outside one. One write at a time is under way, so what waits is counted exactly.
/// Confined to its event loop.
///
/// It allocates nothing in the long run: the buffer that frames gather in is used again, and the end of a write is seen in
/// the channel's writability rather than told by a promise.
final class FrameOutput {
    /// From this many bytes on, a message's own buffer is written as it is: copying it costs more than a piece of its own.
    private static let smallestPiece = 4096
    /// In a read burst, the first write comes after so many frames, and each later one after twice as many as the one before.
    /// Were all held back to the burst's end, the two peers would take turns, each idle while the other works; were each
    /// written at once, the kernel would cost more than the frames.
    private static let firstOfBurst = 4

    private let eventLoop: any EventLoop
    private var context: ChannelHandlerContext?
    private var spares: SpareBuffers?
    private var gathered = ByteBuffer()
    /// What goes out in between: each after the first `position` bytes of `gathered`.
    private var pieces: [(position: Int, bytes: ByteBuffer)] = []
    /// In `gathered` and `pieces`.
    private var unsentBytes = 0
    private var unsentFrames = 0
    private var inFlightBytes = 0
    private var isWriting = false
    private var isFlushScheduled = false
    private var isFlushing = false
    /// In a read burst: so many frames are to gather before they are written; 0 outside of one.
    private var enoughInBurst = 0
    /// Called when a write is done and nothing more is gathered, or on each write that is done later than it was begun.
    var onWritten: () -> Void = {}

    init(eventLoop: any EventLoop) {
        self.eventLoop = eventLoop
    }

    func attach(_ context: ChannelHandlerContext) {
        self.context = context
        spares = .ofThisThread
        // Not writable: something is under way. A channel without the option ends its writes when it takes them.
        try? context.channel.syncOptions?.setOption(.writeBufferWaterMark, value: .init(low: 1, high: 1))
    }

    /// What is not written by now never will be.
    func detach() {
        context = nil
        pieces = []
        gathered = ByteBuffer()
        unsentBytes = 0
        unsentFrames = 0
        inFlightBytes = 0
        onWritten = {}
    }

    /// Bytes that the peer's side of the socket has not taken yet.
    var pendingBytes: Int { unsentBytes + inFlightBytes }

    func append(
        _ type: FrameType, _ flags: FrameFlags, streamID: UInt32, size: Int,
        _ body: (UnsafeMutableRawBufferPointer) -> Void
    ) {
        guard context != nil else { return }
        makeRoom()
        gathered.writeFrame(type, flags, streamID: streamID, size: size, body)
        added(FrameHeader.size + size)
    }

    /// Appends a frame whose data is `headSize` bytes, which `head` writes, and then `tail`.
    func append(
        _ type: FrameType, _ flags: FrameFlags, streamID: UInt32, headSize: Int,
        _ head: (UnsafeMutableRawBufferPointer) -> Void, tail: ByteBuffer
    ) {
        let size = headSize + tail.readableBytes
        guard tail.readableBytes >= FrameOutput.smallestPiece else {
            return append(type, flags, streamID: streamID, size: size) { room in
                head(room)
                tail.withUnsafeReadableBytes { bytes in
                    UnsafeMutableRawBufferPointer(rebasing: room[headSize...]).copyMemory(from: bytes)
                }
            }
        }
        guard context != nil else { return }
        makeRoom()
        gathered.writeFrame(type, flags, streamID: streamID, size: size, writing: headSize, head)
        pieces.append((gathered.writerIndex, tail))
        added(FrameHeader.size + size)
    }

    /// Appends frames that are encoded already.
    func append(_ frames: inout ByteBuffer) {
        guard context != nil else { return }
        makeRoom()
        let size = frames.readableBytes
        gathered.writeBuffer(&frames)
        added(size)
    }

    private func added(_ size: Int) {
        unsentBytes += size
        unsentFrames += 1
        scheduleFlush()
    }

    /// What a channel reads at once is about to be worked off, piece by piece.
    func beginBurst() {
        if enoughInBurst == 0 { enoughInBurst = FrameOutput.firstOfBurst }
    }

    /// Between two pieces of a burst. The write may fail, and the channel close, before this returns.
    func continueBurst() {
        guard enoughInBurst > 0, unsentFrames >= enoughInBurst else { return }
        enoughInBurst *= 2
        flush()
    }

    func endBurst() {
        enoughInBurst = 0
        flush()
    }

    func flush() {
        guard !isFlushing else { return }
        isFlushing = true
        var wrote = false
        while !isWriting, unsentBytes > 0, let context {
            wrote = true
            write(context)
        }
        isFlushing = false
        if wrote, !isWriting { onWritten() }
    }

    /// The channel may have written what it had.
    func writabilityChanged() {
        // Within `flush` the loop there goes on.
        guard isWriting, !isFlushing, context?.channel.isWritable == true else { return }
        isWriting = false
        inFlightBytes = 0
        flush()
        if !isWriting { onWritten() }
    }

    private func write(_ context: ChannelHandlerContext) {
        var frames = ByteBuffer()
        swap(&frames, &gathered)
        inFlightBytes = unsentBytes
        unsentBytes = 0
        unsentFrames = 0
        isWriting = true
        if pieces.isEmpty {
            context.write(NIOAny(frames), promise: nil)
        } else {
            write(frames, context)
        }
        context.flush()
        guard context.channel.isWritable else { return }
        isWriting = false
        inFlightBytes = 0
        spares?.give(&frames)
    }

    private func write(_ frames: ByteBuffer, _ context: ChannelHandlerContext) {
        var rest = frames
        for (position, bytes) in pieces {
            if let part = rest.readSlice(length: position - rest.readerIndex) {
                context.write(NIOAny(part), promise: nil)
            }
            context.write(NIOAny(bytes), promise: nil)
        }
        pieces.removeAll(keepingCapacity: true)
        if rest.readableBytes > 0 { context.write(NIOAny(rest), promise: nil) }
    }

    private func makeRoom() {
        if gathered.capacity == 0, let spare = spares?.take() { gathered = spare }
    }

    private func scheduleFlush() {
        guard !isFlushScheduled, enoughInBurst == 0, !isWriting else { return }
        isFlushScheduled = true
        eventLoop.assumeIsolated().execute {
            self.isFlushScheduled = false
            self.flush()
        }
    }
}

/// Buffers that were written, for the next that is to be: shared by all connections of an event loop, since of thousands
/// only few write at a time. Each is of one thread, and used on it alone.
final class SpareBuffers: @unchecked Sendable {
    private static let most = 8
    private static let largest = 64 << 10
    private static let current = ThreadSpecificVariable<SpareBuffers>()

    /// The event loop's, which is this thread.
    static var ofThisThread: SpareBuffers {
        if let spares = current.currentValue { return spares }
        let spares = SpareBuffers()
        current.currentValue = spares
        return spares
    }

    private var buffers: [ByteBuffer] = []

    func take() -> ByteBuffer? { buffers.popLast() }

    /// Takes a buffer that nobody else has any more.
    func give(_ buffer: inout ByteBuffer) {
        guard buffer.capacity > 0, buffer.capacity <= SpareBuffers.largest, buffers.count < SpareBuffers.most else {
            return
        }
        buffer.clear()
        buffers.append(buffer)
    }
}

extension ByteBuffer {
    /// Appends a frame whose data, `size` bytes, is written by `body`.
    /// - Parameter written: bytes that `body` writes, where the rest of the data follows elsewhere.
    package mutating func writeFrame(
        _ type: FrameType, _ flags: FrameFlags, streamID: UInt32, size: Int, writing written: Int? = nil,
        _ body: (UnsafeMutableRawBufferPointer) -> Void
    ) {
        let header = FrameHeader(length: UInt32(size), streamID: streamID, type: type, flags: flags)
        let here = written ?? size
        let total = FrameHeader.size + here
        writeWithUnsafeMutableBytes(minimumWritableBytes: total) { room in
            header.encode(into: room)
            if here > 0 { body(UnsafeMutableRawBufferPointer(rebasing: room[FrameHeader.size..<total])) }
            return total
        }
    }
}
