/// Something wrong with what the server was told, or without effect.
public struct ConfigurationIssue: Sendable, Equatable, CustomStringConvertible {
    /// Where a value was said.
    public enum Place: Sendable, Equatable {
        case file(String, line: Int)
        /// As typed, with its dashes.
        case flag(String)
    }

    public enum Severity: Sendable, Equatable {
        /// The server can't be run like this.
        case mistake
        /// It can, but hardly as meant.
        case warning
    }

    public var severity: Severity
    public var place: Place
    /// The path of the setting, as `pools.default.size`; empty: the whole file.
    public var key: String
    /// What is wrong; begins with the value that was given.
    public var message: String
    /// What would be right; nil where the message says it.
    public var allowed: String?

    /// One line: `FILE:LINE: key: what is wrong; allowed: …`, or `--flag what is wrong; allowed: …`.
    public var description: String {
        let text = message + (allowed.map { "; allowed: \($0)" } ?? "")
        return switch place {
        case .file(let file, let line): "\(file):\(line): \(key.isEmpty ? "" : "\(key): ")\(text)"
        case .flag(let flag): "\(flag) \(text)"
        }
    }
}

/// All mistakes of a configuration, in their order.
public struct ConfigurationMistakes: Error, Sendable {
    public let issues: [ConfigurationIssue]
}
