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

/// Decompresses archives with the tool of their format, which is nearly always installed and knows all its variants.
enum Decompression {
    private struct Format {
        let tool: String
        let package: String
        let start: [UInt8]
    }

    private static let formats = [
        Format(tool: "gzip", package: "gzip", start: [0x1f, 0x8b]),
        Format(tool: "zstd", package: "zstd", start: [0x28, 0xb5, 0x2f, 0xfd]),
        Format(tool: "xz", package: "xz-utils", start: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]),
        Format(tool: "bzip2", package: "bzip2", start: [0x42, 0x5a, 0x68]),
    ]

    /// Reads an archive in pieces, decompressed if necessary.
    /// - Throws: `FileError` if it can't be read, or the tool for its format is missing.
    static func archive(_ file: File, path: String) throws(FileError) -> LocalPieces {
        var start: [UInt8] = []
        let room = UnsafeMutableRawBufferPointer.allocate(byteCount: 16, alignment: 1)
        defer { room.deallocate() }
        while start.count < 6 {
            let part = UnsafeMutableRawBufferPointer(rebasing: room[..<(6 - start.count)])
            let count = try file.read(into: part, path: path)
            if count == 0 { break }
            start += part[..<count]
        }
        let plain = LocalPieces.reading(file, path: path, after: start)
        guard let format = formats.first(where: { start.starts(with: $0.start) }) else { return plain }
        return try run(format, file, start, path)
    }

    private static func run(
        _ format: Format, _ file: File, _ start: [UInt8], _ path: String
    ) throws(FileError) -> LocalPieces {
        let (input, feed) = try LocalPieces.pipe()
        let (output, drain) = try LocalPieces.pipe()
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, input.raw, STDIN_FILENO)
        posix_spawn_file_actions_adddup2(&actions, drain, STDOUT_FILENO)
        // This process ignores SIGPIPE; the tool must not inherit that.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var standard = sigset_t()
        sigemptyset(&standard)
        sigaddset(&standard, SIGPIPE)
        posix_spawnattr_setsigdefault(&attributes, &standard)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGDEF))
        var words: [UnsafeMutablePointer<CChar>?] = [strdup(format.tool), strdup("-dc"), nil]
        defer { for word in words { free(word) } }
        var pid: pid_t = 0
        // The tool's end of the pipe must stay open until the tool has been started, and is closed afterwards.
        let result = withExtendedLifetime(input) {
            posix_spawnp(&pid, format.tool, &actions, &attributes, &words, berth_environment())
        }
        close(drain)
        guard result == 0 else {
            close(feed)
            guard result == ENOENT else { throw FileError(result, format.tool) }
            throw FileError(
                .failedPrecondition,
                "\(path): is compressed, and \(format.tool) is not installed: apt-get install \(format.package)"
            )
        }
        let tool = Tool(pid: pid, name: format.tool, path: path)
        DispatchQueue(label: "berth.compressed").async {
            do throws(FileError) {
                var isTaken = writeAll(start, to: feed)
                let room = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 16)
                defer { room.deallocate() }
                // If the tool reads no more, its exit status says why.
                while isTaken {
                    let count = try file.read(into: room, path: path)
                    isTaken = count > 0 && writeAll([UInt8](room[..<count]), to: feed)
                }
            } catch {
                tool.failure.withLock { $0 = error }
            }
            close(feed)
        }
        return LocalPieces.reading(output, path: path) { try tool.end() }
    }

    /// The running tool.
    private final class Tool: Sendable {
        let failure = Mutex<FileError?>(nil)
        private let pid: pid_t
        private let name: String
        private let path: String

        init(pid: pid_t, name: String, path: String) {
            self.pid = pid
            self.name = name
            self.path = path
        }

        /// Waits for the end of the tool. To be called after its output has ended.
        func end() throws(FileError) {
            var status: Int32 = 0
            while waitpid(pid, &status, 0) < 0, errno == EINTR {}
            if let failure = failure.withLock({ $0 }) { throw failure }
            guard status == 0 else {
                throw FileError(.invalidArgument, "\(path): \(name) could not decompress all of it", .badArchive)
            }
        }
    }
}
