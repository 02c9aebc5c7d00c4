// SPDX-License-Identifier: Apache-2.0

import Console

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Text that is being typed, on one or more lines, and the cursor in it. It does no I/O.
struct EditedText: Equatable {
    private(set) var characters: [Character] = []
    /// The number of characters before the cursor.
    private(set) var cursor = 0

    init(_ text: String = "") {
        characters = Array(text)
        cursor = characters.count
    }

    var text: String { String(characters) }
    var beforeCursor: String { String(characters[..<cursor]) }

    mutating func insert(_ text: some Sequence<Character>) {
        let new = Array(text)
        characters.insert(contentsOf: new, at: cursor)
        cursor += new.count
    }

    mutating func deleteBackward() {
        guard cursor > 0 else { return }
        cursor -= 1
        characters.remove(at: cursor)
    }

    mutating func deleteForward() {
        if cursor < characters.count { characters.remove(at: cursor) }
    }

    mutating func move(by count: Int) { cursor = min(max(0, cursor + count), characters.count) }

    private var lineStart: Int { characters[..<cursor].lastIndex(of: "\n").map { $0 + 1 } ?? 0 }
    private var lineEnd: Int { characters[cursor...].firstIndex(of: "\n") ?? characters.count }

    mutating func moveToLineStart() { cursor = lineStart }
    mutating func moveToLineEnd() { cursor = lineEnd }
    mutating func deleteToLineEnd() { characters.removeSubrange(cursor..<lineEnd) }

    mutating func deleteToLineStart() {
        let start = lineStart
        characters.removeSubrange(start..<cursor)
        cursor = start
    }

    mutating func deleteWord() {
        while cursor > 0, characters[cursor - 1] == " " { deleteBackward() }
        while cursor > 0, characters[cursor - 1] != " ", characters[cursor - 1] != "\n" { deleteBackward() }
    }

    /// Returns false if the cursor is on the first or last line already, where the history continues.
    mutating func moveLine(_ step: Int) -> Bool {
        let column = cursor - lineStart
        if step < 0 {
            guard lineStart > 0 else { return false }
            cursor = lineStart - 1
        } else {
            guard lineEnd < characters.count else { return false }
            cursor = lineEnd + 1
        }
        let start = lineStart
        cursor = min(start + column, lineEnd)
        return true
    }

    /// Replaces the text from `start`, a position in bytes of UTF-8, to the cursor with a completion.
    mutating func complete(from start: Int, with text: String) {
        var position = 0
        var index = 0
        while index < cursor, position < start {
            position += String(characters[index]).utf8.count
            index += 1
        }
        characters.replaceSubrange(index..<cursor, with: Array(text))
        cursor = index + text.count
    }

    /// The blanks at the start of the cursor's line, for the next line.
    var indentation: String {
        let line = characters[lineStart..<cursor]
        return String(line.prefix { $0 == " " || $0 == "\t" })
    }
}

/// The meaning of a key.
enum Key: Equatable {
    case text(String)
    case enter, newline, tab, backspace, delete, left, right, up, down, home, end
    case control(Character)
    case closed

