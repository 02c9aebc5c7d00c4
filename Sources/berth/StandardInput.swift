import Dispatch
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// This program's standard input, read a little ahead of who takes it, on a thread of its own.
final class StandardInput: Sendable {
    /// A read of a pipe brings less; a file is read in pieces of what one call carries.
    private static let pieceSize = 256 << 10

    /// Ends with the input.
    let pieces: AsyncStream<[UInt8]>
    private let slots: DispatchSemaphore

    /// - Parameters:
    ///   - ahead: pieces that may wait to be taken; no more is read then.
    ///   - scan: sees each piece at once, and says what is passed on.
    init(ahead: Int, scan: @escaping @Sendable ([UInt8]) -> [UInt8] = { $0 }) {
        let slots = DispatchSemaphore(value: ahead)
        self.slots = slots
        let (pieces, continuation) = AsyncStream.makeStream(of: [UInt8].self)
        self.pieces = pieces
        DispatchQueue(label: "berth.stdin").async {
            while true {
                slots.wait()
                let piece = [UInt8](unsafeUninitializedCapacity: StandardInput.pieceSize) { room, count in
                    count = StandardInput.readSome(UnsafeMutableRawBufferPointer(room))
                }
                guard !piece.isEmpty else { break }
                let passed = scan(piece)
                if passed.isEmpty { slots.signal() } else { continuation.yield(passed) }
            }
            continuation.finish()
        }
    }

    /// A piece has been dealt with.
    func taken() { slots.signal() }

    /// All of it; nil when it is more than `limit` bytes.
    static func all(limit: Int) -> [UInt8]? {
        var all: [UInt8] = []
        while all.count <= limit {
            let piece = [UInt8](unsafeUninitializedCapacity: pieceSize) { room, count in
                count = readSome(UnsafeMutableRawBufferPointer(room))
            }
            if piece.isEmpty { return all }
            all += piece
        }
        return nil
    }

    /// 0 at the end. What can't be read, as a terminal that is gone, has ended too.
    private static func readSome(_ room: UnsafeMutableRawBufferPointer) -> Int {
        while true {
            let count = read(STDIN_FILENO, room.baseAddress, room.count)
            if count >= 0 { return count }
            if errno == EAGAIN {
                var input = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
                poll(&input, 1, -1)
            } else if errno != EINTR {
                return 0
            }
        }
    }
}
