// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// A file that holds a lease. Everyone who can read it can use the lease.
package enum LeaseFile {
    /// Why no lease can be read from a file, on one line.
    package struct Failure: Error {
        package let message: String
    }

    /// Maximum bytes that are read from such a file.
    private static let longest = 4096

    /// Reads the token from the file at a path; `-` is standard input.
    package static func token(in path: String) throws(Failure) -> String {
        let raw = path == "-" ? dup(STDIN_FILENO) : open(path.argumentBytes)
        guard raw >= 0 else { throw Failure(message: "\(path): \(String(cString: strerror(errno)))") }
        defer { close(raw) }
        var bytes: [UInt8] = []
        var room = [UInt8](repeating: 0, count: longest)
        while bytes.count < longest {
            let count = read(raw, &room, room.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw Failure(message: "\(path): \(String(cString: strerror(errno)))") }
            if count == 0 { break }
            bytes += room[..<count]
        }
        let words = bytes.split { $0 <= 0x20 }
        guard words.count == 1, let token = String(validating: words[0], as: UTF8.self) else {
            throw Failure(message: "\(path): holds no lease, which is one word")
        }
        return token
    }

    private static func open(_ path: [UInt8]) -> Int32 {
        (path + [0]).withUnsafeBytes { bytes in
            bytes.assumingMemoryBound(to: CChar.self).baseAddress.map { Glibc.open($0, O_RDONLY | O_CLOEXEC) } ?? -1
        }
    }
}
