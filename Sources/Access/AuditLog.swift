// SPDX-License-Identifier: Apache-2.0

internal import Console
internal import Synchronization

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// A file of JSON lines, only ever appended to. When it gets too large it is renamed, and a new one begins.
///
/// A line is written before the call that it is about goes on: what is missing in it has not happened. When a line can't be
/// written, nothing of it stays, and the next one that can says how many were lost ("lost":3).
package final class AuditLog: Sendable {
    /// The rotated files that are kept, FILE.1 the newest of them.
    private static let kept = 4

    private struct State {
        var descriptor: Int32 = -1
        var size: Int64 = 0
        /// Which file is open: it may be another than the one that `path` leads to.
        var device: UInt = 0
        var inode: UInt = 0
        /// Lines that could not be written since one could.
        var lost = 0
    }

    package let path: String
    private let maxSize: Int64
    /// Gets the system's words when the file can't be written any more, once.
    private let onFailure: @Sendable (String) -> Void
    /// Gets the number of lines that were lost when the file can be written again.
    private let onRecovery: @Sendable (Int) -> Void
    private let state = Mutex(State())

    /// - Throws: the system's words if the file can't be opened.
    package init(
        _ path: String, maxSize: Int64, onFailure: @escaping @Sendable (String) -> Void = { _ in },
        onRecovery: @escaping @Sendable (Int) -> Void = { _ in }
    ) throws(Failure) {
        self.path = path
        self.maxSize = maxSize
        (self.onFailure, self.onRecovery) = (onFailure, onRecovery)
        let words = state.withLock { open(&$0) }
        if let words { throw Failure(description: "the audit log \(path): \(words)") }
    }

    deinit { state.withLock { if $0.descriptor >= 0 { _ = close($0.descriptor) } } }

    package struct Failure: Error, CustomStringConvertible {
        package let description: String
    }

    /// Writes one line.
    package func write(_ fields: [(String, Field)]) {
        var line = "{"
        for (index, (name, value)) in fields.enumerated() {
            if index > 0 { line += "," }
            line += "\"\(name)\":\(value.json)"
        }
        let (failure, recovered) = state.withLock { append(line, &$0) }
        if let failure { onFailure(failure) }
        if recovered > 0 { onRecovery(recovered) }
    }

    /// Writes a line, or counts it as lost.
    /// - Parameter line: without its last brace.
    /// - Returns: the system's words for the first line that is lost; or the number of those lost before this one.
    private func append(_ line: String, _ state: inout State) -> (failure: String?, recovered: Int) {
        let lost = state.lost
        let bytes = Array((lost > 0 ? "\(line),\"lost\":\(lost)}\n" : "\(line)}\n").utf8)
        var words = reopenIfGone(&state)
        if words == nil {
            if state.size > 0, state.size + Int64(bytes.count) > maxSize { rotate(&state) }
            let count = Self.writeAll(state.descriptor, bytes)
            guard count < bytes.count else {
                state.size += Int64(count)
                state.lost = 0
                return (nil, lost)
            }
            words = String(cString: strerror(errno))
            if count > 0 { cut(count, state.descriptor) }
        }
        state.lost += 1
        return (lost == 0 ? words : nil, 0)
    }

    /// Takes the last bytes away again, the beginning of a line for which there was no room.
    private func cut(_ count: Int, _ descriptor: Int32) {
        var info = stat()
        guard fstat(descriptor, &info) == 0, info.st_size >= count else { return }
        _ = ftruncate(descriptor, info.st_size - off_t(count))
    }

    package enum Field: Sendable {
        case text(String)
        case number(Int)
        case milliseconds(Double)

        var json: String {
            switch self {
            case .number(let number): "\(number)"
            case .milliseconds(let value): "\((value * 1000).rounded() / 1000)"
            case .text(let text): "\"" + text.unicodeScalars.map(Self.escaped).joined() + "\""
            }
        }

        private static func escaped(_ scalar: Unicode.Scalar) -> String {
            switch scalar {
            case "\"": return "\\\""
            case "\\": return "\\\\"
            case "\n": return "\\n"
            default:
                // Names are callers' own words, and people read this file on terminals.
                guard scalar.steersTerminals, scalar.value <= 0xffff else { return String(scalar) }
                let digits = String(scalar.value, radix: 16)
                return "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            }
        }
    }

    // MARK: The file

    private func open(_ state: inout State) -> String? {
        #if canImport(Glibc)
            state.descriptor = Glibc.open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        #else
            state.descriptor = Musl.open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        #endif
        guard state.descriptor >= 0 else { return String(cString: strerror(errno)) }
        var info = stat()
        if fstat(state.descriptor, &info) == 0 {
            (state.size, state.device, state.inode) = (Int64(info.st_size), UInt(info.st_dev), UInt(info.st_ino))
        }
        return nil
    }

    /// Begins a new file if the one that is open was deleted or renamed.
    /// - Returns: the system's words if lines would be written to where nobody finds them.
    private func reopenIfGone(_ state: inout State) -> String? {
        var info = stat()
        guard lstat(path, &info) != 0 || UInt(info.st_dev) != state.device || UInt(info.st_ino) != state.inode else {
            return nil
        }
        let old = state.descriptor
        guard let words = open(&state) else {
            _ = close(old)
            return nil
        }
        // One that was renamed goes on as long as there is no new one.
        state.descriptor = old
        return fstat(old, &info) == 0 && info.st_nlink > 0 ? nil : words
    }

    private func rotate(_ state: inout State) {
        for number in stride(from: Self.kept - 1, through: 1, by: -1) {
            rename("\(path).\(number)", "\(path).\(number + 1)")
        }
        guard rename(path, "\(path).1") == 0 else { return }
        let old = state.descriptor
        // If there is no new file, the old one goes on.
        if open(&state) != nil { state.descriptor = old } else { _ = close(old) }
    }

    private static func writeAll(_ descriptor: Int32, _ bytes: [UInt8]) -> Int {
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes { bytes in
                #if canImport(Glibc)
                    Glibc.write(descriptor, bytes.baseAddress.map { $0 + done }, bytes.count - done)
                #else
                    Musl.write(descriptor, bytes.baseAddress.map { $0 + done }, bytes.count - done)
                #endif
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { break }
            done += count
        }
        return done
    }
}
