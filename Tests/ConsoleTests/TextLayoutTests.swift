// SPDX-License-Identifier: Apache-2.0

import Console
import Testing

@Suite("The arrangement of an edited text on a terminal")
struct TextLayoutTests {
    /// A layout with prompts of two columns on a terminal with six. The cursor is at `|`.
    private func layout(_ text: String) -> TextLayout {
        let parts = text.split(separator: "|", omittingEmptySubsequences: false)
        return TextLayout(
            parts.joined(), beforeCursor: String(parts[0]), prompt: "> ", more: ". ", columns: 6)
    }

    @Test(
        "lines wrap after the last column; the cursor is where the next character would come",
        arguments: [
            ("|", ["> "], 0, 2), ("ab|c", ["> abc"], 0, 4), ("abc|def", ["> abcd", "ef"], 0, 5),
            // Behind the last column: within a line, at the end of a line before another one, at the end of the text.
            ("abcd|ef", ["> abcd", "ef"], 1, 0), ("abcd|\nx", ["> abcd", ". x"], 0, 5),
            ("abcd|", ["> abcd", ""], 1, 0),
            ("|abcd", ["> abcd"], 0, 2), ("ab\nc|d", ["> ab", ". cd"], 1, 3), ("ab\n|", ["> ab", ". "], 1, 2),
            ("abcd\nefgh\nx|", ["> abcd", ". efgh", ". x"], 2, 3),
            // A character of two columns does not fit into one; one of none takes none; what steers a terminal is written out.
            ("abc字|", ["> abc", "字"], 1, 2), ("e\u{301}|", ["> e\u{301}"], 0, 3), ("\t|a", ["> \\x09", "a"], 1, 0),
        ])
    func wrapping(_ text: String, _ rows: [String], _ row: Int, _ column: Int) {
        let layout = layout(text)
        #expect(layout.rows == rows)
        #expect(layout.cursor == (row, column))
        #expect(layout.hasRowForCursor == (rows.last == ""))
    }

    @Test(
        "of a text that is higher than the terminal, the rows around the cursor are shown, and move only when they must"
    )
    func window() {
        let lines = (0..<9).map(String.init)
        func first(cursorIn line: Int, previous: Int) -> Int {
            var marked = lines
            marked[line] += "|"
            return layout(marked.joined(separator: "\n")).firstRow(height: 4, previous: previous)
        }
        #expect(first(cursorIn: 8, previous: 0) == 5)
        #expect(first(cursorIn: 5, previous: 5) == 5)
        #expect(first(cursorIn: 4, previous: 5) == 4)
        #expect(first(cursorIn: 7, previous: 4) == 4)
        #expect(first(cursorIn: 8, previous: 4) == 5)
        #expect(first(cursorIn: 0, previous: 4) == 0)
        // The text has become shorter, or the terminal higher.
        #expect(layout("0\n1\n2|").firstRow(height: 4, previous: 5) == 0)
    }
}
