// SPDX-License-Identifier: Apache-2.0

internal import CAgent
internal import Glibc

/// The last part of a frame: output that was announced and is still in the program's pipe, from where the kernel moves it to
/// the stream. Its pages change hands, and no byte is copied.
///
/// The pipe held all of it when it was announced, and the agent is its only reader, unless a program opens its own pipe to
/// take bytes out of it: so that there are fewer is found out, and mended (`SendBuffer.readTail`).
struct SplicedTail {
    /// Below this many bytes, a copy is cheaper than two more calls of the kernel.
    static let smallest = 8 << 10

    var pipe: Int32
    /// Bytes that are left.
    var count: Int
    /// In the send buffer's block: what is before it goes first.
    var position: Int
    /// Whose it is.
    let streamID: UInt32
    let stream: UInt32

    enum Outcome {
        case moved(Int)
        /// Nothing moves until the stream can be written to again.
        case streamIsFull
        case streamIsBroken
        /// The pipe is empty.
        case isNotThere
        /// Not with this kernel, this seccomp profile or this stream.
        case isNotPossible
    }

    func splice(to stream: Int32) -> Outcome {
        let moved = berth_splice(pipe, stream, count)
        if moved > 0 { return .moved(moved) }
        if moved == 0 { return .isNotThere }
        switch -Int32(moved) {
        case EINTR: return .moved(0)
        // Of either end.
        case EAGAIN: return SplicedTail.available(in: pipe) > 0 ? .streamIsFull : .isNotThere
        case EINVAL, ENOSYS, EPERM, EOPNOTSUPP, EBADF: return .isNotPossible
        default: return .streamIsBroken
        }
    }

    /// - Returns: how many bytes were read, fewer than there is room for only when there are no more.
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
