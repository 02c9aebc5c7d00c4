// SPDX-License-Identifier: Apache-2.0

internal import BerthSchema
internal import BerthWire
internal import CAgent
internal import Glibc

/// Frames to send to the server: one block of fixed size, filled at the end and written from the front. Of large output, only
/// the front of the frame is put into it; the kernel moves the rest from the pipe to the stream (`SplicedTail`).
///
/// It is bounded by construction. Output is read only while `outputRoom` is left, and requests only while `requestRoom` is;
/// the space between is for what must always fit: answers, and the start and end of each execution.
final class SendBuffer {
    static let capacity = 384 << 10
    /// Maximum bytes of output in one frame.
    static let maxChunk = 64 << 10
    /// No request is read with less free space than this: 64 executions may each have a start and an end to report
    /// (`maxEndSize`) at any time, and connections theirs, with the answers to what waits to be taken.
    static let requestRoom = (96 << 10) + AgentServer.maxConnections * maxConnectionSize
    /// Maximum bytes of the frames that end an execution.
    static let maxEndSize = 1 << 10
    /// Maximum bytes of the frames that start and end a connection, and answer one of its calls.
    private static let maxConnectionSize = 512
    /// Maximum bytes of an answer's payload: what `requestRoom` leaves after the ends.
    static let maxAnswer = (96 << 10) - AgentServer.maxExecutions * maxEndSize - (1 << 10)
    private static let outputRoom = requestRoom + maxChunk + headRoom
    private static let headRoom = FrameHeader.size + OutputHead.maxSize

    /// The stream to the server.
    let stream: Descriptor
    private let block: UnsafeMutableRawBufferPointer
    private var start = 0
    private var end = 0
    /// Output to splice after the bytes before its position, and before the others.
    private var tail: SplicedTail?
    /// The tail's pipe, if it is needed for longer than the call that announced it.
    private var tailPipe: Descriptor?
    /// Whether the kernel can splice to the stream, as far as is known.
    private var canSplice = true
    /// Whether the stream accepted bytes last time.
    private var isWritable = true
    /// Whether the stream is closed, so that nothing can be sent.
    private(set) var isBroken = false
    /// Highest position used since `trim`.
    private var highest = 0
    private let arena = Arena()

    /// - Parameter stream: the stream to the server; it must be non-blocking.
    init(to stream: consuming Descriptor) {
        self.stream = stream
        let base = mmap(nil, SendBuffer.capacity, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        guard let base, base != MAP_FAILED else { fatalError("no memory for the send buffer") }
        block = UnsafeMutableRawBufferPointer(start: base, count: SendBuffer.capacity)
        // Supervisors do not need it, and a fork is faster without it.
        _ = madvise(base, SendBuffer.capacity, MADV_DONTFORK)
    }

    deinit { munmap(block.baseAddress, block.count) }

    var isEmpty: Bool { start == end && tail == nil }
    /// Whether output can be appended. Not after a tail, since what follows it would have to be moved if splicing fails.
    var canTakeOutput: Bool { tail == nil && free >= SendBuffer.outputRoom }
    var canTakeRequest: Bool { free >= SendBuffer.requestRoom }
    /// Whether there is memory to give back.
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

    /// Answers a call; the message is encoded in place.
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

    /// Takes output from a pipe or terminal: reads it in place or, if a pipe holds much, announces it and has the kernel move
    /// it. `canTakeOutput` must be true.
    /// - Parameter limit: maximum bytes to take, 1 to `maxChunk`.
    /// - Returns: the result of `read`: number of bytes, 0 at the end, or -1 with `errno`.
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
        return appendOutput(limit: limit, stream: stream, offset: offset, streamID: streamID) { read(pipe, $0, limit) }
    }

    /// - Parameter take: puts up to `limit` bytes at an address, and returns how many.
    @inline(__always)
    private func appendOutput(
        limit: Int, stream: UInt32, offset: UInt64, streamID: UInt32, _ take: (UnsafeMutableRawPointer) -> Int
    ) -> Int {
        let expected = SendBuffer.frontSize(stream: stream, offset: offset, count: limit)
        makeRoom(expected + limit)
        guard let base = block.baseAddress else { return 0 }
        let count = take(base + end + expected)
        guard count > 0 else { return count }
        // A shorter length may be encoded in fewer bytes, and then the data is moved. That never happens with a full chunk.
        let front = SendBuffer.frontSize(stream: stream, offset: offset, count: count)
        if front < expected { memmove(base + end + front, base + end + expected, count) }
        appendFront(stream: stream, offset: offset, count: count, streamID: streamID)
        advance(count)
        return count
    }

    /// Takes output from a connection's socket. `canTakeOutput` must be true.
    /// - Parameter limit: maximum bytes to take, 1 to `maxChunk`.
    /// - Returns: number of bytes, 0 at the end, or a negative errno.
    func appendOutput(fromSocket socket: Int32, limit: Int, offset: UInt64, streamID: UInt32) -> Int {
        appendOutput(limit: limit, stream: 0, offset: offset, streamID: streamID) {
            berth_receive(socket, $0, limit)
        }
    }

    /// Keeps the pipe of a tail that could not be sent at once, since its execution may end and close the pipe.
    private func keepTail() {
        guard let tail else { return }
        do throws(SystemError) {
            tailPipe = .some(try Descriptor.copy(of: tail.pipe, minimum: 3))
            self.tail?.pipe = tailPipe?.raw ?? -1
        } catch {
            readTail(tail)
        }
    }

    /// Appends what comes before the bytes of a piece of output. There must be room for it.
    private func appendFront(stream: UInt32, offset: UInt64, count: Int, streamID: UInt32) {
        let head = OutputHead(stream: stream, offset: offset, count: count)
        let frame = UnsafeMutableRawBufferPointer(rebasing: block[end..<end + FrameHeader.size + head.size])
        FrameHeader(length: UInt32(head.size + count), streamID: streamID, type: .data).encode(into: frame)
        head.write(into: UnsafeMutableRawBufferPointer(rebasing: frame[FrameHeader.size...]))
        advance(FrameHeader.size + head.size)
    }

    /// How many bytes of an output stream were announced and are still in its pipe.
    func unspliced(of streamID: UInt32, _ stream: UInt32) -> Int {
        guard let tail, tail.streamID == streamID, tail.stream == stream else { return 0 }
        return tail.count
    }

    /// Reads and discards output. `canTakeOutput` must be true.
    /// - Parameter limit: maximum bytes to read, 1 to `maxChunk`.
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

    /// The stream accepts bytes again.
    func becameWritable() { isWritable = true }

    /// Sends as much as possible.
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

    /// Reads the rest of the tail into the block. Bytes that are missing in the pipe become zeros: they were announced, and
    /// were there, so the program has taken them out of its own pipe.
    private func readTail(_ tail: SplicedTail) {
        // Until now its bytes counted as used.
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

    /// Gives back memory that large output has touched.
    func trim() {
        guard isEmpty, isTrimmable, let base = block.baseAddress else { return }
        _ = madvise(base + 4096, block.count - 4096, MADV_DONTNEED)
        highest = 0
    }
}
