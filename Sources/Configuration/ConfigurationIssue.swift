// SPDX-License-Identifier: Apache-2.0

/// Something wrong with what the server was told, or without effect.
package struct ConfigurationIssue: Sendable, Equatable, CustomStringConvertible {
    /// Where a value was said.
    package enum Place: Sendable, Equatable {
        case file(String, line: Int)
        /// As typed, with its dashes.
        case flag(String)
    }

    package enum Severity: Sendable, Equatable {
        /// The server can't be run like this.
        case mistake
        /// It can, but hardly as meant.
        case warning
    }

    package var severity: Severity
    package var place: Place
    /// The path of the setting, as `pools.default.size`; empty: the whole file.
    package var key: String
    /// What is wrong; begins with the value that was given.
    package var message: String
    /// What would be right; nil where the message says it.
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

/// All mistakes of a configuration, in their order.
package struct ConfigurationMistakes: Error, Sendable {
    package let issues: [ConfigurationIssue]
}
