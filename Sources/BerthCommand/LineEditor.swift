// SPDX-License-Identifier: Apache-2.0

import Console

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Where the arrow keys are in the history; after its end is the text that was being typed.
private struct PlaceInHistory {
    private let history: [String]
    private var index: Int
    private var typed = EditedText()

    init(_ history: [String]) {
        self.history = history
        index = history.count
    }

    /// The text `step` further; the same one at the ends.
    mutating func move(_ step: Int, from edited: EditedText) -> EditedText {
        guard 0...history.count ~= index + step else { return edited }
        if index == history.count { typed = edited }
        index += step
        return index == history.count ? typed : EditedText(history[index])
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
    /// The first row of the text that is shown.
    private var firstRow = 0
    /// The row of the cursor, relative to that.
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
        takeTypedAhead()
        put(Key.Decoder.pasteMarksOn)
        defer {
            put(Key.Decoder.pasteMarksOff)
            LocalTerminal.restore()
        }
        var edited = EditedText()
        var place = PlaceInHistory(history)
        (firstRow, shownRow) = (0, 0)
        func show(isLast: Bool = false) { draw(isHidden ? EditedText() : edited, prompt, more, isLast) }
        show()
        while true {
            let key = nextKey()
            switch key {
            case .enter where isHidden || isWhole(edited.text):
                edited.move(by: edited.characters.count)
                show(isLast: true)
                if !isHidden { remember(edited.text) }
                return .text(edited.text)
            // The indentation of what a terminal pastes without marks, or is typed ahead, is in it.
            case .enter: edited.beginLine(isIndented: pending.isEmpty)
            case .control("c"):
                show(isLast: true)
                return .interrupted
            case .control("d") where edited.text.isEmpty, .closed:
                show(isLast: true)
                return .closed
            case .control("l"):
                put("\u{1b}[H\u{1b}[2J")
                shownRow = 0
            case .tab where edited.isBlankBeforeCursor: edited.insert("    ")
            case .tab: await self.complete(&edited, complete)
            case .up where !isHidden && !edited.moveLine(-1): edited = place.move(-1, from: edited)
            case .down where !isHidden && !edited.moveLine(1): edited = place.move(1, from: edited)
            default: edited.apply(key)
            }
            // What comes at once is drawn once.
            if pending.isEmpty { show() }
        }
    }

    private func remember(_ text: String) {
        if !text.allSatisfy(\.isWhitespace), history.last != text { history.append(text) }
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

    /// Asks the terminal what it can do. What is typed meanwhile is read by the next `read`.
    /// - Returns: its answer, `ESC [ ? … c`; empty if none comes within a second, as from a terminal that does not know the
    ///   question.
    func ask(_ question: String) -> String {
        LocalTerminal.enterRaw()
        defer { LocalTerminal.restore() }
        put(question)
        var bytes: [UInt8] = []
        let end = ContinuousClock.now + .seconds(1)
        while LineEditor.answer(in: bytes) == nil {
            let left = end - .now
            var waiting = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
            guard left > .zero, poll(&waiting, 1, Int32(left / .milliseconds(1)) + 1) >= 0 || errno == EINTR else {
                break
            }
            guard waiting.revents != 0 else { continue }
            var room = [UInt8](repeating: 0, count: 1024)
            let count = Glibc.read(STDIN_FILENO, &room, room.count)
            guard count > 0 else { break }
            bytes += room[..<count]
        }
        guard let range = LineEditor.answer(in: bytes) else {
            pending += decoder.take(bytes[...])
            return ""
        }
        let answer = String(decoding: bytes[range], as: UTF8.self)
        bytes.removeSubrange(range)
        pending += decoder.take(bytes[...])
        return answer
    }

    private static func answer(in bytes: [UInt8]) -> Range<Int>? {
        let start = bytes.indices.first { bytes[$0...].starts(with: [0x1b, 0x5b, 0x3f]) }
        guard let start, let end = bytes[start...].firstIndex(of: UInt8(ascii: "c")) else { return nil }
        return start..<end + 1
    }

    /// Takes what was typed while code ran, before the terminal was in raw mode. A Ctrl-D among it is a zero byte by now: the
    /// kernel keeps it as the end of a line.
    private func takeTypedAhead() {
        var count: Int32 = 0
        guard ioctl(STDIN_FILENO, UInt(FIONREAD), &count) == 0, count > 0 else { return }
        var room = [UInt8](repeating: 0, count: Int(count))
        let taken = Glibc.read(STDIN_FILENO, &room, room.count)
        guard taken > 0 else { return }
        pending += decoder.take(room[..<taken].map { $0 == 0 ? 0x04 : $0 })
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

    /// Draws everything again, from the first row that was shown. Of a text with more rows than the terminal, it shows those
    /// around the cursor: no key can move the cursor into what has been scrolled off a terminal.
    private func draw(_ edited: EditedText, _ prompt: String, _ more: String, _ isLast: Bool) {
        let size = LocalTerminal.size ?? (rows: 24, columns: 80)
        let height = max(size.rows, 1)
        let layout = TextLayout(
            edited.text, beforeCursor: edited.beforeCursor, prompt: prompt, more: more, columns: max(size.columns, 2))
        var text = (shownRow > 0 ? "\u{1b}[\(shownRow)A" : "") + "\r\u{1b}[J"
        if isLast {
            text += layout.lines.joined(separator: "\r\n") + "\r\n"
            shownRow = 0
        } else {
            firstRow = layout.firstRow(height: height, previous: firstRow)
            let end = min(firstRow + height, layout.rows.count)
            if layout.rows.count <= height {
                text += layout.lines.joined(separator: "\r\n") + (layout.hasRowForCursor ? "\r\n" : "")
            } else {
                text += layout.rows[firstRow..<end].joined(separator: "\r\n")
            }
            let (row, column) = layout.cursor
            if end - 1 > row { text += "\u{1b}[\(end - 1 - row)A" }
            text += "\r" + (column > 0 ? "\u{1b}[\(column)C" : "")
            shownRow = row - firstRow
        }
        put(text)
    }
}

extension String {
    fileprivate func commonPrefix(with other: String) -> String {
        String(zip(self, other).prefix { $0 == $1 }.map(\.0))
    }
}
