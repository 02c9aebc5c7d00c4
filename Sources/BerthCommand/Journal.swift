import Logging

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// systemd's journal, where standard error goes to it: it has times of its own, and takes a level from a prefix.
enum Journal {
    /// Whether standard error is the journal's. A variable that a program started from a service inherits does not
    /// make it so: device and inode must be those of the descriptor.
    static let holdsStandardError: Bool = {
        guard let variable = getenv("JOURNAL_STREAM") else { return false }
        var info = stat()
        guard fstat(STDERR_FILENO, &info) == 0 else { return false }
        return isStream(String(cString: variable), device: UInt64(info.st_dev), inode: UInt64(info.st_ino))
    }()

    /// - Parameter variable: the value of `JOURNAL_STREAM`, `DEVICE:INODE` in decimal.
    static func isStream(_ variable: String, device: UInt64, inode: UInt64) -> Bool {
        let words = variable.split(separator: ":", omittingEmptySubsequences: false)
        return words.count == 2 && UInt64(words[0]) == device && UInt64(words[1]) == inode
    }

    static let errorPrefix = prefix(.error)

    /// `<4>` and the like, as sd-daemon(3) has them.
    static func prefix(_ level: Logger.Level) -> String {
        switch level {
        case .trace, .debug: "<7>"
        case .info: "<6>"
        case .notice: "<5>"
        case .warning: "<4>"
        case .error: "<3>"
        case .critical: "<2>"
        }
    }
}
