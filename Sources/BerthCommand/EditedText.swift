// SPDX-License-Identifier: Apache-2.0

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

    /// Does what a key of the editor means for the text alone; other keys change nothing.
    mutating func apply(_ key: Key) {
        switch key {
        case .text(let text): insert(text)
        case .newline: beginLine(isIndented: true)
        case .backspace: deleteBackward()
        case .delete, .control("d"): deleteForward()
        case .left: move(by: -1)
        case .right: move(by: 1)
        case .home, .control("a"): moveToLineStart()
        case .end, .control("e"): moveToLineEnd()
        case .control("k"): deleteToLineEnd()
        case .control("u"): deleteToLineStart()
        case .control("w"): deleteWord()
        case .enter, .tab, .up, .down, .control, .closed: break
        }
    }

    /// Begins another line, as deep as the cursor's, and deeper after a colon.
    mutating func beginLine(isIndented: Bool) {
        guard isIndented else { return insert("\n") }
        insert("\n" + indentation + (beforeCursor.hasSuffix(":") ? "    " : ""))
    }

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

    /// Whether there is nothing but blanks before the cursor in its line, so that Tab indents it.
    var isBlankBeforeCursor: Bool { characters[lineStart..<cursor].allSatisfy(\.isWhitespace) }

    /// The blanks at the start of the cursor's line, for the next line.
    private var indentation: String {
        let line = characters[lineStart..<cursor]
        return String(line.prefix { $0 == " " || $0 == "\t" })
    }
}
