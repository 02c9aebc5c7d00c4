// SPDX-License-Identifier: Apache-2.0

import CLinux
import Console
import Dispatch
import FileTree
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// The content of local files, read on a thread that may block.
struct LocalPieces: AsyncSequence {
    typealias Element = [UInt8]
    typealias Failure = any Error

    private static let pieceSize = 256 << 10

    /// Blocks until there are bytes; returns nil at the end.
    private let read: @Sendable () throws -> [UInt8]?
    private let executor = BlockingExecutor("files")

    func makeAsyncIterator() -> AsyncIterator { AsyncIterator(read: read, executor: executor) }

    struct AsyncIterator: AsyncIteratorProtocol {
        fileprivate let read: @Sendable () throws -> [UInt8]?
        fileprivate let executor: BlockingExecutor

        mutating func next() async throws -> [UInt8]? {
            let read = read
            return try await Task(executorPreference: executor) { try read() }.value
        }
    }

    /// Reads a whole file.
    /// - Parameters:
    ///   - start: bytes that were read from the file already.
    ///   - atEnd: called at the end of the file, before the sequence ends.
    static func reading(
        _ file: File, path: String, after start: [UInt8] = [], atEnd: @escaping @Sendable () throws -> Void = {}
    ) -> LocalPieces {
        let start = Mutex(start)
        return LocalPieces {
            let first = start.withLock { start in
                defer { start = [] }
                return start
            }
            if !first.isEmpty { return first }
            let piece = try piece(of: file, path: path)
            if piece.isEmpty { try atEnd() }
            return piece.isEmpty ? nil : piece
        }
    }

    /// Reads a directory as an archive that is made meanwhile.
    /// - Parameter leftOut: called at the end with the entries that were left out.
    static func packing(
        _ directory: Directory, path: String, leftOut: @escaping @Sendable ([String]) -> Void
    ) throws(FileError) -> LocalPieces {
        let (reader, writer) = try pipe()
        let failure = SharedFailure()
        DispatchQueue(label: "berth.packing").async {
            do throws(FileError) {
                var packer = Packer { bytes throws(FileError) in
                    guard writeAll([UInt8](bytes), to: writer) else { throw FileError(errno, path) }
                }
                try packer.pack(directory, path: path)
                leftOut(packer.leftOut)
            } catch {
                failure.error.withLock { $0 = error }
            }
            // Not earlier: at the end of the pipe, the reader looks for a failure.
            close(writer)
        }
        return LocalPieces {
            let piece = try piece(of: reader, path: path)
            if !piece.isEmpty { return piece }
            if let error = failure.error.withLock({ $0 }) { throw error }
            return nil
        }
    }

    /// A pipe: the end to read from, and the one to write to, which the caller must close.
    static func pipe() throws(FileError) -> (File, Int32) {
        var ends: [Int32] = [-1, -1]
        let result = berth_pipe(&ends)
        guard result == 0 else { throw FileError(-result, "pipe") }
        return (File(adopting: ends[0]), ends[1])
    }

    private static func piece(of file: File, path: String) throws(FileError) -> [UInt8] {
        var error: FileError?
        let piece = [UInt8](unsafeUninitializedCapacity: pieceSize) { room, count in
            do throws(FileError) {
                count = try file.read(into: UnsafeMutableRawBufferPointer(room), path: path)
            } catch let failure {
                error = failure
            }
        }
        if let error { throw error }
        return piece
    }
}

private final class SharedFailure: Sendable {
    let error = Mutex<FileError?>(nil)
}
