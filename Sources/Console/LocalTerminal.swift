// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// The terminal at standard input, if there is one. It is in raw mode while a remote program uses it, and its modes are
/// restored, however this program ends.
package enum LocalTerminal {
    /// The modes to restore, also by the handler of a crash, which must not take a lock.
    nonisolated(unsafe) private static let original = UnsafeMutablePointer<termios>.allocate(capacity: 1)
    private static let isRaw = Atomic(false)
    private static let hasBegun = Atomic(false)

    package static var isThere: Bool { isatty(STDIN_FILENO) == 1 }

    /// Whether lines that are written to it need carriage returns.
    package static var needsReturns: Bool { isRaw.load(ordering: .relaxed) }

    /// Rows and columns; nil if no standard stream is a terminal with a size.
    package static var size: (rows: Int, columns: Int)? {
        for descriptor in [STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO] {
            var size = winsize()
            if ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_row > 0, size.ws_col > 0 {
                return (Int(size.ws_row), Int(size.ws_col))
            }
        }
        return nil
    }

    /// Enters raw mode: each key is passed to the reader, and output is shown unchanged. Must be called again after a
    /// stop.
    package static func enterRaw() {
        guard isThere, isForeground else { return }
        if !hasBegun.exchange(true, ordering: .relaxed) {
            guard tcgetattr(STDIN_FILENO, original) == 0 else { return }
            atexit { LocalTerminal.restore() }
            for crash in [SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV] {
                signal(crash) { number in
                    LocalTerminal.restore()
                    signal(number, SIG_DFL)
                    raise(number)
                }
            }
        }
        var raw = original.pointee
        cfmakeraw(&raw)
        if tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) == 0 { isRaw.store(true, ordering: .relaxed) }
    }

    /// Restores the original modes.
    package static func restore() {
        guard isRaw.exchange(false, ordering: .relaxed), isForeground else { return }
        tcsetattr(STDIN_FILENO, TCSADRAIN, original)
    }

    /// Whether this process is in the foreground. Otherwise the modes belong to another process, and changing them
    /// would stop this one.
    private static var isForeground: Bool { tcgetpgrp(STDIN_FILENO) == getpgrp() }
}

/// Finds the escape sequences for `berth` in typed text: Enter, `~`, `.` leaves; `~~` after Enter stands for `~`.
package struct EscapeScanner {
    private enum State {
        case elsewhere
        case lineStart
        /// A `~` at the start of a line, which is held back until the next character.
        case tilde
    }

    private var state = State.lineStart

    package init() {}

    /// Returns the bytes to pass on, and whether the user wants to leave; then the rest is dropped.
    package mutating func scan(_ bytes: [UInt8]) -> (passed: [UInt8], leaves: Bool) {
        let tilde = UInt8(ascii: "~")
        var passed: [UInt8] = []
        passed.reserveCapacity(bytes.count + 1)
        for byte in bytes {
            switch (state, byte) {
            case (.lineStart, tilde):
                state = .tilde
                continue
            case (.tilde, UInt8(ascii: ".")): return (passed, true)
            case (.tilde, tilde): state = .elsewhere
            case (.tilde, _):
                passed.append(tilde)
                state = .elsewhere
            case (.elsewhere, _), (.lineStart, _): state = .elsewhere
            }
            if byte == UInt8(ascii: "\r") || byte == UInt8(ascii: "\n") { state = .lineStart }
            passed.append(byte)
        }
        return (passed, false)
    }
}
