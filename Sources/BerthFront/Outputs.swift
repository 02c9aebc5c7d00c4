// SPDX-License-Identifier: Apache-2.0

import BerthSchema
import Console

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Writes the output of a program to standard output and standard error, in order. Bytes that they do not take at once
/// wait here, so that signals and input go on.
struct Outputs {
    private struct Piece {
        let stream: OutputStream
        let bytes: [UInt8]
        /// The offset of its first byte in the program's stream.
        let offset: UInt64
    }

    /// Bytes that a writable pipe always takes without blocking.
    private static let pieceSize = 4096

    private var waiting: [Piece] = []
    /// How much of the first piece is written.
    private var written = 0
    private(set) var waitingBytes = 0
    /// Whether a stream is a file, which never blocks. It is found out at the first write.
    private var isFile: [OutputStream: Bool] = [:]

    /// How much of each stream is written.
    private(set) var stdoutOffset: UInt64 = 0
    private(set) var stderrOffset: UInt64 = 0
    /// Output events that were written since credit was last given.
    private var events = 0
    /// Bytes that were written since credit was last given.
    private var bytes = 0

    /// The descriptor that takes no more now; nil if nothing waits.
    var full: Int32? { waiting.first.map { Outputs.descriptor($0.stream) } }

    /// Whether to give credit now: after a quarter of the window, or half as many events as a server sends without
    /// credit.
    mutating func takesCredit(window: Int) -> Bool {
        guard bytes * 4 >= window || events >= 30 else { return false }
        (events, bytes) = (0, 0)
        return true
    }

    mutating func write(_ data: UnsafeRawBufferPointer, _ head: OutputHead) throws(OutputFailure) {
        let stream = OutputStream(rawValue: head.stream) ?? .stdout
        let count = waiting.isEmpty ? try write(data, to: stream) : 0
        guard count < data.count else { return consumed(stream, data.count, head.offset) }
        if waiting.isEmpty { written = count }
        waiting.append(Piece(stream: stream, bytes: [UInt8](data), offset: head.offset))
        waitingBytes += data.count
    }

    /// Takes a gap in the output.
    mutating func skip(_ dropped: Dropped) {
        events += 1
        advance(dropped.stream, to: dropped.offset + dropped.bytes)
    }

    /// Writes as many of the waiting bytes as possible.
    mutating func write() throws(OutputFailure) {
        var done = 0
        defer { waiting.removeFirst(done) }
        while done < waiting.count {
            let piece = waiting[done]
            let result = piece.bytes.withUnsafeBytes { bytes in
                Result { () throws(OutputFailure) in
                    try write(UnsafeRawBufferPointer(rebasing: bytes[written...]), to: piece.stream)
                }
            }
            written += try result.get()
            guard written == piece.bytes.count else { return }
            consumed(piece.stream, written, piece.offset)
            waitingBytes -= written
            written = 0
            done += 1
        }
    }

    private mutating func consumed(_ stream: OutputStream, _ count: Int, _ offset: UInt64) {
        events += 1
        bytes += count
        advance(stream, to: offset + UInt64(count))
    }

    private mutating func advance(_ stream: OutputStream, to offset: UInt64) {
        if stream == .stdout { stdoutOffset = offset } else { stderrOffset = offset }
    }

    // MARK: The descriptors

    private static func descriptor(_ stream: OutputStream) -> Int32 {
        stream == .stdout ? STDOUT_FILENO : STDERR_FILENO
    }

    /// Returns how many bytes were written, perhaps 0. The descriptors are shared with other processes, and so can't be
    /// made non-blocking.
    private mutating func write(_ data: UnsafeRawBufferPointer, to stream: OutputStream) throws(OutputFailure) -> Int {
        let descriptor = Outputs.descriptor(stream)
        let isFile = isFile(stream, descriptor)
        var count = 0
        while count < data.count {
            let rest = UnsafeRawBufferPointer(rebasing: data[count...])
            let length = isFile ? rest.count : min(rest.count, Outputs.pieceSize)
            if !isFile {
                var room = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                if poll(&room, 1, 0) == 0 { break }
            }
            let result = Glibc.write(descriptor, rest.baseAddress, length)
            if result > 0 {
                count += result
            } else if result == 0 || errno == EAGAIN {
                break
            } else if errno != EINTR {
                throw OutputFailure(descriptor: descriptor, number: errno)
            }
        }
        return count
    }

    private mutating func isFile(_ stream: OutputStream, _ descriptor: Int32) -> Bool {
        if let known = isFile[stream] { return known }
        var info = stat()
        let isFile = fstat(descriptor, &info) == 0 && info.st_mode & S_IFMT == S_IFREG
        self.isFile[stream] = isFile
        return isFile
    }
}
