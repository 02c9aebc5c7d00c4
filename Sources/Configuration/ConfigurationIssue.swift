// SPDX-License-Identifier: Apache-2.0

/// A mistake in the configuration, or a setting that has no effect.
package struct ConfigurationIssue: Sendable, Equatable, CustomStringConvertible {
    /// Where a value was set.
    package enum Place: Sendable, Equatable {
        case file(String, line: Int)
        /// The flag as typed, with its dashes.
        case flag(String)
    }

    package enum Severity: Sendable, Equatable {
        /// The server can't start with this configuration.
        case mistake
        /// The server can start, but probably not as the user meant.
        case warning
    }

    package var severity: Severity
    package var place: Place
    /// The path of the setting, for example `pools.default.size`. Empty if the issue concerns the whole file.
    package var key: String
    /// What is wrong. It begins with the value that was given, if there is one.
    package var message: String
    /// What would be right; nil if the message says it.
    package var allowed: String?

    /// One line: `FILE:LINE: key: what is wrong; allowed: …`, or `--flag what is wrong; allowed: …`.
    package var description: String {
        let text = message + (allowed.map { "; allowed: \($0)" } ?? "")
        return switch place {
        case .file(let file, let line): "\(file):\(line): \(key.isEmpty ? "" : "\(key): ")\(text)"
        case .flag(let flag): "\(flag) \(text)"
        }
    }
}

/// All mistakes of a configuration: those of the file by line, then those of flags.
package struct ConfigurationMistakes: Error, Sendable {
    package let issues: [ConfigurationIssue]
}
