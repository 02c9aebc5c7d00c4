// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// Files that are read as a whole: certificates, keys, tokens.
package enum SmallFile {
    /// The most that is read of one.
    package static let maxSize = 1 << 20

    /// - Parameters:
    ///   - what: what the file is, for messages: "the TLS key".
    ///   - maxSize: the most bytes that it may have.
    /// - Throws: INVALID_ARGUMENT, whose message names the file and what is wrong with it.
    package static func read(
        _ path: String, _ what: String, maxSize: Int = SmallFile.maxSize
    ) throws(RPCError) -> [UInt8] {
        func failure(_ words: String) -> RPCError { RPCError(.invalidArgument, "\(what) \(path): \(words)") }
        // Non-blocking: a pipe in its place must not hold up a server.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw failure(String(cString: strerror(errno))) }
        defer { Descriptor.close(descriptor) }
        var info = stat()
        guard fstat(descriptor, &info) == 0, info.st_mode & S_IFMT == S_IFREG else {
            throw failure("this is not a file")
        }
        guard info.st_size <= maxSize else { throw failure("it has more than \(maxSize) bytes") }
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 16 << 10)
        while true {
            let count = Glibc.read(descriptor, &piece, piece.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw failure(String(cString: strerror(errno))) }
            if count == 0 { return bytes }
            bytes += piece.prefix(count)
            guard bytes.count <= maxSize else { throw failure("it has more than \(maxSize) bytes") }
        }
    }

    /// What tells a file from the one that was at its path before.
    package struct Stamp: Equatable, Sendable {
        var device: UInt64 = 0
        var inode: UInt64 = 0
        var size: Int64 = 0
        var seconds = 0
        var nanoseconds = 0
    }

    /// The stamp of a file as it is now; the same for all that do not exist.
    package static func stamp(_ path: String?) -> Stamp {
        var info = stat()
        guard let path, stat(path, &info) == 0 else { return Stamp() }
        return Stamp(
            device: UInt64(info.st_dev), inode: UInt64(info.st_ino), size: Int64(info.st_size),
            seconds: info.st_mtim.tv_sec, nanoseconds: info.st_mtim.tv_nsec)
    }
}

/// Tells whether the file at a path is another than the one that was read last.
package struct FileWatch: Sendable {
    private let path: String
    /// Of the file that was read last; nil if none could be.
    private var last: SmallFile.Stamp?

    package init(_ path: String) { self.path = path }

    /// Reads the file if it has changed since it was last read, or could not be read then.
    package mutating func look(_ read: () throws -> Void) rethrows {
        if last == nil || SmallFile.stamp(path) != last { try readNow(read) }
    }

    /// Reads the file.
    package mutating func readNow(_ read: () throws -> Void) rethrows {
        // Before it is read: a file that changes meanwhile is read again.
        let stamp = SmallFile.stamp(path)
        last = nil
        try read()
        last = stamp
    }
}
