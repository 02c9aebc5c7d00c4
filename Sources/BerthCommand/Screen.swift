// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// A terminal on which each text replaces the one before.
///
/// It changes no mode of the terminal: what was on the screen is scrolled up, and each text is written over the last
/// one. So nothing has to be restored, however the program ends.
struct Screen {
    private let descriptor: Int32
    private var isPainted = false

    /// Nil if the descriptor is not a terminal.
    init?(_ descriptor: Int32) {
        guard isatty(descriptor) == 1 else { return nil }
        self.descriptor = descriptor
    }

    /// What to write to show `text`. It is cut to the present size of the window, since a line that wraps, or one too
    /// many, would not be overwritten.
    mutating func frame(_ text: String) -> String {
        let (columns, rows) = Screen.size(of: descriptor)
        defer { isPainted = true }
        return Screen.frame(text, columns: columns, rows: rows, scrollsUp: !isPainted)
    }

    /// The size of the window; 80 × 24 if it is unknown.
    static func size(of descriptor: Int32) -> (columns: Int, rows: Int) {
        var size = winsize()
        let isKnown = ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 1 && size.ws_row > 1
        return isKnown ? (Int(size.ws_col), Int(size.ws_row)) : (80, 24)
    }

    static func frame(_ text: String, columns: Int, rows: Int, scrollsUp: Bool) -> String {
        let home = "\u{1B}[H"
        let clearLine = "\u{1B}[K"
        let clearRest = "\u{1B}[J"
        // A line is cleared before it is written: afterwards, the cursor may still be on the last character of a full
        // row.
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false).prefix(rows - 1)
        return (scrollsUp ? String(repeating: "\n", count: rows) : "") + home
            + lines.map { "\(clearLine)\($0.prefix(columns))\n" }.joined() + clearRest
    }
}
