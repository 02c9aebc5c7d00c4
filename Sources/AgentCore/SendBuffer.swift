// SPDX-License-Identifier: Apache-2.0

internal import BerthSchema
internal import BerthWire
internal import Glibc

/// Frames on their way to the server: one block of fixed size, filled at the end and written from the front. Large output
/// is not read into it: its frame's front is, and the kernel moves the rest from pipe to stream (`SplicedTail`).
///
/// Bounded by construction. Output is taken only while `outputRoom` is left, and requests are read only while
/// `requestRoom` is; the space between is for what must always fit: answers, and the start and end of each execution.
final class SendBuffer {
    static let capacity = 256 << 10
    /// Bytes of output in one frame, at most.
    static let maxChunk = 32 << 10
    /// Free space under which no request is read: 64 executions may each have a start and an end to tell
    /// (`maxEndSize`) at any moment.
    static let requestRoom = 96 << 10
    /// Bytes of the frames that end an execution, at most.
    static let maxEndSize = 1 << 10
    /// Bytes of an answer's payload, at most: what `requestRoom` leaves beside ends.
    static let maxAnswer = requestRoom - AgentServer.maxExecutions * maxEndSize - (1 << 10)
    private static let outputRoom = requestRoom + maxChunk + headRoom
    private static let headRoom = FrameHeader.size + OutputHead.maxSize

    /// Where all goes.
    let stream: Descriptor
    private let block: UnsafeMutableRawBufferPointer
    private var start = 0
    private var end = 0
    /// What comes after the block's bytes up to its position, and before the others.
    private var tail: SplicedTail?
    /// The tail's pipe, while it is needed for longer than the call that announced it.
    private var tailPipe: Descriptor?
    /// The kernel moves output to the stream, as far as is known.
    private var canSplice = true
    /// The stream took bytes when last heard of.
    private var isWritable = true
    /// The stream is no more: what is in here goes nowhere.
    private(set) var isBroken = false
    /// The farthest byte used since `trim`.
    private var highest = 0
    private let arena = Arena()

