// SPDX-License-Identifier: Apache-2.0

/// The meaning of a key.
enum Key: Equatable {
    case text(String)
    case enter, newline, tab, backspace, delete, left, right, up, down, home, end
    case control(Character)
    case closed

    /// Decodes keys from the bytes that a terminal sends. Unknown keys are ignored.
    ///
    /// Terminals enclose what is pasted in marks if they were asked to (`pasteMarksOn`). All of that is text: its line ends and
    /// tabs do not mean Enter and completion.
    struct Decoder {
        static let pasteMarksOn = "\u{1b}[?2004h"
        static let pasteMarksOff = "\u{1b}[?2004l"

        private var held: [UInt8] = []
        private var isPasting = false
        /// Whether the last byte was a carriage return, so that a line feed after it is part of the same line end.
        private var isAfterReturn = false

        mutating func take(_ bytes: some Sequence<UInt8>) -> [Key] {
            held += bytes
            var keys: [Key] = []
            while let (key, count) = next() {
                held.removeFirst(count)
                if let key { keys.append(key) }
            }
            return keys
        }

        /// The next key, or nil for an unknown one, and how many bytes it has; nil if it is not complete yet.
        private mutating func next() -> (Key?, Int)? {
            guard let first = held.first else { return nil }
            let wasReturn = isAfterReturn
            isAfterReturn = first == 0x0d
            switch first {
            case 0x0a where isPasting && wasReturn: return (nil, 1)
            case 0x0d where isPasting, 0x0a where isPasting: return (.text("\n"), 1)
            case 0x09 where isPasting: return (.text("\t"), 1)
            case ..<0x1b where isPasting, 0x1c..<0x20 where isPasting, 0x7f where isPasting: return (nil, 1)
            // A line feed comes from an Enter before the terminal was in raw mode.
            case 0x0d, 0x0a: return (.enter, 1)
            case 0x09: return (.tab, 1)
            case 0x7f, 0x08: return (.backspace, 1)
            case 0x1b: return escape()
            case ..<0x20: return (.control(Character(UnicodeScalar(first + 0x60))), 1)
            default:
                let length = first < 0x80 ? 1 : first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2
                guard held.count >= length else { return nil }
                return (.text(String(decoding: held[..<length], as: UTF8.self)), length)
            }
        }

        private mutating func escape() -> (Key?, Int)? {
            guard held.count > 1 else { return nil }
            // Escape alone, and then another key.
            if held[1] == 0x1b { return (nil, 1) }
            if held[1] == 0x0d || held[1] == 0x0a { return (.newline, 2) }
            guard held[1] == UInt8(ascii: "[") || held[1] == UInt8(ascii: "O") else { return (nil, 2) }
            guard let last = held.dropFirst(2).firstIndex(where: { (0x40...0x7e).contains($0) }) else { return nil }
            if held[last] == UInt8(ascii: "~"), held[2..<last].elementsEqual("200".utf8) { isPasting = true }
            if held[last] == UInt8(ascii: "~"), held[2..<last].elementsEqual("201".utf8) { isPasting = false }
            let key: Key? =
                switch (held[last], held[2..<last].first) {
                case _ where isPasting: nil
                case (UInt8(ascii: "A"), _): .up
                case (UInt8(ascii: "B"), _): .down
                case (UInt8(ascii: "C"), _): .right
                case (UInt8(ascii: "D"), _): .left
                case (UInt8(ascii: "H"), _), (UInt8(ascii: "~"), UInt8(ascii: "1")): .home
                case (UInt8(ascii: "F"), _), (UInt8(ascii: "~"), UInt8(ascii: "4")): .end
                case (UInt8(ascii: "~"), UInt8(ascii: "3")): .delete
                default: nil
                }
            return (key, last + 1)
        }
    }
}
