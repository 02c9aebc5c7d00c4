// SPDX-License-Identifier: Apache-2.0

internal import CHost
internal import Pool

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// A file that is nowhere on a disk: for keys that a configuration holds, and that libcurl wants to read from a path.
final class MemoryFile: Sendable {
    private let descriptor: Int32
    /// Valid in this process, while this object lives.
    var path: String { "/proc/self/fd/\(descriptor)" }

    init(_ bytes: [UInt8]) throws(RuntimeError) {
        descriptor = berth_memory_file()
        guard descriptor >= 0 else {
            let words = String(cString: strerror(-descriptor))
            throw RuntimeError(.failed, "no file in memory: \(words)", errno: -descriptor)
        }
        guard write(descriptor, bytes, bytes.count) == bytes.count else {
            throw RuntimeError(.failed, "a file in memory can't be written: \(String(cString: strerror(errno)))")
        }
    }

    deinit {
        if descriptor >= 0 { close(descriptor) }
    }
}
