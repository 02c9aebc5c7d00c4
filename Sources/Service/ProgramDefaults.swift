// SPDX-License-Identifier: Apache-2.0

/// A pool's defaults for what a request does not set.
package struct ProgramDefaults: Sendable, Equatable {
    /// What stands for the source text in a language's command.
    package static let codePlaceholder = "{code}"

    /// Over what the image gives, under what the request says.
    package var env: [String: String]
    /// Absolute.
    package var cwd: String
    /// Their HOME; absolute.
    package var home: String
    /// Who they run as in a container without a user of its own; nil: as the server says.
    package var uid: UInt32?
    /// Who callers may have them run as instead.
    package var allowedUIDs: [UInt32]
    /// What runs code of a language: a program and its arguments, `{code}` in one of them standing for the text.
    package var languages: [String: [String]]

    package static let standardLanguages = [
        "python": ["python3", "-c", codePlaceholder], "sh": ["sh", "-c", codePlaceholder],
    ]

    package init(
        env: [String: String] = [:], cwd: String = "/workspace", home: String = "/workspace", uid: UInt32? = nil,
        allowedUIDs: [UInt32] = [],
        languages: [String: [String]] = ProgramDefaults.standardLanguages
    ) {
        self.env = env
        self.cwd = cwd
        self.home = home
        self.uid = uid
        self.allowedUIDs = allowedUIDs
        self.languages = languages
    }
}