    /// Decodes keys from the bytes that a terminal sends. Unknown keys are ignored.
    struct Decoder {
        private var held: [UInt8] = []

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
        private func next() -> (Key?, Int)? {
            guard let first = held.first else { return nil }
            switch first {
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

        private func escape() -> (Key?, Int)? {
            guard held.count > 1 else { return nil }
            if held[1] == 0x0d || held[1] == 0x0a { return (.newline, 2) }
            guard held[1] == UInt8(ascii: "[") || held[1] == UInt8(ascii: "O") else { return (nil, 2) }
            guard let last = held.dropFirst(2).firstIndex(where: { (0x40...0x7e).contains($0) }) else { return nil }
            let key: Key? =
                switch (held[last], held[2..<last].first) {
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

/// A prompt on a terminal with history, completion and several lines.
final class LineEditor {
    enum Outcome {
        case text(String)
        /// Ctrl-C: the text is discarded.
        case interrupted
        /// Ctrl-D, or the terminal is gone.
        case closed
    }

    private var decoder = Key.Decoder()
    private var pending: [Key] = []
    private(set) var history: [String] = []
    /// The row of the cursor, relative to the first row of the prompt.
    private var shownRow = 0

    /// Reads a text.
    /// - Parameters:
    ///   - prompt: the prompt of the first line.
    ///   - more: the prompt of the other lines.
    ///   - isHidden: whether the text is not shown, as for a password.
    ///   - isWhole: whether the text is complete, so that Enter returns it. Otherwise Enter begins another line.
    ///   - complete: returns completions of the text before the cursor, and the position in bytes at which they begin.
    func read(
        _ prompt: String, _ more: String, isHidden: Bool = false, isWhole: (String) -> Bool = { _ in true },
        complete: (String) async -> (start: Int, matches: [String]) = { _ in (0, []) }
    ) async -> Outcome {
        LocalTerminal.enterRaw()
        defer { LocalTerminal.restore() }
        var edited = EditedText()
        var past = history.count
        var kept = ""
        shownRow = 0
        func show(_ isLast: Bool = false) { draw(isHidden ? EditedText() : edited, prompt, more, isLast) }
        show()
        while true {
            switch nextKey() {
            case .text(let text): edited.insert(text)
            case .newline: edited.insert("\n" + edited.indentation)
            case .enter:
                guard isHidden || isWhole(edited.text) else {
                    let deeper = edited.beforeCursor.hasSuffix(":") ? "    " : ""
                    edited.insert("\n" + edited.indentation + deeper)
                    break
                }
                edited.move(by: edited.characters.count)
                show(true)
                let text = edited.text
                if !isHidden, !text.allSatisfy(\.isWhitespace), history.last != text { history.append(text) }
                return .text(text)
            case .tab:
                let line = edited.beforeCursor.split(separator: "\n", omittingEmptySubsequences: false).last ?? ""
                if line.allSatisfy(\.isWhitespace) {
                    edited.insert("    ")
                } else {
                    await self.complete(&edited, complete)
                }
            case .backspace: edited.deleteBackward()
            case .delete: edited.deleteForward()
            case .left: edited.move(by: -1)
            case .right: edited.move(by: 1)
            case .home: edited.moveToLineStart()
            case .end: edited.moveToLineEnd()
            case .up where !isHidden && !edited.moveLine(-1):
                guard past > 0 else { break }
                if past == history.count { kept = edited.text }
                past -= 1
                edited = EditedText(history[past])
            case .down where !isHidden && !edited.moveLine(1):
                guard past < history.count else { break }
                past += 1
                edited = EditedText(past == history.count ? kept : history[past])
            case .up, .down: break
            case .control("a"): edited.moveToLineStart()
            case .control("e"): edited.moveToLineEnd()
            case .control("k"): edited.deleteToLineEnd()
            case .control("u"): edited.deleteToLineStart()
            case .control("w"): edited.deleteWord()
            case .control("l"):
                put("\u{1b}[H\u{1b}[2J")
                shownRow = 0
            case .control("c"):
                show(true)
                return .interrupted
            case .control("d") where edited.text.isEmpty, .closed:
                show(true)
                return .closed
            case .control("d"): edited.deleteForward()
            case .control: break
            }
            show()
        }
    }

    private func complete(
        _ edited: inout EditedText, _ complete: (String) async -> (start: Int, matches: [String])
    ) async {
        let before = edited.beforeCursor
        let (start, matches) = await complete(before)
        guard let first = matches.first else { return put("\u{7}") }
        let common = matches.dropFirst().reduce(first) { $0.commonPrefix(with: $1) }
        let typed = before.utf8.count - start
        if common.utf8.count > typed || matches.count == 1 { return edited.complete(from: start, with: common) }
        put("\r\n" + matches.prefix(60).map(\.printable).joined(separator: "  ") + "\r\n")
        shownRow = 0
    }

    private func nextKey() -> Key {
        while pending.isEmpty {
            var room = [UInt8](repeating: 0, count: 1024)
            let count = Glibc.read(STDIN_FILENO, &room, room.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return .closed }
            pending = decoder.take(room[..<count])
        }
        return pending.removeFirst()
    }

    // MARK: Drawing

    private func put(_ text: String) { _ = writeAll(Array(text.utf8), to: STDOUT_FILENO) }

    /// Draws everything again, from the first row of the prompt.
    private func draw(_ edited: EditedText, _ prompt: String, _ more: String, _ isLast: Bool) {
        let columns = max(LocalTerminal.size?.columns ?? 80, 2)
        var text = shownRow > 0 ? "\u{1b}[\(shownRow)A\r" : "\r"
        text += "\u{1b}[J"
        let before = LineEditor.place(after: edited.beforeCursor, prompt, more, columns)
        let end = LineEditor.place(after: edited.text, prompt, more, columns)
        for (index, line) in edited.text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            text += (index == 0 ? prompt : "\r\n" + more) + String(line).printable
        }
        // After the last column, a terminal begins the next row only when another character comes.
        if end.column == 0, end.row > 0, !edited.text.hasSuffix("\n") { text += "\r\n" }
        if isLast {
            text += "\r\n"
            shownRow = 0
        } else {
            if end.row > before.row { text += "\u{1b}[\(end.row - before.row)A" }
            text += "\r" + (before.column > 0 ? "\u{1b}[\(before.column)C" : "")
            shownRow = before.row
        }
        put(text)
    }

    static func place(after text: String, _ prompt: String, _ more: String, _ columns: Int) -> (row: Int, column: Int) {
        var row = 0
        var column = 0
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            if index > 0 { row += 1 }
            let width =
                (index == 0 ? prompt : more).count + String(line).printable.unicodeScalars.reduce(0) { $0 + $1.columns }
            row += width / columns
            column = width % columns
        }
        return (row, column)
    }
}

extension Unicode.Scalar {
    /// The width in columns of a terminal, approximately.
    fileprivate var columns: Int {
        switch value {
        case 0x300...0x36f, 0x200b...0x200f, 0xfe00...0xfe0f: 0
        case 0x1100...0x115f, 0x2e80...0xa4cf, 0xac00...0xd7a3, 0xf900...0xfaff, 0xfe30...0xfe6f, 0xff00...0xff60,
            0x1f300...0x1faff:
            2
        default: 1
        }
    }
}

extension String {
    fileprivate func commonPrefix(with other: String) -> String {
        String(zip(self, other).prefix { $0 == $1 }.map(\.0))
    }
}
