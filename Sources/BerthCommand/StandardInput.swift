// SPDX-License-Identifier: Apache-2.0

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
        // One that is made with slots may not be let go with fewer.
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

    /// A piece has been dealt with.
    func taken() { slots.signal() }

    /// All of it; nil when it is more than `limit` bytes.
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

    /// 0 at the end. What can't be read, as a terminal that is gone, has ended too.
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
