// SPDX-License-Identifier: Apache-2.0

internal import Yams

/// A pool's defaults for what a request does not set.
package struct ProgramSettings: Sendable, Equatable {
    /// What stands for the source text in a language's command.
    package static let codePlaceholder = "{code}"
    static let standardLanguages = [
        "python": ["python3", "-c", codePlaceholder], "sh": ["sh", "-c", codePlaceholder],
    ]

    package var env: [String: String] = [:]
    /// Nil: the pool's home.
    package var cwd: String?
    /// Nil: the server's.
    package var uid: UInt32?
    /// Who callers may have programs run as instead.
    package var allowedUIDs: [UInt32] = []
    /// A program and its arguments by the name of the language that it runs; the standard ones are always there.
    package var languages = standardLanguages

    package init() {}
}

/// A map as YAML, in the order of its names.
private func flow<Value>(_ map: [String: Value], _ show: (Value) -> String) -> String {
    let entries = map.sorted { $0.key < $1.key }.map { "\(quoted($0.key)): \(show($0.value))" }
    return "{\(entries.joined(separator: ", "))}"
}

/// The entries of a map, by their names.
private func entries(_ node: Node) throws(ValueProblem) -> [(name: String, value: Node)] {
    guard let map = node.mapping else { throw ValueProblem(message: "this is no map") }
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
                    throw ValueProblem(message: "\(quoted(name)) is no name of a variable")
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
    /// Added to the standard ones.
    static var languages: Self {
        let placeholder = ProgramSettings.codePlaceholder
        return Self(
            allowed:
                "a map, NAME: [PROGRAM, ARGUMENT, …] with \(placeholder) in an argument; python and sh are always there"
        ) { node throws(ValueProblem) in
            var languages = ProgramSettings.standardLanguages
            for (name, value) in try entries(node) {
                guard !name.isEmpty else { throw ValueProblem(message: "a language without a name") }
                guard let items = value.sequence else { throw ValueProblem(message: "\(name) has no list") }
                var command: [String] = []
                for item in items { command.append(try text(item)) }
                guard let program = command.first, !program.isEmpty, !program.contains(placeholder) else {
                    throw ValueProblem(message: "\(name) begins with no program")
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
