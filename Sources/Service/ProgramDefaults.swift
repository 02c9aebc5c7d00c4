// SPDX-License-Identifier: Apache-2.0

/// A pool's defaults for what a request does not set.
package struct ProgramDefaults: Sendable, Equatable {
    /// Placeholder of the source text in a language's command.
    package static let codePlaceholder = "{code}"

    /// Overrides the image's environment, and is overridden by the request's.
    package var env: [String: String]
    /// Working directory; absolute.
    package var cwd: String
    /// Value of HOME; absolute.
    package var home: String
    /// User id in a container without a user of its own; nil is the server's default.
    package var uid: UInt32?
    /// User ids that callers may choose instead.
    package var allowedUIDs: [UInt32]
    /// The commands that run code, by language: a program and its arguments, with `{code}` in place of the source text.
    package var languages: [String: [String]]
    /// Languages whose programs a started interpreter forks, where it can.
    package var warmLanguages: Set<String> = []

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
