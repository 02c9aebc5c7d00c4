// SPDX-License-Identifier: Apache-2.0

/// Makes lines of bytes that arrive in pieces, with a bound on what is kept of one.
package struct LineSplitter: Sendable {
    package enum Line: Sendable, Equatable {
        case message([UInt8])
        /// A line of so many bytes, which was not kept, and the id of the request in it.
        case tooLong(bytes: Int, id: RequestID?)
    }

    /// Maximum bytes of a line.
    private let limit: Int
    private var line: [UInt8] = []
    /// Of a line over the limit: its length so far, and what looks for its id.
    private var skipped: (bytes: Int, scanner: IdentityScanner)?

    package init(limit: Int) {
        self.limit = limit
    }

    /// Calls `body` with each line that `bytes` complete; empty lines are left out.
    package mutating func feed(_ bytes: [UInt8], _ body: (Line) -> Void) {
        var rest = bytes[...]
        while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
            append(rest[..<end])
            rest = rest[(end + 1)...]
            if let line = finish() { body(line) }
        }
        append(rest)
    }

    private mutating func append(_ bytes: ArraySlice<UInt8>) {
        if skipped == nil {
            guard line.count + bytes.count > limit else {
                line += bytes
                return
            }
            var scanner = IdentityScanner()
            scanner.scan(line)
            skipped = (line.count, scanner)
            line = []
        }
        skipped?.bytes += bytes.count
        skipped?.scanner.scan(bytes)
    }

    private mutating func finish() -> Line? {
        if let (bytes, scanner) = skipped {
            skipped = nil
            return .tooLong(bytes: bytes, id: scanner.id)
        }
        defer { line = [] }
        if line.last == UInt8(ascii: "\r") { line.removeLast() }
        return line.allSatisfy { $0 == 0x20 || $0 == 0x09 } ? nil : .message(line)
    }
}
