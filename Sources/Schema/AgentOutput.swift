extension Agent.Output {
    /// What stands in front of `count` bytes of output to make them an encoded `ExecuteEvent`, so that a sender can read
    /// output straight into its send buffer. Equal, byte for byte, to the encoding of `ExecuteEvent.output`.
    public struct Prefix: Sendable {
        /// Bytes that `encode` writes at most.
        public static let maxSize = 40

        private let stream: UInt32
        private let offset: UInt64
        private let count: Int

        /// - Parameter count: bytes of output, at least 1.
        public init(stream: UInt32, offset: UInt64, count: Int) {
            precondition(count > 0, "output is never empty")
            self.stream = stream
            self.offset = offset
            self.count = count
        }

        /// Bytes within the Output message that stand before the data.
        private var innerSize: Int {
            (stream == 0 ? 0 : 1 + Prefix.varintSize(UInt64(stream)))
                + (offset == 0 ? 0 : 1 + Prefix.varintSize(offset)) + 1 + Prefix.varintSize(UInt64(count))
        }

        /// Bytes that `encode` writes.
        public var size: Int { 1 + Prefix.varintSize(UInt64(innerSize + count)) + innerSize }

        /// Writes `size` bytes.
        public func encode(into buffer: UnsafeMutableRawBufferPointer) {
            precondition(buffer.count >= size, "a buffer of \(buffer.count) bytes for a prefix of \(size)")
            var end = 0
            func put(_ tag: UInt8, _ value: UInt64) {
                buffer[end] = tag
                end += 1
                var rest = value
                while rest >= 0x80 {
                    buffer[end] = UInt8(truncatingIfNeeded: rest) | 0x80
                    end += 1
                    rest >>= 7
                }
                buffer[end] = UInt8(rest)
                end += 1
            }
            put(2 << 3 | 2, UInt64(innerSize + count))  // ExecuteEvent.output
            if stream != 0 { put(1 << 3, UInt64(stream)) }
            if offset != 0 { put(2 << 3, offset) }
            put(3 << 3 | 2, UInt64(count))  // data
        }

        private static func varintSize(_ value: UInt64) -> Int {
            max(1, (UInt64.bitWidth - value.leadingZeroBitCount + 6) / 7)
        }
    }
}
