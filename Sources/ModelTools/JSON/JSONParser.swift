// SPDX-License-Identifier: Apache-2.0

/// Why bytes are not JSON.
package struct JSONError: Error, Equatable {
    /// The number of bytes before the place.
    package let offset: Int
    package let message: String
}

/// Reads one JSON value (RFC 8259) from UTF-8, with bounds on its depth and on the number of its values: a few megabytes
/// of "[" or "0," would otherwise become a deep recursion or hundreds of megabytes.
package struct JSONParser {
    package static let maxDepth = 64
    package static let maxValues = 65_536

    private static let digits = UInt8(ascii: "0")...UInt8(ascii: "9")

    private let bytes: [UInt8]
    private var position = 0
    private var depth = 0
    private var values = 0

    private init(_ bytes: [UInt8]) {
        self.bytes = bytes
    }

    package static func parse(_ bytes: [UInt8]) throws(JSONError) -> JSONValue {
        var parser = JSONParser(bytes)
        parser.skipSpace()
        let value = try parser.value()
        parser.skipSpace()
        guard parser.position == bytes.count else { throw parser.error("something follows the value") }
        return value
    }

    private func error(_ message: String) -> JSONError { JSONError(offset: position, message: message) }

    private var next: UInt8? { position < bytes.count ? bytes[position] : nil }

    private mutating func skipSpace() {
        while let byte = next, byte == 0x20 || byte == 0x09 || byte == 0x0a || byte == 0x0d { position += 1 }
    }

    private mutating func take(_ byte: Character) -> Bool {
        guard next == byte.asciiValue else { return false }
        position += 1
        return true
    }

    private mutating func value() throws(JSONError) -> JSONValue {
        values += 1
        guard values <= JSONParser.maxValues else { throw error("it has more than \(JSONParser.maxValues) values") }
        switch next {
        case nil: throw error("it ends where a value should be")
        case UInt8(ascii: "{"): return try nested { parser throws(JSONError) in try parser.object() }
        case UInt8(ascii: "["): return try nested { parser throws(JSONError) in try parser.array() }
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        case let byte? where byte == UInt8(ascii: "-") || JSONParser.digits.contains(byte):
            return .number(try number())
        default: throw error("a value should be here")
        }
    }

    private mutating func nested(
        _ body: (inout JSONParser) throws(JSONError) -> JSONValue
    ) throws(JSONError) -> JSONValue {
        depth += 1
        guard depth <= JSONParser.maxDepth else {
            throw error("it is nested deeper than \(JSONParser.maxDepth) levels")
        }
        position += 1
        let value = try body(&self)
        depth -= 1
        return value
    }

    private mutating func object() throws(JSONError) -> JSONValue {
        var members: [(String, JSONValue)] = []
        skipSpace()
        if take("}") { return .object(JSONObject()) }
        while true {
            skipSpace()
            guard next == UInt8(ascii: "\"") else { throw error("the name of a member should be here") }
            let name = try string()
            skipSpace()
            guard take(":") else { throw error("\":\" should be here") }
            skipSpace()
            members.append((name, try value()))
            skipSpace()
            if take("}") { return .object(JSONObject(members)) }
            guard take(",") else { throw error("\",\" or \"}\" should be here") }
        }
    }

    private mutating func array() throws(JSONError) -> JSONValue {
        var elements: [JSONValue] = []
        skipSpace()
        if take("]") { return .array([]) }
        while true {
            skipSpace()
            elements.append(try value())
            skipSpace()
            if take("]") { return .array(elements) }
            guard take(",") else { throw error("\",\" or \"]\" should be here") }
        }
    }

    private mutating func word(_ word: String, _ value: JSONValue) throws(JSONError) -> JSONValue {
        guard bytes[position...].starts(with: word.utf8) else { throw error("a value should be here") }
        position += word.utf8.count
        return value
    }

    private mutating func number() throws(JSONError) -> String {
        let start = position
        _ = take("-")
        if !take("0") { try digits() }
        if take(".") { try digits() }
        if take("e") || take("E") {
            if !take("+") { _ = take("-") }
            try digits()
        }
        // Longer than any number that means something; `Double` would read it all.
        guard position - start <= 64 else { throw error("a number has more than 64 characters") }
        return String(decoding: bytes[start..<position], as: UTF8.self)
    }

    private mutating func digits() throws(JSONError) {
        let start = position
        while let byte = next, JSONParser.digits.contains(byte) { position += 1 }
        guard position > start else { throw error("a digit should be here") }
    }

    // MARK: Strings

    private mutating func string() throws(JSONError) -> String {
        position += 1
        let start = position
        while let byte = next, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\"), byte >= 0x20 { position += 1 }
        var text = Array(bytes[start..<position])
        while true {
            switch next {
            case nil: throw error("it ends within a string")
            case UInt8(ascii: "\""):
                guard let string = String(validating: text, as: UTF8.self) else {
                    throw JSONError(offset: start, message: "a string is not UTF-8")
                }
                position += 1
                return string
            case UInt8(ascii: "\\"): try escape(&text)
            case let byte? where byte < 0x20: throw error("a control character in a string must be escaped")
            case let byte?:
                text.append(byte)
                position += 1
            }
        }
    }

    private mutating func escape(_ text: inout [UInt8]) throws(JSONError) {
        position += 1
        let escapes: [Character: UInt8] = [
            "\"": 0x22, "\\": 0x5c, "/": 0x2f, "b": 0x08, "f": 0x0c, "n": 0x0a, "r": 0x0d, "t": 0x09,
        ]
        guard let byte = next else { throw error("it ends within a string") }
        if byte != UInt8(ascii: "u") {
            guard let plain = escapes[Character(Unicode.Scalar(byte))] else { throw error("there is no such escape") }
            text.append(plain)
            position += 1
            return
        }
        var unit = try hexadecimal()
        if (0xd800..<0xdc00).contains(unit), bytes[position...].starts(with: [0x5c, 0x75]) {
            let before = position
            position += 1
            let low = try hexadecimal()
            if (0xdc00..<0xe000).contains(low) {
                unit = 0x10000 + (unit - 0xd800) << 10 + (low - 0xdc00)
            } else {
                position = before
            }
        }
        // Half of a pair alone stands for no character.
        text += "\(Unicode.Scalar(unit) ?? "\u{fffd}")".utf8
    }

    /// Reads "uXXXX".
    private mutating func hexadecimal() throws(JSONError) -> UInt32 {
        let digits = bytes[(position + 1)...].prefix(4)
        guard digits.count == 4, digits.allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }),
            let unit = UInt32(String(decoding: digits, as: UTF8.self), radix: 16)
        else { throw error("\\u needs four hexadecimal digits") }
        position += 5
        return unit
    }
}
