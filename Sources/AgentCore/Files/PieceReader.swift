// SPDX-License-Identifier: Apache-2.0

internal import AgentSchema
internal import BerthSchema
internal import CAgent
internal import FileTree
internal import Glibc

/// Standard input in pieces (see `FileOperation`). Only the last piece ends it: an end of file before that, or a SIGTERM, means
/// that the client has given up.
final class PieceReader {
    private let terminations: Int32
    /// Bytes left of the current piece.
    private var left = 0
    private var isOver = false

    init() throws(FileError) {
        terminations = berth_terminations()
        guard terminations >= 0 else { throw FileError(-terminations, "signalfd") }
    }

    deinit { close(terminations) }

    /// - Returns: number of bytes; 0 at the end, where nothing more is read.
    func read(into buffer: UnsafeMutableRawBufferPointer) throws(FileError) -> Int {
        guard !isOver else { return 0 }
        if left == 0 {
            var header: UInt32 = 0
            var error: FileError?
            withUnsafeMutableBytes(of: &header) { bytes in
                var filled = 0
                while filled < bytes.count, error == nil {
                    do throws(FileError) {
                        filled += try take(UnsafeMutableRawBufferPointer(rebasing: bytes[filled...]))
                    } catch let failure {
                        error = failure
                    }
                }
            }
            if let error { throw error }
            left = Int(UInt32(bigEndian: header))
            guard left <= FileOperation.maxPiece else {
                throw FileError(.invalidArgument, "standard input: a piece of \(left) bytes")
            }
            isOver = left == 0
            if isOver { return 0 }
        }
        let count = try take(UnsafeMutableRawBufferPointer(rebasing: buffer.prefix(left)))
        left -= count
        return count
    }

    /// Reads at least one byte.
    private func take(_ buffer: UnsafeMutableRawBufferPointer) throws(FileError) -> Int {
        while true {
            var ready = [
                pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0),
                pollfd(fd: terminations, events: Int16(POLLIN), revents: 0),
            ]
            guard poll(&ready, 2, -1) > 0 else { continue }
            guard ready[1].revents == 0 else { throw abandoned }
            let count = Glibc.read(STDIN_FILENO, buffer.baseAddress, buffer.count)
            if count > 0 { return count }
            if count == 0 { throw abandoned }
            guard errno == EINTR || errno == EAGAIN else { throw FileError(errno, "standard input") }
        }
    }

    private var abandoned: FileError { FileError(.cancelled, "given up before its end") }
}
