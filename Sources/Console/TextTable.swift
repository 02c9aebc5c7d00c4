// SPDX-License-Identifier: Apache-2.0

/// A table as text whose columns are as wide as their widest cell. Text from a server can't steer the terminal.
package enum TextTable {
    package static func lines(_ header: [String], _ rows: [[String]]) -> [String] { lines([header] + rows) }

    /// - Parameter leading: the columns that are aligned to the left; nil: all.
    package static func lines(_ rows: [[String]], leading: Set<Int>? = nil) -> [String] {
        let rows = rows.map { $0.map(\.printable) }
        let widths = (0..<(rows.map(\.count).max() ?? 0)).map { column in
            rows.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0
        }
        return rows.map { row in
            var line = ""
            for (column, cell) in row.enumerated() {
                let space = String(repeating: " ", count: widths[column] - cell.count)
                let isLeading = leading?.contains(column) ?? true
                line += (column == 0 ? "" : "  ") + (isLeading ? cell + space : space + cell)
            }
            while line.last == " " { line.removeLast() }
            return line
        }
    }
}
