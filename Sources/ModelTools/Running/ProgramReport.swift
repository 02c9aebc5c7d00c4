// SPDX-License-Identifier: Apache-2.0

package import Berth

/// What comes of a program or a piece of code: its events, with a bound on what is kept of them, and then a result.
package struct ProgramReport: Sendable {
    /// Maximum bytes of all pictures of a result, and their maximum number.
    private static let maxPictureBytes = 3 << 20
    private static let maxPictures = 16
    /// The forms that models can look at.
    static let pictureTypes = ["image/png", "image/jpeg", "image/gif", "image/webp"]

    private struct Shown {
        var id: String
        var isResult: Bool
        var picture: MimeData?
        var text: String
    }

    /// Whether it is code in a session, whose end the words have to fit.
    private let session: String?
    private var stdout = OutputTail()
    private var stderr = OutputTail()
    private var shown: [Shown] = []
    private var pictureBytes = 0
    /// Bytes of displayed texts that may still come.
    private var textRoom = OutputTail.standardLimit
    /// Displays that were too many or too large.
    private var leftOut = 0
    private var failure: Failure?
    package private(set) var ended: Ended?

    package init(session: String? = nil) {
        self.session = session
    }

    package mutating func take(_ event: ExecuteEvent) {
        switch event {
        case .output(let output) where output.stream == .stdout: stdout.append(output.data)
        case .output(let output): stderr.append(output.data)
        case .dropped(let dropped) where dropped.stream == .stdout: stdout.skip(dropped.bytes)
        case .dropped(let dropped) where dropped.stream == .stderr: stderr.skip(dropped.bytes)
        case .display(let display): take(display)
        case .failure(let failure): self.failure = failure
        case .ended(let ended): self.ended = ended
        case .started, .dropped, .prompt, .outputEnded, .unknown: break
        }
    }

    private mutating func take(_ display: Display) {
        var new = Shown(id: display.id, isResult: display.isResult, picture: nil, text: "")
        new.picture =
            ProgramReport.pictureTypes.lazy.compactMap { type in display.data.first { $0.mime == type } }.first
        let large = display.leftOut.map {
            "[\($0.mime.isEmpty ? "a form" : $0.mime) of \($0.bytes) bytes is too large]"
        }
        if new.picture == nil || display.isResult { new.text = ProgramReport.text(of: display) ?? "" }
        if !large.isEmpty { new.text += (new.text.isEmpty ? "" : "\n") + large.joined(separator: "\n") }
        if display.isUpdate, let index = shown.firstIndex(where: { !$0.id.isEmpty && $0.id == display.id }) {
            forget(shown[index])
            shown.remove(at: index)
        }
        let size = new.picture?.data.count ?? 0
        if size > 0,
            pictureBytes + size > ProgramReport.maxPictureBytes
                || shown.count(where: { $0.picture != nil }) >= ProgramReport.maxPictures
        {
            leftOut += 1
            return
        }
        // The value has room of its own: it is what the code was run for.
        let (text, cut) = new.text.head(display.isResult ? OutputTail.standardLimit : textRoom)
        new.text = cut == 0 ? text : "\(text)\n[\(cut) more bytes were left out]"
        if text.isEmpty, new.picture == nil {
            leftOut += cut > 0 ? 1 : 0
            return
        }
        if !display.isResult { textRoom -= text.utf8.count }
        pictureBytes += size
        shown.append(new)
    }

    private mutating func forget(_ old: Shown) {
        pictureBytes -= old.picture?.data.count ?? 0
        if !old.isResult { textRoom = min(textRoom + old.text.utf8.count, OutputTail.standardLimit) }
    }

    /// The form of a display that a model reads best.
    private static func text(of display: Display) -> String? {
        for mime in ["text/plain", "text/markdown", "application/json", "text/html", "text/latex", "image/svg+xml"] {
            if let data = display[mime] { return String(decoding: data, as: UTF8.self) }
        }
        return display.data.first.map { "[\($0.mime), \($0.data.count) bytes, which can't be shown]" }
    }

    // MARK: The result

    package var isError: Bool {
        guard let ended else { return true }
        return ended.cause != .exited || ended.exitCode != 0 || failure != nil || ended.isContextLost
    }

    package func result(_ tool: Tool) -> ToolResult {
        let pictures = shown.compactMap(\.picture)
        var blocks: [ToolResult.Block] = [.text(words(tool))]
        blocks += pictures.map { .picture(mime: $0.mime, bytes: $0.data) }
        return ToolResult(blocks, structured: structured(tool), isError: isError)
    }

    private var value: String? { shown.last { $0.isResult && !$0.text.isEmpty }?.text }
    private var displayed: [String] { shown.filter { !$0.isResult && !$0.text.isEmpty }.map(\.text) }
    private var trace: (text: String, leftOut: UInt64)? {
        guard let failure else { return nil }
        guard !failure.traceback.isEmpty else { return ("\(failure.name): \(failure.message)", 0) }
        var tail = OutputTail()
        tail.append(Array(failure.traceback.joined(separator: "\n").utf8))
        return tail.text
    }

    private func structured(_ tool: Tool) -> JSONObject {
        let (out, err) = (stdout.text, stderr.text)
        let ended = ended ?? Ended()
        var result = JSONObject([("ended", .string(ended.cause.word))])
        if ended.cause == .exited { result["exit_code"] = JSONValue(ended.exitCode) }
        if ended.signal != 0 { result["signal"] = JSONValue(ended.signal) }
        if let note = note(tool) { result["message"] = .string(note) }
        result["stdout"] = .string(out.text)
        result["stderr"] = .string(err.text)
        result["stdout_left_out"] = JSONValue(out.leftOut)
        result["stderr_left_out"] = JSONValue(err.leftOut)
        result["duration_ms"] = .number("\(Double(ended.usage.wallMicroseconds) / 1000)")
        guard tool == .runCode else { return result }
        result["value"] = value.map { .string($0) }
        if !displayed.isEmpty { result["displayed"] = .array(displayed.map { .string($0) }) }
        let pictures = shown.count { $0.picture != nil }
        if pictures > 0 { result["pictures"] = JSONValue(pictures) }
        if let failure, let trace {
            result["error_name"] = .string(failure.name.head(1024).text)
            result["error_message"] = .string(failure.message.head(4096).text)
            result["traceback"] = .string(trace.text)
        }
        if ended.isContextLost { result["interpreter_lost"] = true }
        return result
    }

    /// All of it as text: what was printed comes first and without a label, since that is what most results are.
    private func words(_ tool: Tool) -> String {
        var parts: [String] = []
        func add(_ label: String?, _ name: String, _ tail: (text: String, leftOut: UInt64)) {
            guard !tail.text.isEmpty || tail.leftOut > 0 else { return }
            let cut =
                tail.leftOut == 0
                ? "" : "[the first \(tail.leftOut) bytes of \(name) were left out; here is the rest]\n"
            parts.append((label.map { "\($0)\n" } ?? "") + cut + tail.text.withoutLastBreak)
        }
        add(nil, "stdout", stdout.text)
        add("[stderr]", "stderr", stderr.text)
        for text in displayed { parts.append("[displayed]\n\(text)") }
        if let value { parts.append("[value]\n\(value)") }
        if let trace { add("[error]", "the traceback", trace) }
        for (index, picture) in shown.compactMap(\.picture).enumerated() {
            parts.append("[picture \(index + 1): \(picture.mime), \(picture.data.count) bytes]")
        }
        if leftOut > 0 {
            parts.append("[\(leftOut) more displays were left out: too many or too large; write them to files]")
        }
        if let note = note(tool) { parts.append("[\(note)]") }
        if parts.isEmpty { parts.append("[no output]") }
        return parts.joined(separator: "\n")
    }

    /// How it ended, if that needs words.
    private func note(_ tool: Tool) -> String? {
        guard let ended else { return "the end of the program is not known" }
        var words: [String] = []
        switch ended.cause {
        case .exited: if ended.exitCode != 0, failure == nil { words.append("exit code \(ended.exitCode)") }
        case .signalled: words.append("ended by signal \(ended.signal)")
        case .timedOut:
            words.append(ended.message.isEmpty ? "the time was up" : ended.message)
            words.append("give a larger `timeout`, or do less at once")
        case .outOfMemory:
            words.append(ended.message.isEmpty ? "the container ran out of memory" : ended.message)
            words.append("use less memory, for example by working on parts")
        case .cancelled:
            words.append("ended before it was done" + (ended.message.isEmpty ? "" : ": \(ended.message)"))
        default: words.append(ended.message.isEmpty ? ended.cause.word.replacing("_", with: " ") : ended.message)
        }
        if tool == .runCode, session != nil, ended.cause != .containerLost, ended.cause != .draining {
            if ended.isContextLost || ended.cause == .contextLost {
                words.append(
                    "the interpreter has ended and its variables are gone; the session and its files are still there, "
                        + "and the next run_code starts a new interpreter")
            } else if ended.cause == .timedOut {
                words.append("the code was interrupted, and the session keeps its variables")
            }
        }
        return words.isEmpty ? nil : words.joined(separator: "; ")
    }
}

extension String {
    fileprivate var withoutLastBreak: String { hasSuffix("\n") ? String(dropLast()) : self }
}

extension EndCause {
    /// "timed_out" and the like.
    var word: String { self == .unspecified ? "unknown" : protoName.lowercased() }
}
