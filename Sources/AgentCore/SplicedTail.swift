// SPDX-License-Identifier: Apache-2.0

internal import CAgent
internal import Glibc

/// The last part of a frame: output that was announced and is still in the program's pipe. The kernel moves its pages to the
/// stream without copying.
///
/// The pipe held all of it when it was announced, and the agent is its only reader, unless a program opens its own pipe and
/// takes bytes out of it; missing bytes are detected and replaced (`SendBuffer.readTail`).
struct SplicedTail {
    /// Minimum size: for fewer bytes, a copy is cheaper than two more system calls.
    static let smallest = 8 << 10

    var pipe: Int32
    /// Number of bytes left.
    var count: Int
    /// Position in the send buffer's block: bytes before it are sent first.
    var position: Int
    /// The stream of its execution.
    let streamID: UInt32
    let stream: UInt32

    enum Outcome {
        case moved(Int)
        /// The stream must become writable first.
        case streamIsFull
        case streamIsBroken
        /// The pipe is empty.
        case isNotThere
        /// Splicing does not work with this kernel, seccomp profile or stream.
        case isNotPossible
    }

    func splice(to stream: Int32) -> Outcome {
        let moved = berth_splice(pipe, stream, count)
        if moved > 0 { return .moved(moved) }
        if moved == 0 { return .isNotThere }
        switch -Int32(moved) {
        case EINTR: return .moved(0)
        // Either end may be the cause.
        case EAGAIN: return SplicedTail.available(in: pipe) > 0 ? .streamIsFull : .isNotThere
        case EINVAL, ENOSYS, EPERM, EOPNOTSUPP, EBADF: return .isNotPossible
        default: return .streamIsBroken
        }
    }

    /// - Returns: number of bytes read; fewer than there is room for only if there are no more.
    func read(into room: UnsafeMutableRawBufferPointer) -> Int {
        var total = 0
        while total < room.count, let base = room.baseAddress {
            let count = Glibc.read(pipe, base + total, room.count - total)
            if count > 0 { total += count } else if count == 0 || errno != EINTR { break }
        }
        return total
    }

    /// Bytes that a pipe, or a socket, holds for its reader.
    static func available(in pipe: Int32) -> Int {
        var count: Int32 = 0
        return ioctl(pipe, UInt(FIONREAD), &count) == 0 ? Int(count) : 0
    }
}
