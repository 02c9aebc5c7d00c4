// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// systemd's journal, if standard error goes there. It records times itself, and reads the level from a prefix.
package enum Journal {
    /// Whether standard error goes to the journal. The variable alone does not prove it, since programs inherit it:
    /// device and inode must be those of the descriptor.
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

    /// The prefix for errors, see sd-daemon(3).
    static let errorPrefix = "<3>"
}
