// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// systemd's journal, where standard error goes to it: it has times of its own, and takes a level from a prefix.
package enum Journal {
    /// Whether standard error is the journal's. A variable that a program started from a service inherits does not
    /// make it so: device and inode must be those of the descriptor.
    package static let holdsStandardError: Bool = {
        guard let variable = getenv("JOURNAL_STREAM") else { return false }
        var info = stat()
        guard fstat(STDERR_FILENO, &info) == 0 else { return false }
        return isStream(String(cString: variable), device: UInt64(info.st_dev), inode: UInt64(info.st_ino))
    }()

    /// - Parameter variable: the value of `JOURNAL_STREAM`, `DEVICE:INODE` in decimal.
    package static func isStream(_ variable: String, device: UInt64, inode: UInt64) -> Bool {
        let words = variable.split(separator: ":", omittingEmptySubsequences: false)
        return words.count == 2 && UInt64(words[0]) == device && UInt64(words[1]) == inode
    }

    /// As sd-daemon(3) has the levels.
    static let errorPrefix = "<3>"
}
