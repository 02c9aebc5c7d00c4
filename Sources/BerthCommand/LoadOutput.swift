// SPDX-License-Identifier: Apache-2.0

import Console
import LoadTest
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Prints the progress of a load test on stderr: on a terminal one line that is updated, elsewhere a few lines.
final class ProgressPrinter: Sendable {
    private let isTerminal = isatty(STDERR_FILENO) == 1
    /// Seconds between two lines, if it is not a terminal.
    private let step: Double
    private let next = Mutex<(time: Double, hasLine: Bool)>((0, false))

    init(duration: Duration) {
        step = max(1, Double(duration.components.seconds) / 20)
    }

    func print(_ progress: LoadProgress) {
        if isTerminal {
            next.withLock { $0.hasLine = true }
            // Clears the line and writes it again. It is cut, since a line that wraps would leave its first half
            // behind.
            write("\r\u{1B}[K\(progress.line.printable.prefix(Screen.size(of: STDERR_FILENO).columns - 1))")
            return
        }
        let isDue = next.withLock { next in
            guard progress.stage == .measuring, progress.seconds >= next.time else { return false }
            next.time = progress.seconds + step - 0.1
            return true
        }
        if isDue { write(progress.line.printable + "\n") }
    }

    /// Clears the progress before the report is printed.
    func end() {
        if isTerminal, next.withLock({ $0.hasLine }) { write("\r\u{1B}[K") }
    }

    private func write(_ text: String) {
        _ = writeAll(Array(text.utf8), to: STDERR_FILENO)
    }
}

/// The files for reports. They are created before the test, so that the test isn't wasted.
struct ReportFiles {
    private let json: (path: String, descriptor: Int32)?
    private let html: (path: String, descriptor: Int32)?

    /// - Throws: `Failure` that names the file that can't be written.
    init(json: String?, html: String?) throws {
        self.json = try json.map { ($0, try ReportFiles.create($0)) }
        self.html = try html.map { ($0, try ReportFiles.create($0)) }
    }

    func write(_ report: LoadReport) throws {
        if let json { try ReportFiles.write(try report.json(), json) }
        if let html { try ReportFiles.write(Array(HTMLReport(report).description.utf8), html) }
    }

    static func read(_ path: String) throws -> LoadReport {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw Failure("\(path): \(String(cString: strerror(errno)))", code: 2) }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = Glibc.read(descriptor, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw Failure("\(path): \(String(cString: strerror(errno)))", code: 2) }
            if count == 0 { break }
            bytes += chunk[..<count]
        }
        do {
            return try LoadReport(json: bytes)
        } catch let error as LoadError {
            throw Failure("\(path): \(error.message)", code: 2)
        }
    }

    private static func create(_ path: String) throws -> Int32 {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else {
            throw Failure("\(path) can't be written: \(String(cString: strerror(errno)))", code: 2)
        }
        return descriptor
    }

    private static func write(_ bytes: [UInt8], _ file: (path: String, descriptor: Int32)) throws {
        defer { close(file.descriptor) }
        guard writeAll(bytes, to: file.descriptor) else {
            throw Failure("\(file.path) can't be written: \(String(cString: strerror(errno)))")
        }
    }
}
