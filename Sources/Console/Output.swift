// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// Standard output or standard error could not be written. What was printed is not complete, whatever the command did.
package struct OutputFailure: Error {
    package let descriptor: Int32
    /// An errno.
    package let number: Int32

    package init(descriptor: Int32, number: Int32) {
        self.descriptor = descriptor
        self.number = number
    }

    /// Nobody reads any more.
    package var isClosedPipe: Bool { number == EPIPE }

    /// Ends the command: as a shell has it for who writes to what nobody reads, or with a line that says why.
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

/// Writes all of `bytes` to standard output or error, waiting for room if need be.
package func printBytes(_ bytes: [UInt8], to descriptor: Int32 = STDOUT_FILENO) throws(OutputFailure) {
    guard writeAll(bytes, to: descriptor) else { throw OutputFailure(descriptor: descriptor, number: errno) }
}

/// Writes text to standard output at once, as it is: words of others are made `printable` before.
package func printText(_ text: String) throws(OutputFailure) {
    try printBytes(Array(text.utf8))
}

package func printLine(_ line: String = "") throws(OutputFailure) {
    try printText(line + "\n")
}

/// One line on standard error. Names and others' words in it can't steer the terminal.
package func printError(_ message: String) {
    printErrorLine("berth: \(message)")
}

package func printErrorLine(_ line: String) {
    // On a terminal that is passed through to a program, a new line is only a line further down.
    let line = line.printable
    let level = Journal.holdsStandardError ? Journal.errorPrefix : ""
    let text = LocalTerminal.needsReturns ? "\r\n\(line)\r\n" : "\(level)\(line)\n"
    _ = writeAll(Array(text.utf8), to: STDERR_FILENO)
}

/// Writes all of `bytes`, waiting for room if need be. False, with errno, when that can't be done.
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
