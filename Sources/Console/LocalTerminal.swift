// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// The terminal that this program's standard input is, if it is one: passed through to a program elsewhere, it is raw,
/// and it is put back however this program ends.
package enum LocalTerminal {
    /// The modes to put back, also for the handler of a crash, which may take no lock.
    nonisolated(unsafe) private static let original = UnsafeMutablePointer<termios>.allocate(capacity: 1)
    private static let isRaw = Atomic(false)
    private static let hasBegun = Atomic(false)

    package static var isThere: Bool { isatty(STDIN_FILENO) == 1 }

    /// Whether what is written to it needs its carriage returns written too.
    package static var needsReturns: Bool { isRaw.load(ordering: .relaxed) }

    /// Rows and columns; nil when no standard stream is a terminal, or it has no size.
    package static var size: (rows: Int, columns: Int)? {
        for descriptor in [STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO] {
            var size = winsize()
            if ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_row > 0, size.ws_col > 0 {
                return (Int(size.ws_row), Int(size.ws_col))
            }
        }
        return nil
    }

    /// From here on, each key goes to who reads, and what is written appears as it is. Again after a stop, too.
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

    /// As it was.
    package static func restore() {
        guard isRaw.exchange(false, ordering: .relaxed), isForeground else { return }
        tcsetattr(STDIN_FILENO, TCSADRAIN, original)
    }

    /// Who is not in the foreground would be stopped for changing the modes, which are another's by then.
    private static var isForeground: Bool { tcgetpgrp(STDIN_FILENO) == getpgrp() }
}

/// Finds what is meant for `berth` itself in what is typed: Enter, `~`, `.` leaves; `~~` after Enter is one `~`.
package struct EscapeScanner {
    private enum State {
        case elsewhere
        case lineStart
        /// A `~` at a line's start, held back until it shows what it is.
        case tilde
    }

    private var state = State.lineStart

    package init() {}

    /// What is to be passed on, and whether the rest is not: who types wants to leave.
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
