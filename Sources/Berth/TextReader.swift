// SPDX-License-Identifier: Apache-2.0

/// Decodes UTF-8 that arrives in pieces. A character whose bytes are split between two pieces is held back (at most 3 bytes)
/// until the rest is there; U+FFFD replaces what is not UTF-8. Use one reader for each stream of a program:
///
///     var reader = TextReader()
///     for try await case .output(let output) in execution where output.stream == .stdout {
///         print(reader.read(output.data), terminator: "")
///     }
///     print(reader.end(), terminator: "")
public struct TextReader: Sendable {
    private var whole = WholeCharacters()

    public init() {}

    /// Returns the text that these bytes complete.
    public mutating func read(_ bytes: some Sequence<UInt8>) -> String {
        String(decoding: whole.take(Array(bytes)), as: UTF8.self)
    }

    /// Returns U+FFFD if an incomplete character was held back, else nothing. Call it at the end, and before a gap.
    public mutating func end() -> String {
        String(decoding: whole.takeHeld(), as: UTF8.self)
    }
}

/// Splits bytes that arrive in pieces only between UTF-8 characters. Bytes that are not UTF-8 pass unchanged.
package struct WholeCharacters: Sendable {
    /// The first bytes of an incomplete character.
    package private(set) var held: [UInt8] = []

    package init() {}

    /// Returns what was held back and `bytes`, except for an incomplete character at the end, which is held back now.
    package mutating func take(_ bytes: [UInt8]) -> [UInt8] {
        var all = held.isEmpty ? bytes : held + bytes
        let count = Self.incomplete(at: all)
        held = count == 0 ? [] : Array(all.suffix(count))
        all.removeLast(count)
        return all
    }

    package mutating func takeHeld() -> [UInt8] {
        defer { held = [] }
        return held
    }

    /// How many bytes at the end belong to an incomplete character.
    private static func incomplete(at bytes: [UInt8]) -> Int {
        for count in 1...3 where count <= bytes.count {
            let needed =
                switch bytes[bytes.count - count] {
                case 0x80...0xbf: 0
                case 0xc2...0xdf: 2
                case 0xe0...0xef: 3
                case 0xf0...0xf4: 4
                default: 1
                }
            if needed > 0 { return needed > count ? count : 0 }
        }
        return 0
    }
}
