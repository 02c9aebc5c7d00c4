// SPDX-License-Identifier: Apache-2.0

/// What people type at a prompt to leave it, in each language as at its own prompt.
enum LeavingWords {
    /// The exit code that `code` leaves with; nil if it is code to run.
    ///
    /// Only what can be nothing else: `exit(f(x))` is run, since only the interpreter can tell its value.
    static func status(of code: String, language: String) -> Int32? {
        let words = code.split(whereSeparator: \.isWhitespace).joined(separator: " ")
        let name = ["python": ["exit", "quit"], "node": [".exit"]][language] ?? ["exit"]
        guard let word = name.first(where: words.hasPrefix) else { return nil }
        var rest = words.dropFirst(word.count)
        switch language {
        case "node": return rest.isEmpty ? 0 : nil
        case "python":
            if rest.isEmpty { return 0 }
            guard rest.first == "(", rest.last == ")" else { return nil }
            rest = rest.dropFirst().dropLast()
        default:
            guard rest.isEmpty || rest.first == " " else { return nil }
            rest = rest.dropFirst()
        }
        return rest.isEmpty ? 0 : UInt8(rest).map(Int32.init)
    }
}
