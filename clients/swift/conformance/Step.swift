// SPDX-License-Identifier: Apache-2.0

import Berth

/// A verb and its words. Each word is taken once; what nobody took is not supported.
struct Step {
    let verb: String
    private var words: [String: [[UInt8]]] = [:]

    init(_ line: String) {
        let parts = line.split(separator: " ")
        verb = parts.first.map(String.init) ?? ""
        for word in parts.dropFirst() {
            let (key, value) = divided(word, at: "=")
            words[key, default: []].append(percentDecoded(value))
        }
    }

    func has(_ key: String) -> Bool { words[key] != nil }

    var unused: [String] { words.keys.sorted() }

    /// Without taking it.
    func name(_ key: String) -> String { words[key].map { quoted($0[0]) } ?? "" }

    mutating func all(_ key: String) -> [[UInt8]] { words.removeValue(forKey: key) ?? [] }

    mutating func bytes(_ key: String) -> [UInt8]? { all(key).first }

    mutating func text(_ key: String) -> String? { bytes(key).map { String(decoding: $0, as: UTF8.self) } }

    mutating func number(_ key: String) -> Int? { text(key).flatMap { Int($0) } }

    mutating func isSet(_ key: String) -> Bool { number(key) == 1 }

    mutating func time(_ key: String) -> Duration? { number(key + "_ms").map { .milliseconds($0) } }

    mutating func octal(_ key: String) -> UInt32? { text(key).flatMap { UInt32($0, radix: 8) } }

    mutating func path(_ key: String = "path") -> SystemString { SystemString(bytes(key) ?? []) }

    /// What a line about its failure begins with.
    var failureName: String {
        let keys: [String] =
            switch verb {
            case "acquire", "start", "attach", "read-archive", "open-context", "fork-context", "dial": ["as"]
            case "close-context", "complete", "inspect": ["context"]
            case "run": []
            default:
                has("path") || has("archive") ? ["exec", "archive", "path"] : ["exec", "lease"]
            }
        guard let key = keys.first(where: { has($0) }) else { return verb }
        return "\(verb) \(name(key))"
    }
}

func divided(_ word: some StringProtocol, at separator: Character) -> (String, String) {
    guard let index = word.firstIndex(of: separator) else { return (String(word), "") }
    return (String(word[..<index]), String(word[word.index(after: index)...]))
}

func percentDecoded(_ text: String) -> [UInt8] {
    var bytes: [UInt8] = []
    var rest = Array(text.utf8)[...]
    while let byte = rest.popFirst() {
        if byte == UInt8(ascii: "%"), let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16) {
            bytes.append(value)
            rest = rest.dropFirst(2)
        } else {
            bytes.append(byte)
        }
    }
    return bytes
}

func hex(_ number: some BinaryInteger, _ digits: Int, uppercase: Bool = false, radix: Int = 16) -> String {
    let text = String(number, radix: radix, uppercase: uppercase)
    return String(repeating: "0", count: max(0, digits - text.count)) + text
}

/// So many times over.
func repeated(_ bytes: [UInt8], _ count: Int?) -> [UInt8] {
    var all: [UInt8] = []
    all.reserveCapacity(bytes.count * (count ?? 1))
    for _ in 0..<(count ?? 1) { all += bytes }
    return all
}

func octal(_ mode: UInt32) -> String { hex(mode, 4, radix: 8) }

func quoted(_ bytes: some Sequence<UInt8>) -> String {
    var text = ""
    for byte in bytes {
        if (0x21...0x7e).contains(byte), byte != UInt8(ascii: "%") {
            text.unicodeScalars.append(Unicode.Scalar(byte))
        } else {
            text += "%" + hex(byte, 2, uppercase: true)
        }
    }
    return text
}

func shown(_ bytes: [UInt8]) -> String {
    bytes.count <= 128 ? quoted(bytes) : "bytes=\(bytes.count) crc32=\(hex(crc32(bytes), 8))"
}

private let crcTable: [UInt32] = (0..<256).map { index in
    (0..<8).reduce(UInt32(index)) { value, _ in value & 1 == 1 ? 0xedb8_8320 ^ (value >> 1) : value >> 1 }
}

/// As in zip and gzip.
func crc32(_ bytes: [UInt8]) -> UInt32 {
    crcTable.withUnsafeBufferPointer { table in
        bytes.withUnsafeBufferPointer { bytes in
            var value = UInt32.max
            for byte in bytes { value = table[Int((value ^ UInt32(byte)) & 0xff)] ^ (value >> 8) }
            return ~value
        }
    }
}

/// "cpuTimeLimit" as the contract spells it in lower case: "cpu_time_limit".
func snakeCase(_ name: String) -> String {
    String(name.flatMap { $0.isUppercase ? "_" + $0.lowercased() : String($0) })
}

func camelCase(_ name: String) -> String {
    let words = name.split(separator: "_").map(String.init)
    return words.dropFirst().reduce(words.first ?? "") { $0 + $1.prefix(1).uppercased() + $1.dropFirst() }
}
