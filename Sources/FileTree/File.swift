// SPDX-License-Identifier: Apache-2.0

internal import CLinux
package import Glibc

/// An open file.
package final class File: Sendable {
    package let raw: Int32

    package init(adopting raw: Int32) {
        self.raw = raw
    }

    deinit { close(raw) }

    package var status: stat {
        var status = stat()
        fstat(raw, &status)
        return status
    }

    /// - Returns: how many bytes were read; 0 at the end of the file.
    package func read(into buffer: UnsafeMutableRawBufferPointer, path: String) throws(FileError) -> Int {
        while true {
            let count = Glibc.read(raw, buffer.baseAddress, buffer.count)
            if count >= 0 { return count }
            guard errno == EINTR else { throw FileError(errno, path) }
        }
    }

    /// Writes all of `bytes`.
    package func write(_ bytes: UnsafeRawBufferPointer, path: String) throws(FileError) {
        try File.write(bytes, to: raw, path: path)
    }

    /// Writes all of `bytes` to a descriptor that blocks.
    package static func write(_ bytes: UnsafeRawBufferPointer, to raw: Int32, path: String) throws(FileError) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = Glibc.write(raw, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
            if count > 0 {
                rest = rest.dropFirst(count)
            } else if count < 0, errno != EINTR {
                throw FileError(errno, path)
            }
        }
    }

    /// Whether the kernel makes the file as it is read (/proc, /sys, cgroups), so that its size is not known before.
    package var isKernels: Bool { berth_is_kernels_file(raw) != 0 }
}