    /// - Parameter stream: to the server; does not block.
    init(to stream: consuming Descriptor) {
        self.stream = stream
        let base = mmap(nil, SendBuffer.capacity, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        guard let base, base != MAP_FAILED else { fatalError("no memory for the send buffer") }
        block = UnsafeMutableRawBufferPointer(start: base, count: SendBuffer.capacity)
        // Supervisors have no use for it, and a fork is faster without it.
        _ = madvise(base, SendBuffer.capacity, MADV_DONTFORK)
    }

    deinit { munmap(block.baseAddress, block.count) }

    var isEmpty: Bool { start == end && tail == nil }
    /// A tail is the last output for now: what is behind it would have to be moved if it could not be spliced.
    var canTakeOutput: Bool { tail == nil && free >= SendBuffer.outputRoom }
    var canTakeRequest: Bool { free >= SendBuffer.requestRoom }
    /// There is memory to give back.
    var isTrimmable: Bool { highest > 4096 }
    private var free: Int { block.count - (end - start) - (tail?.count ?? 0) }

    /// Makes `count` bytes free after `end`.
    private func makeRoom(_ count: Int) {
        precondition(free >= count, "the send buffer's bounds are wrong: \(count) bytes wanted, \(free) free")
        guard block.count - end < count, let base = block.baseAddress else { return }
        memmove(base, base + start, end - start)
        end -= start
        tail?.position -= start
        start = 0
    }

    private func advance(_ count: Int) {
        end += count
        highest = max(highest, end)
    }

    func append(
        _ message: some Message, type: FrameType, flags: FrameFlags = [], streamID: UInt32
    ) {
        message.encode(arena: arena) { size, pack in
            makeRoom(FrameHeader.size + size)
            let frame = UnsafeMutableRawBufferPointer(rebasing: block[end...])
            FrameHeader(length: UInt32(size), streamID: streamID, type: type, flags: flags).encode(into: frame)
            pack(UnsafeMutableRawBufferPointer(rebasing: frame[FrameHeader.size...]))
            advance(FrameHeader.size + size)
        }
    }

    /// Answers a call; the message is encoded right where it is sent from.
    func append(_ head: ResponseHead, _ message: some Message, streamID: UInt32) {
        message.encode(arena: arena) { payloadSize, pack in
            let size = head.size(payloadSize: payloadSize)
            makeRoom(FrameHeader.size + size)
            let frame = UnsafeMutableRawBufferPointer(rebasing: block[end..<end + FrameHeader.size + size])
            FrameHeader(length: UInt32(size), streamID: streamID, type: .response).encode(into: frame)
            head.write(
                payloadSize: payloadSize,
                into: UnsafeMutableRawBufferPointer(rebasing: frame[FrameHeader.size...]), pack)
            advance(FrameHeader.size + size)
        }
    }

    /// Takes output from a pipe or terminal: reads it right to where it is sent from; or, when a pipe holds much, announces
    /// it and has the kernel move it. `canTakeOutput` must hold.
    /// - Parameter limit: bytes to take at most, 1 to `maxChunk`.
    /// - Returns: what `read` gave: bytes, 0 at the end, or -1 with `errno`.
    func appendOutput(
        from pipe: Int32, isTerminal: Bool, limit: Int, stream: UInt32, offset: UInt64, streamID: UInt32
    ) -> Int {
        if canSplice, !isTerminal, limit >= SplicedTail.smallest {
            let count = min(limit, SplicedTail.available(in: pipe))
            if count >= SplicedTail.smallest {
                makeRoom(SendBuffer.headRoom)
                appendFront(stream: stream, offset: offset, count: count, streamID: streamID)
                tail = SplicedTail(pipe: pipe, count: count, position: end, streamID: streamID, stream: stream)
                flush()
                keepTail()
                return count
            }
        }
        let expected = SendBuffer.frontSize(stream: stream, offset: offset, count: limit)
        makeRoom(expected + limit)
        guard let base = block.baseAddress else { return 0 }
        let count = read(pipe, base + end + expected, limit)
        guard count > 0 else { return count }
        // A shorter length may need fewer bytes; then the data moves up to them. Never so for a full chunk.
        let front = SendBuffer.frontSize(stream: stream, offset: offset, count: count)
        if front < expected { memmove(base + end + front, base + end + expected, count) }
        appendFront(stream: stream, offset: offset, count: count, streamID: streamID)
        advance(count)
        return count
    }

    /// A tail that could not go at once may outlive its execution, which closes the pipe.
    private func keepTail() {
        guard let tail else { return }
        do throws(SystemError) {
            tailPipe = .some(try Descriptor.copy(of: tail.pipe, minimum: 3))
            self.tail?.pipe = tailPipe?.raw ?? -1
        } catch {
            readTail(tail)
        }
    }

    /// What comes before the bytes of a piece of output. Room for it must have been made.
    private func appendFront(stream: UInt32, offset: UInt64, count: Int, streamID: UInt32) {
        let head = OutputHead(stream: stream, offset: offset, count: count)
        let frame = UnsafeMutableRawBufferPointer(rebasing: block[end..<end + FrameHeader.size + head.size])
        FrameHeader(length: UInt32(head.size + count), streamID: streamID, type: .data).encode(into: frame)
        head.write(into: UnsafeMutableRawBufferPointer(rebasing: frame[FrameHeader.size...]))
        advance(FrameHeader.size + head.size)
    }

    /// Bytes of an output stream that were announced and are still in its pipe.
    func unspliced(of streamID: UInt32, _ stream: UInt32) -> Int {
        guard let tail, tail.streamID == streamID, tail.stream == stream else { return 0 }
        return tail.count
    }

    /// Reads output that is not to be sent. `canTakeOutput` must hold.
    /// - Parameter limit: bytes to read at most, 1 to `maxChunk`.
    /// - Returns: as `appendOutput`.
    func skipOutput(from pipe: Int32, limit: Int) -> Int {
        makeRoom(limit)
        guard let base = block.baseAddress else { return 0 }
        highest = max(highest, end + limit)
        return read(pipe, base + end, limit)
    }

    private static func frontSize(stream: UInt32, offset: UInt64, count: Int) -> Int {
        FrameHeader.size + OutputHead(stream: stream, offset: offset, count: count).size
    }

    /// The stream takes bytes again.
    func becameWritable() { isWritable = true }

    /// Sends what it can.
    func flush() {
        while isWritable, !isBroken {
            if let tail, tail.position == start {
                send(tail)
            } else if start < end {
                write(upTo: tail?.position ?? end)
            } else {
                (start, end) = (0, 0)
                return
            }
        }
    }

    private func write(upTo limit: Int) {
        guard let base = block.baseAddress else { return }
        let count = Glibc.write(stream.raw, base + start, limit - start)
        if count >= 0 {
            start += count
        } else if errno == EAGAIN {
            isWritable = false
        } else if errno != EINTR {
            isBroken = true
        }
    }

    private func send(_ tail: SplicedTail) {
        switch tail.splice(to: stream.raw) {
        case .moved(let count) where count == tail.count:
            dropTail()
        case .moved(let count):
            self.tail?.count -= count
        case .streamIsFull:
            isWritable = false
        case .streamIsBroken:
            isBroken = true
        case .isNotThere:
            readTail(tail)
        case .isNotPossible:
            canSplice = false
            readTail(tail)
        }
    }

    /// Puts what is left of the tail into the block. What the pipe lacks is zeros: the bytes were announced, and were there;
    /// whoever took them out of its own pipe has spoilt its own output.
    private func readTail(_ tail: SplicedTail) {
        // Its bytes were not free until now.
        self.tail?.count = 0
        makeRoom(tail.count)
        guard let base = block.baseAddress, let position = self.tail?.position else { return }
        memmove(base + position + tail.count, base + position, end - position)
        advance(tail.count)
        let room = UnsafeMutableRawBufferPointer(rebasing: block[position..<position + tail.count])
        let count = tail.read(into: room)
        UnsafeMutableRawBufferPointer(rebasing: room[count...]).initializeMemory(as: UInt8.self, repeating: 0)
        dropTail()
    }

    private func dropTail() {
        tail = nil
        tailPipe = nil
    }

    /// Gives memory back that bulk output has touched.
    func trim() {
        guard isEmpty, isTrimmable, let base = block.baseAddress else { return }
        _ = madvise(base + 4096, block.count - 4096, MADV_DONTNEED)
        highest = 0
    }
}
