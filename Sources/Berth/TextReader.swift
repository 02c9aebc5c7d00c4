// SPDX-License-Identifier: Apache-2.0

/// Makes text of bytes that come in pieces. A character whose bytes are divided between two pieces is held back (3 bytes at
/// most) until the rest is there; what is not UTF-8 becomes U+FFFD. Use one for each stream of a program:
///
///     var reader = TextReader()
///     for try await case .output(let output) in execution where output.stream == .stdout {
///         print(reader.read(output.data), terminator: "")
///     }
///     print(reader.end(), terminator: "")
public struct TextReader: Sendable {
    private var whole = WholeCharacters()

    public init() {}

    /// The text that is complete with these bytes.
    public mutating func read(_ bytes: some Sequence<UInt8>) -> String {
        String(decoding: whole.take(Array(bytes)), as: UTF8.self)
    }

    /// What was held back: nothing more comes, or not what follows. U+FFFD, or nothing.
    public mutating func end() -> String {
        String(decoding: whole.takeHeld(), as: UTF8.self)
    }
}

/// Divides bytes that come in pieces only between characters of UTF-8. Bytes that are none go through as they are.
package struct WholeCharacters: Sendable {
    /// The beginning of a character that is not all there yet.
    package private(set) var held: [UInt8] = []

    package init() {}

    /// What was held back and `bytes`, without the beginning of a character at the end, which is held back now.
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

    /// How many bytes at the end begin a character that needs more than there are.
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
