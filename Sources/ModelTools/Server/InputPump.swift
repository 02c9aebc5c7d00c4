// SPDX-License-Identifier: Apache-2.0

import Dispatch

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Reads a client's lines on a thread of its own, and no more of them while the client does not read its answers.
package struct InputPump: Sendable {
    private static let pieceSize = 64 << 10
    /// How often is looked whether there is room again.
    private static let stalledInterval: Int32 = 20
    /// The other side of a socket will send no more; not in every C library's header for Swift.
    private static let readHangup = Int16(0x2000)

    private let descriptor: Int32
    private let limit: Int
    private let output: OutputQueue

    /// - Parameter limit: maximum bytes of a line.
    package init(_ descriptor: Int32, limit: Int, output: OutputQueue) {
        self.descriptor = descriptor
        self.limit = limit
        self.output = output
    }

    /// - Parameters:
    ///   - take: called with each line, on the thread.
    ///   - ended: called once, when there is no more input.
    package func start(
        take: @escaping @Sendable (LineSplitter.Line) -> Void, ended: @escaping @Sendable () -> Void
    ) {
        DispatchQueue(label: "berth.mcp.input").async {
            read(take)
            ended()
        }
    }

    private func read(_ take: (LineSplitter.Line) -> Void) {
        var splitter = LineSplitter(limit: limit)
        var room = [UInt8](repeating: 0, count: InputPump.pieceSize)
        var isOpen = true
        while isOpen {
            let count = Glibc.read(descriptor, &room, room.count)
            if count > 0 {
                splitter.feed(Array(room[..<count])) { line in
                    isOpen = isOpen && waitForRoom()
                    if isOpen { take(line) }
                }
            } else if count < 0, errno == EAGAIN {
                var input = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
                poll(&input, 1, -1)
            } else if count == 0 || errno != EINTR {
                return
            }
        }
    }

    /// Waits until the client has read some of its answers. False if it has gone meanwhile.
    private func waitForRoom() -> Bool {
        while output.isFull {
            var input = pollfd(fd: descriptor, events: InputPump.readHangup, revents: 0)
            poll(&input, 1, InputPump.stalledInterval)
            if input.revents != 0 { return false }
        }
        return true
    }
}
