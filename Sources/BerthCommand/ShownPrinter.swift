// SPDX-License-Identifier: Apache-2.0

import Berth
import BerthSchema
import Console
import FoundationEssentials

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Prints the displays of a piece of code: text unchanged, pictures to files, or to the terminal if it can show them.
struct ShownPrinter {
    /// The directory for pictures; nil: they are only named.
    var pictures: PictureDirectory?
    /// Whether the terminal understands kitty's escape sequences for pictures.
    var showsPictures = false
    /// Asks the terminal whether it shows pictures in sixels; nil: there is none that could answer.
    var asksForSixels: (() -> Bool)?
    /// What it has said, once it was asked.
    var showsSixels: Bool?

    static let endings = [
        "image/png": "png", "image/jpeg": "jpg", "image/gif": "gif", "image/svg+xml": "svg", "application/pdf": "pdf",
    ]

    static func isText(_ mime: String) -> Bool {
        mime.hasPrefix("text/") || mime.hasSuffix("json") || mime.hasSuffix("xml") || mime.hasSuffix("javascript")
    }

    mutating func print(_ display: Display) throws(OutputFailure) {
        var isShown = false
        for form in display.data {
            guard let ending = ShownPrinter.endings[form.mime], pictures != nil else { continue }
            if showsPictures, form.mime == "image/png" {
                try printText(ShownPrinter.kitty(form.data) + "\n")
                isShown = true
            } else if form.mime == "image/png", let picture = sixels(form.data) {
                try printText(picture + "\n")
                isShown = true
            } else if let path = pictures?.write(form.data, ending) {
                try printLine("[\(form.mime): \(path.printable)]")
                isShown = true
            }
        }
        if !isShown, let text = display.text { try printLine(text) }
        if !isShown, display.text == nil, let mime = display.data.first?.mime { try printLine("[\(mime.printable)]") }
        for form in display.leftOut {
            let name = form.mime.isEmpty ? "a form of it" : form.mime.printable
            printError(
                "\(name) has \(form.bytes) bytes, more than the server may hold (max_display, held_memory), and is left out"
            )
        }
    }

    /// Nil if the terminal can't show them, or the picture is one that is better left to other programs.
    private mutating func sixels(_ png: [UInt8]) -> String? {
        guard let asksForSixels else { return nil }
        let shows = showsSixels ?? asksForSixels()
        showsSixels = shows
        guard shows, let image = PNGImage(png) else { return nil }
        var size = winsize()
        let isKnown = ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_xpixel > 0
        // Without a word of it, xterm's maximum.
        return Sixel.encode(image.fitting(width: isKnown ? Int(size.ws_xpixel) : 1000))
    }

    func print(_ failure: BerthSchema.Failure) {
        if failure.traceback.isEmpty { printErrorLine("\(failure.name): \(failure.message)") }
        for line in failure.traceback { printErrorLine(line) }
    }

    /// A PNG as escape sequences for kitty, WezTerm and Ghostty.
    static func kitty(_ png: [UInt8]) -> String {
        let text = Array(Data(png).base64EncodedString().utf8)
        var escapes = ""
        var start = 0
        while start < text.count {
            let end = min(start + 4096, text.count)
            let head = start == 0 ? "f=100,a=T," : ""
            escapes += "\u{1b}_G\(head)m=\(end < text.count ? 1 : 0);"
            escapes += String(decoding: text[start..<end], as: UTF8.self) + "\u{1b}\\"
            start = end
        }
        return escapes
    }

    static var terminalShowsPictures: Bool {
        guard isatty(STDOUT_FILENO) == 1 else { return false }
        let terminal = Arguments.variable("TERM") ?? ""
        let program = Arguments.variable("TERM_PROGRAM") ?? ""
        return Arguments.variable("KITTY_WINDOW_ID") != nil || terminal.contains("kitty")
            || ["WezTerm", "ghostty"].contains(program)
    }
}

/// The directory for pictures: a given one, or a new one that is created for the first picture.
final class PictureDirectory {
    private var path: String?
    private var count = 0

    /// - Parameter path: an existing directory; nil: a new one in $TMPDIR or /tmp.
    init(_ path: String?) {
        self.path = path
    }

    /// - Returns: the path of the file; nil if it could not be written, which is reported.
    func write(_ bytes: [UInt8], _ ending: String) -> String? {
        if path == nil {
            var template = Array("\(Arguments.variable("TMPDIR") ?? "/tmp")/berth-XXXXXX".utf8CString)
            guard mkdtemp(&template) != nil else {
                printError("no directory for pictures: \(String(cString: strerror(errno)))")
                return nil
            }
            path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        }
        while true {
            count += 1
            let file = "\(path ?? ".")/\(count).\(ending)"
            let descriptor = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
            if descriptor < 0, errno == EEXIST { continue }
            guard descriptor >= 0, writeAll(bytes, to: descriptor) else {
                printError("\(file): \(String(cString: strerror(errno)))")
                return nil
            }
            close(descriptor)
            return file
        }
    }
}
