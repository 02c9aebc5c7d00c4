// SPDX-License-Identifier: Apache-2.0

import Console
import FoundationEssentials
import Logging

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Writes the server's log to stderr, one line per message, as text or as JSON. For the journal, each line has its
/// level as a prefix, and text has no time, which the journal adds.
struct LogOutput: LogHandler {
    enum Format: String, CaseIterable {
        case text
        case json
    }

    let format: Format
    private let isJournal: Bool
    var logLevel: Logger.Level = .info
    var metadata: Logger.Metadata = [:]

    init(format: Format, level: Logger.Level, isJournal: Bool = Journal.holdsStandardError) {
        self.format = format
        self.isJournal = isJournal
        logLevel = level
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let fields = metadata.merging(event.metadata ?? [:]) { _, new in new }
        _ = writeAll(Array((line(event.level, "\(event.message)", fields) + "\n").utf8), to: STDERR_FILENO)
    }

    func line(_ level: Logger.Level, _ message: String, _ fields: Logger.Metadata) -> String {
        let prefix = isJournal ? Journal.prefix(level) : ""
        switch format {
        case .text:
            let details = fields.sorted { $0.key < $1.key }.map { " \($0.key)=\(LogOutput.quoted("\($0.value)"))" }
            let start = isJournal ? prefix : "\(LogOutput.time()) \(level.rawValue) "
            return "\(start)\(message)\(details.joined())"
        case .json:
            var object = ["time": LogOutput.time(), "level": level.rawValue, "message": message]
            for (key, value) in fields { object[key] = "\(value)" }
            return prefix + JSON.line(object)
        }
    }

    private static func quoted(_ text: String) -> String {
        let isPlain = text.unicodeScalars.allSatisfy { $0 != " " && $0 != "\"" && !$0.steersTerminals }
        return !text.isEmpty && isPlain ? text : JSON.line(text)
    }

    /// The time in UTC as RFC 3339, with milliseconds.
    private static func time() -> String {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        var parts = tm()
        gmtime_r(&now.tv_sec, &parts)
        func pad(_ number: some BinaryInteger, _ width: Int) -> String {
            let digits = "\(number)"
            return String(repeating: "0", count: Swift.max(0, width - digits.count)) + digits
        }
        return "\(parts.tm_year + 1900)-\(pad(parts.tm_mon + 1, 2))-\(pad(parts.tm_mday, 2))T"
            + "\(pad(parts.tm_hour, 2)):\(pad(parts.tm_min, 2)):\(pad(parts.tm_sec, 2))."
            + "\(pad(now.tv_nsec / 1_000_000, 3))Z"
    }
}
