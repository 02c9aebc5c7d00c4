// SPDX-License-Identifier: Apache-2.0

internal import BerthSchema
package import BerthWire
package import NIOCore

/// Writes frames to a channel. Frames are gathered and written together: during a read burst in a few vectored writes, else
/// in one at the end of the event loop's tick. Only one write is in flight, so pending bytes are counted exactly.
/// Confined to its event loop.
///
/// In the long run it allocates nothing: the buffer in which frames gather is reused, and a write that the socket accepts at
/// once, as it does with most, needs no promise.
final class FrameOutput {
    /// What is below the connection's handler in its pipeline.
    enum Below {
        /// The socket or pipe itself: right after a flush it can be asked how much is still buffered.
        case socket
        /// Other handlers, for example for TLS, which may hold bytes that the socket does not know of: only the promise of a
        /// write tells when it is done.
        case handlers
    }

    /// Minimum size of a message whose own buffer is written without a copy: a smaller one is cheaper to copy.
    private static let smallestPiece = 4096

    private let eventLoop: any EventLoop
    private var context: ChannelHandlerContext?
    /// The channel's options, if the socket itself is written to.
    private var socket: (any NIOSynchronousChannelOptions)?
    private var spares: SpareBuffers?
    private var gathered = ByteBuffer()
    /// Buffers that are written without a copy, each after the first `position` bytes of `gathered`.
    private var pieces: [(position: Int, bytes: ByteBuffer)] = []
    private var schedule = WriteSchedule()
    private var isFlushing = false
    /// What the write in flight has given to the channel.
    private var inFlight: [ByteBuffer] = []
    /// Called when a write is done and nothing more has gathered.
    var onWritten: () -> Void = {}

    init(eventLoop: any EventLoop) {
        self.eventLoop = eventLoop
    }

    func attach(_ context: ChannelHandlerContext, over below: Below) {
        self.context = context
        socket = below == .socket ? context.channel.syncOptions : nil
        spares = .ofThisThread
    }

    /// Discards everything that is not written yet.
    func detach() {
        context = nil
        socket = nil
        pieces = []
        inFlight = []
        gathered = ByteBuffer()
        schedule.closed()
        onWritten = {}
    }

    /// Bytes that the channel has not written yet.
    var pendingBytes: Int { schedule.pendingBytes }

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
        guard schedule.gathered(size) else { return }
        eventLoop.assumeIsolated().execute {
            self.schedule.tickEnded()
            self.flush()
        }
    }

    /// Begins a read burst: the frames that the channel has read at once are about to be handled, one after another.
    func beginBurst() { schedule.beginBurst() }

    /// Called between two frames of a burst. The write may fail, and the channel close, before this returns.
    func continueBurst() {
        if schedule.continueBurst() { flush() }
    }

    func endBurst() {
        schedule.endBurst()
        flush()
    }

    func flush() {
        guard !isFlushing else { return }
        isFlushing = true
        var wrote = false
        while let context, schedule.beginWrite() {
            wrote = true
            write(context)
        }
        isFlushing = false
        if wrote, !schedule.isWriting { onWritten() }
    }

    private func write(_ context: ChannelHandlerContext) {
        var frames = ByteBuffer()
        swap(&frames, &gathered)
        if let socket {
            write(frames, context, promise: nil)
            context.flush()
            if (try? socket.getOption(.bufferedWritableBytes)) == 0 {
                schedule.written()
            } else if self.context != nil {
                inFlight = FrameOutput.joined(frames, pieces)
                // Writes complete in order, so the promise of an empty one covers those before it.
                context.writeAndFlush(NIOAny(ByteBuffer()), promise: completion(context))
            }
        } else {
            write(frames, context, promise: completion(context))
            context.flush()
        }
        pieces.removeAll(keepingCapacity: true)
        if !schedule.isWriting { spares?.give(&frames) }
    }

    /// - Parameter promise: completed with the last piece.
    private func write(_ frames: ByteBuffer, _ context: ChannelHandlerContext, promise: EventLoopPromise<Void>?) {
        guard !pieces.isEmpty else { return context.write(NIOAny(frames), promise: promise) }
        var rest = frames
        for (index, (position, bytes)) in pieces.enumerated() {
            if let part = rest.readSlice(length: position - rest.readerIndex) {
                context.write(NIOAny(part), promise: nil)
            }
            let isLast = index == pieces.count - 1 && rest.readableBytes == 0
            context.write(NIOAny(bytes), promise: isLast ? promise : nil)
        }
        if rest.readableBytes > 0 { context.write(NIOAny(rest), promise: promise) }
    }

    private func completion(_ context: ChannelHandlerContext) -> EventLoopPromise<Void> {
        let promise = context.eventLoop.makePromise(of: Void.self)
        promise.futureResult.assumeIsolated().whenComplete { self.completed($0) }
        return promise
    }

    private func completed(_ result: Result<Void, any Error>) {
        guard let context else { return }
        inFlight = []
        // Frames are lost, so the peer could not understand what follows.
        if case .failure = result { return context.close(promise: nil) }
        let hasMore = schedule.written()
        // Within `flush`, the loop there continues.
        guard !isFlushing else { return }
        hasMore ? flush() : onWritten()
    }

    private static func joined(_ frames: ByteBuffer, _ pieces: [(position: Int, bytes: ByteBuffer)]) -> [ByteBuffer] {
        var (all, rest) = ([ByteBuffer](), frames)
        for (position, bytes) in pieces {
            if let part = rest.readSlice(length: position - rest.readerIndex) { all.append(part) }
            all.append(bytes)
        }
        return all + [rest]
    }

    /// Everything that the socket has not taken, for another output that goes on. Nil over other handlers, since they hold bytes of
    /// their own.
    func unwritten() -> ByteBuffer? {
        guard let socket, let left = try? socket.getOption(.bufferedWritableBytes) else { return nil }
        var all = ByteBuffer()
        let total = inFlight.reduce(0) { $0 + $1.readableBytes }
        precondition(left <= total, "a channel holds more than it was given")
        for part in inFlight { all.writeImmutableBuffer(part) }
        all.moveReaderIndex(forwardBy: total - left)
        for part in FrameOutput.joined(gathered, pieces) { all.writeImmutableBuffer(part) }
        return all
    }

    private func makeRoom() {
        if gathered.capacity == 0, let spare = spares?.take() { gathered = spare }
    }
}

extension ByteBuffer {
    /// Appends a frame whose data, `size` bytes, is written by `body`.
    /// - Parameter written: how many bytes `body` writes, if the rest of the data follows separately.
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
