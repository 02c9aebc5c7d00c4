// SPDX-License-Identifier: Apache-2.0

/// How an edited text with its prompts is arranged on a terminal. It does no I/O.
package struct TextLayout {
    /// The lines of the text with their prompts; a terminal wraps them itself.
    package private(set) var lines: [String] = []
    /// The rows that they take.
    package private(set) var rows: [String] = []
    /// The place of the cursor among the rows.
    package private(set) var cursor = (row: 0, column: 0)
    /// Whether the last row is only there for the cursor: after the last column, a terminal begins the next row only when
    /// another character comes.
    package private(set) var hasRowForCursor = false

    /// - Parameters:
    ///   - beforeCursor: the part of the text before the cursor.
    ///   - prompt: the prompt of the first line.
    ///   - more: the prompt of the other lines.
    package init(_ text: String, beforeCursor: String, prompt: String, more: String, columns: Int) {
        let all = text.split(separator: "\n", omittingEmptySubsequences: false)
        let before = beforeCursor.split(separator: "\n", omittingEmptySubsequences: false)
        for (index, line) in all.enumerated() {
            let front = index == 0 ? prompt : more
            if index == before.count - 1 {
                let wrapped = TextLayout.wrapped(front + String(before[index]).printable, columns)
                cursor = (rows.count + wrapped.rows.count - 1, wrapped.column)
            }
            lines.append(front + String(line).printable)
            rows += TextLayout.wrapped(lines[index], columns).rows
        }
        guard cursor.column >= columns else { return }
        // It is behind the last column of a row.
        if before.last?.utf8.count ?? 0 < all[before.count - 1].utf8.count {
            cursor = (cursor.row + 1, 0)
        } else if before.count < all.count {
            cursor.column = columns - 1
        } else {
            cursor = (cursor.row + 1, 0)
            rows.append("")
            hasRowForCursor = true
        }
    }

    /// The first row to show where only `height` rows can be: the cursor's row must be shown, and what was shown before moves
    /// as little as possible.
    /// - Parameter previous: the first row that was shown before.
    package func firstRow(height: Int, previous: Int) -> Int {
        min(max(previous, cursor.row - height + 1), cursor.row, max(0, rows.count - height))
    }

    private static func wrapped(_ line: String, _ columns: Int) -> (rows: [String], column: Int) {
        var rows = [""]
        var column = 0
        for scalar in line.unicodeScalars {
            if column + scalar.columns > columns {
                rows.append("")
                column = 0
            }
            rows[rows.count - 1].unicodeScalars.append(scalar)
            column += scalar.columns
        }
        return (rows, column)
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
