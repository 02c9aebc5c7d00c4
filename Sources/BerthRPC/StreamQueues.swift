// SPDX-License-Identifier: Apache-2.0

internal import BerthWire
internal import NIOCore

/// Frames of streams that wait for room on their connection: a queue for each stream, served round-robin, one frame each, so
/// that no stream waits for another's backlog.
struct StreamQueues {
    /// Whole frames, one after another.
    private var queues: [UInt32: ByteBuffer] = [:]
    /// The streams that have frames, in the order of their turns, beginning at `head`.
    private var turns: [UInt32] = []
    private var head = 0
    private(set) var totalBytes = 0

    var isEmpty: Bool { totalBytes == 0 }

    func bytes(of streamID: UInt32) -> Int { queues[streamID]?.readableBytes ?? 0 }

    mutating func append(
        _ type: FrameType, _ flags: FrameFlags, streamID: UInt32, size: Int,
        _ body: (UnsafeMutableRawBufferPointer) -> Void
    ) {
        if queues[streamID] == nil { turns.append(streamID) }
        var queue = queues.removeValue(forKey: streamID) ?? ByteBuffer()
        // A queue that is never empty would grow for ever.
        if queue.readerIndex > queue.readableBytes { queue.discardReadBytes() }
        queue.writeFrame(type, flags, streamID: streamID, size: size, body)
        queues[streamID] = queue
        totalBytes += FrameHeader.size + size
    }

    /// Removes one frame of the stream whose turn it is, which then goes to the end of the line.
    mutating func takeFrame() -> ByteBuffer? {
        guard head < turns.count else { return nil }
        let streamID = turns[head]
        head += 1
        if head > 64, head * 2 > turns.count {
            turns.removeFirst(head)
            head = 0
        }
        guard var queue = queues.removeValue(forKey: streamID),
            let length = queue.getInteger(at: queue.readerIndex, as: UInt32.self),
            let frame = queue.readSlice(length: FrameHeader.size + Int(length))
        else { preconditionFailure("a stream in line has no whole frame") }
        totalBytes -= frame.readableBytes
        if queue.readableBytes > 0 {
            queues[streamID] = queue
            turns.append(streamID)
        }
        return frame
    }

    /// All frames, each stream's in their order.
    var allFrames: ByteBuffer {
        var (queues, all) = (self, ByteBuffer())
        while var frame = queues.takeFrame() { all.writeBuffer(&frame) }
        return all
    }

    mutating func removeAll() { self = StreamQueues() }
}
