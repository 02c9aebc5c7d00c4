package import NIOCore
internal import Schema
package import Wire

/// What is to be written to a channel: frames gather in one buffer, which goes out in one write at the end of a read burst,
/// or of the event loop's tick outside one. One write at a time is under way, so what waits is counted exactly.
/// Confined to its event loop.
final class FrameOutput {
    private let eventLoop: any EventLoop
    private var context: ChannelHandlerContext?
    private var gathered = ByteBuffer()
    private var inFlightBytes = 0
    private var isWriting = false
    private var isFlushScheduled = false
    private var isFlushing = false
    /// In a read burst a flush comes by itself.
    private var isInBurst = false
    /// Called when a write is done and nothing more is gathered, or on each write that is done later than it was begun.
    var onWritten: () -> Void = {}

    init(eventLoop: any EventLoop) {
        self.eventLoop = eventLoop
    }

    func attach(_ context: ChannelHandlerContext) { self.context = context }

    /// What is not written by now never will be.
    func detach() {
        context = nil
        gathered = ByteBuffer()
        inFlightBytes = 0
        onWritten = {}
    }

    /// Bytes that the peer's side of the socket has not taken yet.
    var pendingBytes: Int { gathered.readableBytes + inFlightBytes }

    func append(
        _ type: FrameType, _ flags: FrameFlags, streamID: UInt32, size: Int,
        _ body: (UnsafeMutableRawBufferPointer) -> Void
    ) {
        guard context != nil else { return }
        gathered.writeFrame(type, flags, streamID: streamID, size: size, body)
        scheduleFlush()
    }

    /// Appends frames that are encoded already.
    func append(_ frames: inout ByteBuffer) {
        guard context != nil else { return }
        gathered.writeBuffer(&frames)
        scheduleFlush()
    }

    func beginBurst() { isInBurst = true }

    func endBurst() {
        isInBurst = false
        flush()
    }

    func flush() {
        guard !isFlushing else { return }
        isFlushing = true
        var wrote = false
        while !isWriting, gathered.readableBytes > 0, let context {
            wrote = true
            let buffer = gathered
            gathered = ByteBuffer()
            inFlightBytes = buffer.readableBytes
            isWriting = true
            let done = context.eventLoop.makePromise(of: Void.self)
            done.futureResult.assumeIsolated().whenComplete { _ in self.written() }
            context.writeAndFlush(NIOAny(buffer), promise: done)
        }
        isFlushing = false
        if wrote, !isWriting { onWritten() }
    }

    private func written() {
        isWriting = false
        inFlightBytes = 0
        // Within `flush` the loop there goes on.
        guard !isFlushing else { return }
        flush()
        if !isWriting { onWritten() }
    }

    private func scheduleFlush() {
        guard !isFlushScheduled, !isInBurst, !isWriting else { return }
        isFlushScheduled = true
        eventLoop.assumeIsolated().execute {
            self.isFlushScheduled = false
            self.flush()
        }
    }
}

extension ByteBuffer {
    /// Appends a frame whose data, `size` bytes, is written by `body`.
    package mutating func writeFrame(
        _ type: FrameType, _ flags: FrameFlags, streamID: UInt32, size: Int,
        _ body: (UnsafeMutableRawBufferPointer) -> Void
    ) {
        let header = FrameHeader(length: UInt32(size), streamID: streamID, type: type, flags: flags)
        let total = FrameHeader.size + size
        writeWithUnsafeMutableBytes(minimumWritableBytes: total) { room in
            header.encode(into: room)
            if size > 0 { body(UnsafeMutableRawBufferPointer(rebasing: room[FrameHeader.size..<total])) }
            return total
        }
    }
}
