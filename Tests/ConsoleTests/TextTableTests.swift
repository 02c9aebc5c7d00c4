// SPDX-License-Identifier: Apache-2.0

import Console
import Testing

@Suite("Tables as text")
struct TextTableTests {
    @Test("a column is as wide as its widest cell, and no line ends with spaces")
    func widths() {
        let lines = TextTable.lines(["POOL", "WARM"], [["default", "2"], ["a", ""]])
        #expect(lines == ["POOL     WARM", "default  2", "a"])
    }

    @Test("only the columns that lead are aligned to the left")
    func leading() {
        #expect(TextTable.lines([["a", "10"], ["bcd", "9"]], leading: [0]) == ["a    10", "bcd   9"])
        #expect(TextTable.lines([["a", "10"], ["bcd", "9"]], leading: []) == ["  a  10", "bcd   9"])
    }

    @Test("a row may have fewer cells than the widest, and a table none")
    func ragged() {
        #expect(TextTable.lines([["a"], ["bb", "c"], []]) == ["a", "bb  c", ""])
        #expect(TextTable.lines([]).isEmpty)
    }

    @Test("what would steer the terminal is escaped, and the escapes count as width")
    func control() throws {
        let lines = TextTable.lines([["\u{1b}[2J", "x"], ["a\nb", "y"]])
        #expect(lines.count == 2)
        for line in lines { #expect(line.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7f }) }
        let columns = try lines.map { try #require($0.lastIndex(of: " ")).utf16Offset(in: $0) }
        #expect(Set(columns).count == 1, "\(lines)")
    }
}
