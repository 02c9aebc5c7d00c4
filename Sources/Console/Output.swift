// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// Standard output or standard error could not be written, so the output of the command is not complete.
package struct OutputFailure: Error {
    package let descriptor: Int32
    /// The errno.
    package let number: Int32

    package init(descriptor: Int32, number: Int32) {
        self.descriptor = descriptor
        self.number = number
    }

    /// Whether the reader has closed its end.
    package var isClosedPipe: Bool { number == EPIPE }

    /// Ends the command: with 128 + SIGPIPE and no message for a closed pipe, otherwise with an error message.
    package func exit() -> Never {
        if isClosedPipe { Glibc.exit(128 + SIGPIPE) }
        printError(message)
        Glibc.exit(ExitStatus.ownFailure)
    }

    package var message: String {
        let name = descriptor == STDOUT_FILENO ? "standard output" : "standard error"
        return "\(name) can't be written: \(String(cString: strerror(number)))"
    }
}

/// Writes all of `bytes` to standard output or error, and waits for room if necessary.
package func printBytes(_ bytes: [UInt8], to descriptor: Int32 = STDOUT_FILENO) throws(OutputFailure) {
    guard writeAll(bytes, to: descriptor) else { throw OutputFailure(descriptor: descriptor, number: errno) }
}

/// Writes text to standard output, unbuffered and unchanged: text from others must be made `printable` before.
package func printText(_ text: String) throws(OutputFailure) {
    try printBytes(Array(text.utf8))
}

package func printLine(_ line: String = "") throws(OutputFailure) {
    try printText(line + "\n")
}

/// Prints a line on standard error. Text from others in it can't steer the terminal.
package func printError(_ message: String) {
    printErrorLine("berth: \(message)")
}

package func printErrorLine(_ line: String) {
    // On a terminal in raw mode, a line feed does not return to the first column.
    let line = line.printable
    let level = Journal.holdsStandardError ? Journal.errorPrefix : ""
    let text = LocalTerminal.needsReturns ? "\r\n\(line)\r\n" : "\(level)\(line)\n"
    _ = writeAll(Array(text.utf8), to: STDERR_FILENO)
}

/// Writes all of `bytes`, and waits for room if necessary. Returns false and sets errno if that fails.
package func writeAll(_ bytes: [UInt8], to descriptor: Int32) -> Bool {
    var rest = bytes[...]
    while !rest.isEmpty {
        let count = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
        if count > 0 {
            rest = rest.dropFirst(count)
        } else if count == 0 || errno == EAGAIN {
            var room = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
            poll(&room, 1, -1)
        } else if errno != EINTR {
            return false
        }
    }
    return true
}
