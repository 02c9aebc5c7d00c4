// SPDX-License-Identifier: Apache-2.0

internal import Yams

/// A pool's defaults for programs, used for what the request does not set.
package struct ProgramSettings: Sendable, Equatable {
    /// The text in a language's command that is replaced with the code to run.
    package static let codePlaceholder = "{code}"
    static let standardLanguages = [
        "python": ["python3", "-c", codePlaceholder], "sh": ["sh", "-c", codePlaceholder],
    ]

    package var env: [String: String] = [:]
    /// Nil: the home directory of the pool.
    package var cwd: String?
    /// Nil: the server's setting.
    package var uid: UInt32?
    /// User ids that a request may set.
    package var allowedUIDs: [UInt32] = []
    /// Commands (a program and its arguments) by language. The standard languages are always included.
    package var languages = standardLanguages
    /// Interpreters that have started before a container is ready, by language.
    package var interpreters: [String: InterpreterSettings] = [:]

    package init() {}
}

/// Writes a map as YAML, sorted by name.
func flow<Value>(_ map: [String: Value], _ show: (Value) -> String) -> String {
    let entries = map.sorted { $0.key < $1.key }.map { "\(quoted($0.key)): \(show($0.value))" }
    return "{\(entries.joined(separator: ", "))}"
}

/// The entries of a YAML map, in the order of the text.
func entries(_ node: Node) throws(ValueProblem) -> [(name: String, value: Node)] {
    guard let map = node.mapping else { throw ValueProblem(message: "this is not a map") }
    var found: [(String, Node)] = []
    for (key, value) in map { found.append((try text(key), value)) }
    return found
}

extension ValueKind<[String: String]> {
    static var environment: Self {
        Self(allowed: "a map, NAME: VALUE") { node throws(ValueProblem) in
            var values: [String: String] = [:]
            for (name, value) in try entries(node) {
                guard !name.isEmpty, !name.contains("="), !name.utf8.contains(0) else {
                    throw ValueProblem(message: "\(quoted(name)) is not the name of a variable")
                }
                let value = try text(value)
                guard !value.utf8.contains(0) else { throw ValueProblem(message: "the value of \(name) holds a NUL") }
                values[name] = value
            }
            return values
        } show: {
            flow($0, quoted)
        }
    }
}

extension ValueKind<[String: [String]]> {
    /// The languages that are set, added to the standard ones.
    static var languages: Self {
        let placeholder = ProgramSettings.codePlaceholder
        return Self(
            allowed:
                "a map, NAME: [PROGRAM, ARGUMENT, …] with \(placeholder) in an argument; python and sh are always there"
        ) { node throws(ValueProblem) in
            var languages = ProgramSettings.standardLanguages
            for (name, value) in try entries(node) {
                guard !name.isEmpty else { throw ValueProblem(message: "a language without a name") }
                guard let items = value.sequence else { throw ValueProblem(message: "\(name) is not a list") }
                var command: [String] = []
                for item in items { command.append(try text(item)) }
                guard let program = command.first, !program.isEmpty, !program.contains(placeholder) else {
                    throw ValueProblem(message: "\(name) does not begin with a program")
                }
                guard command.contains(where: { $0.contains(placeholder) }) else {
                    throw ValueProblem(message: "\(name) has no \(placeholder) in its arguments")
                }
                languages[name] = command
            }
            return languages
        } show: {
            flow($0) { command in "[\(command.map(quoted).joined(separator: ", "))]" }
        }
    }
}
