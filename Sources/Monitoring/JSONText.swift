// SPDX-License-Identifier: Apache-2.0

/// JSON as text on one line, written from the outside in.
struct JSONText {
    private(set) var text = ""
    private var needsComma = false

    init(_ body: (inout JSONText) -> Void) { object(nil, body) }

    /// - Parameter key: nil within an array.
    mutating func object(_ key: String?, _ body: (inout JSONText) -> Void) { nest("{", "}", key, body) }

    mutating func array(_ key: String?, _ body: (inout JSONText) -> Void) { nest("[", "]", key, body) }

    mutating func write(_ key: String?, _ value: String?) {
        begin(key)
        if let value { write(quoted: value) } else { text += "null" }
    }

    mutating func write(_ key: String?, _ value: Bool) {
        begin(key)
        text += value ? "true" : "false"
    }

    mutating func write(_ key: String?, _ value: (some BinaryInteger)?) {
        begin(key)
        text += value.map { "\($0)" } ?? "null"
    }

    private mutating func nest(_ open: String, _ close: String, _ key: String?, _ body: (inout JSONText) -> Void) {
        begin(key)
        text += open
        needsComma = false
        body(&self)
        text += close
        needsComma = true
    }

    private mutating func begin(_ key: String?) {
        if needsComma { text += "," }
        needsComma = true
        guard let key else { return }
        write(quoted: key)
        text += ":"
    }

    private mutating func write(quoted value: String) {
        text += "\""
        for scalar in value.unicodeScalars {
            switch scalar {
            case "\"": text += "\\\""
            case "\\": text += "\\\\"
            case "\n": text += "\\n"
            case "\0"..<" ": text += "\\u00" + (scalar.value < 16 ? "0" : "") + String(scalar.value, radix: 16)
            default: text.unicodeScalars.append(scalar)
            }
        }
        text += "\""
    }
}
