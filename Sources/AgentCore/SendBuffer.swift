internal import CLinux
internal import Glibc
internal import Schema
internal import Wire

/// Frames on their way to the server: one block of fixed size, filled at the end and written from the front.
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
    private static let outputRoom = requestRoom + maxChunk + headRoom
    private static let headRoom = FrameHeader.size + Agent.Output.Prefix.maxSize

    private let block: UnsafeMutableRawBufferPointer
    private var start = 0
    private var end = 0
    /// The farthest byte used since `trim`.
    private var highest = 0
    private let arena = Arena()

    init() {
        let base = mmap(nil, SendBuffer.capacity, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        guard let base, base != MAP_FAILED else { fatalError("no memory for the send buffer") }
        block = UnsafeMutableRawBufferPointer(start: base, count: SendBuffer.capacity)
        // Supervisors have no use for it, and a fork is faster without it.
        _ = madvise(base, SendBuffer.capacity, MADV_DONTFORK)
    }

    deinit { munmap(block.baseAddress, block.count) }

    var isEmpty: Bool { start == end }
    var canTakeOutput: Bool { free >= SendBuffer.outputRoom }
    var canTakeRequest: Bool { free >= SendBuffer.requestRoom }
    private var free: Int { block.count - (end - start) }

    /// Makes `count` bytes free after `end`.
    private func makeRoom(_ count: Int) {
        precondition(free >= count, "the send buffer's bounds are wrong: \(count) bytes wanted, \(free) free")
        guard block.count - end < count, let base = block.baseAddress else { return }
        memmove(base, base + start, end - start)
        end -= start
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

    /// Reads output from a pipe right to where it is sent from. `canTakeOutput` must hold.
    /// - Parameter limit: bytes to read at most, 1 to `maxChunk`.
    /// - Returns: what `read` gave: bytes, 0 at the end, or -1 with `errno`.
    func appendOutput(from pipe: Int32, limit: Int, stream: UInt32, offset: UInt64, streamID: UInt32) -> Int {
        let expected = SendBuffer.frontSize(stream: stream, offset: offset, count: limit)
        makeRoom(expected + limit)
        guard let base = block.baseAddress else { return 0 }
        let count = read(pipe, base + end + expected, limit)
        guard count > 0 else { return count }
        let prefix = Agent.Output.Prefix(stream: stream, offset: offset, count: count)
        let front = FrameHeader.size + prefix.size
        // A shorter length may need fewer bytes; then the data moves up to them. Never so for a full chunk.
        if front < expected { memmove(base + end + front, base + end + expected, count) }
        let frame = UnsafeMutableRawBufferPointer(rebasing: block[end..<end + front])
        FrameHeader(length: UInt32(prefix.size + count), streamID: streamID, type: .data).encode(into: frame)
        prefix.encode(into: UnsafeMutableRawBufferPointer(rebasing: frame[FrameHeader.size...]))
        advance(front + count)
        return count
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
        FrameHeader.size + Agent.Output.Prefix(stream: stream, offset: offset, count: count).size
    }

    /// Writes what it can.
    /// - Returns: false when the stream is broken.
    func flush(to descriptor: Int32) -> Bool {
        guard let base = block.baseAddress else { return false }
        while start < end {
            let count = write(descriptor, base + start, end - start)
            if count < 0 {
                if errno == EINTR { continue }
                return errno == EAGAIN
            }
            start += count
        }
        start = 0
        end = 0
        return true
    }

    /// Gives memory back that bulk output has touched.
    func trim() {
        guard isEmpty, highest > 4096, let base = block.baseAddress else { return }
        _ = madvise(base + 4096, block.count - 4096, MADV_DONTNEED)
        highest = 0
    }
}
