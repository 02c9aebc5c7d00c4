// SPDX-License-Identifier: Apache-2.0

import Dispatch
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Standard input of berth, which a thread reads a little ahead.
final class StandardInput: Sendable {
    /// Maximum bytes of a piece: what one call to the server can carry. A read from a pipe returns less.
    private static let pieceSize = 256 << 10

    /// The pieces of the input.
    let pieces: AsyncStream<[UInt8]>
    private let slots: DispatchSemaphore

    /// - Parameters:
    ///   - ahead: maximum number of pieces that wait to be taken; nothing is read meanwhile.
    ///   - scan: called with each piece at once, and returns what is passed on.
    init(ahead: Int, scan: @escaping @Sendable ([UInt8]) -> [UInt8] = { $0 }) {
        // A semaphore must not be deallocated with a lower value than it was created with, hence 0.
        let slots = DispatchSemaphore(value: 0)
        for _ in 0..<ahead { slots.signal() }
        self.slots = slots
        let (pieces, continuation) = AsyncStream.makeStream(of: [UInt8].self)
        self.pieces = pieces
        DispatchQueue(label: "berth.stdin").async {
            var room = [UInt8](repeating: 0, count: StandardInput.pieceSize)
            while true {
                slots.wait()
                let count = StandardInput.readSome(&room)
                guard count > 0 else { break }
                let passed = scan(Array(room[..<count]))
                if passed.isEmpty { slots.signal() } else { continuation.yield(passed) }
            }
            continuation.finish()
        }
    }

    /// Must be called after each piece was used, to make room for another.
    func taken() { slots.signal() }

    /// Reads all input; nil if it is more than `limit` bytes.
    static func all(limit: Int) -> [UInt8]? {
        var all: [UInt8] = []
        var room = [UInt8](repeating: 0, count: pieceSize)
        while all.count <= limit {
            let count = readSome(&room)
            if count == 0 { return all }
            all += room[..<count]
        }
        return nil
    }

    /// Reads some bytes. Returns 0 at the end, and also if reading fails, for example because the terminal is gone.
    private static func readSome(_ room: inout [UInt8]) -> Int {
        while true {
            let count = read(STDIN_FILENO, &room, room.count)
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
