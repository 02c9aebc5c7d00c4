// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// A terminal on which one text replaces the one before.
///
/// It changes no mode of the terminal: what was on the screen is scrolled up, and each text is painted over the last.
/// So there is nothing to put back, however the program ends.
struct Screen {
    private let descriptor: Int32
    private var isPainted = false

    /// Nil when the descriptor is no terminal.
    init?(_ descriptor: Int32) {
        guard isatty(descriptor) == 1 else { return nil }
        self.descriptor = descriptor
    }

    /// What is to be written to show `text`: cut to the window as it is now, since a line that wraps, or one too many,
    /// would leave traces.
    mutating func frame(_ text: String) -> String {
        let (columns, rows) = Screen.size(of: descriptor)
        defer { isPainted = true }
        return Screen.frame(text, columns: columns, rows: rows, scrollsUp: !isPainted)
    }

    /// Of a terminal's window; that of old where it does not tell.
    static func size(of descriptor: Int32) -> (columns: Int, rows: Int) {
        var size = winsize()
        let isKnown = ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 1 && size.ws_row > 1
        return isKnown ? (Int(size.ws_col), Int(size.ws_row)) : (80, 24)
    }

    static func frame(_ text: String, columns: Int, rows: Int, scrollsUp: Bool) -> String {
        let home = "\u{1B}[H"
        let clearLine = "\u{1B}[K"
        let clearRest = "\u{1B}[J"
        // A line is cleared before it is painted: after one that fills its row, the cursor is still on the last character.
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false).prefix(rows - 1)
        return (scrollsUp ? String(repeating: "\n", count: rows) : "") + home
            + lines.map { "\(clearLine)\($0.prefix(columns))\n" }.joined() + clearRest
    }
}
