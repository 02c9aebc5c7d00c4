// SPDX-License-Identifier: Apache-2.0

/// The last bytes of a stream, and how many came before them.
package struct OutputTail: Sendable {
    /// Bytes that are kept of each stream of a program.
    package static let standardLimit = 16 << 10

    private let limit: Int
    private var bytes: [UInt8] = []
    private var gone: UInt64 = 0

    package init(limit: Int = standardLimit) {
        self.limit = limit
    }

    /// All bytes that came, the missing ones included.
    package var count: UInt64 { gone + UInt64(bytes.count) }

    package mutating func append(_ more: some RandomAccessCollection<UInt8>) {
        if more.count >= limit {
            gone += UInt64(bytes.count + more.count - limit)
            bytes = Array(more.suffix(limit))
            return
        }
        bytes += more
        // Not each time, since all that is kept moves.
        if bytes.count > 2 * limit { drop(bytes.count - limit) }
    }

    /// Bytes that never came: what is kept from before them does not belong to the tail any more.
    package mutating func skip(_ count: UInt64) {
        gone += UInt64(bytes.count) + count
        bytes = []
    }

    private mutating func drop(_ count: Int) {
        bytes.removeFirst(count)
        gone += UInt64(count)
    }

    /// The tail in whole characters, with U+FFFD for what is not UTF-8, and the number of bytes before it.
    package var text: (text: String, leftOut: UInt64) {
        var tail = self
        if tail.bytes.count > limit { tail.drop(tail.bytes.count - limit) }
        if tail.gone > 0 { tail.drop(tail.bytes.prefix(3).prefix { $0 & 0xc0 == 0x80 }.count) }
        return (String(decoding: tail.bytes, as: UTF8.self), tail.gone)
    }
}

extension String {
    /// The first bytes of a text, in whole characters, and how many bytes are left out.
    func head(_ limit: Int = OutputTail.standardLimit) -> (text: String, leftOut: Int) {
        guard utf8.count > limit else { return (self, 0) }
        var end = utf8.index(utf8.startIndex, offsetBy: limit)
        while utf8[end] & 0xc0 == 0x80 { end = utf8.index(before: end) }
        let text = String(self[..<end])
        return (text, utf8.count - text.utf8.count)
    }
}
