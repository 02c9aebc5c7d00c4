// SPDX-License-Identifier: Apache-2.0

/// What makes bytes an event of output, read and written where they lie: protobuf-c would copy the data twice. The contracts
/// that carry output (`Execute`, `ReadFile`, and the agent's) encode it alike, as field 2 of the event.
public struct OutputHead: Sendable, Equatable {
    /// Bytes that `write` writes at most.
    public static let maxSize = 40

    /// 0 is stdout, 1 is stderr.
    public var stream: UInt32
    /// Of the first byte in its stream.
    public var offset: UInt64
    /// Bytes of output.
    public var count: Int

    public init(stream: UInt32, offset: UInt64, count: Int) {
        self.stream = stream
        self.offset = offset
        self.count = count
    }

    /// Reads an event that is one Output and nothing else. Nil for every other event, and for bytes that are none: what
    /// those are is for protobuf-c to say.
    /// - Parameter data: set to where the output is in `event`.
    public init?(reading event: UnsafeRawBufferPointer, data: inout Range<Int>) {
        self.init(stream: 0, offset: 0, count: 0)
        data = 0..<0
        do throws(SchemaError) {
            var fields = FieldReader(event, of: "event")
            guard case .bytes(2, let whole)? = try fields.next(), whole.upperBound == event.count else { return nil }
            var reader = FieldReader(UnsafeRawBufferPointer(rebasing: event[whole]), of: "Output")
            while let field = try reader.next() {
                switch field {
                case .varint(1, let value): stream = UInt32(truncatingIfNeeded: value)
                case .varint(2, let value): offset = value
                case .bytes(3, let range):
                    data = whole.lowerBound + range.lowerBound..<whole.lowerBound + range.upperBound
                default: return nil
                }
            }
        } catch {
            return nil
        }
        count = data.count
    }

    /// Bytes of the Output that stand before its data.
    private var innerSize: Int {
        (stream == 0 ? 0 : 1 + FieldWriter.size(ofVarint: UInt64(stream)))
            + (offset == 0 ? 0 : 1 + FieldWriter.size(ofVarint: offset)) + 1
            + FieldWriter.size(ofVarint: UInt64(count))
    }

    /// Bytes that `write` writes.
    public var size: Int { 1 + FieldWriter.size(ofVarint: UInt64(innerSize + count)) + innerSize }

    /// Writes what stands in front of the output, which is never empty: `size` bytes.
    public func write(into bytes: UnsafeMutableRawBufferPointer) {
        precondition(bytes.count >= size, "room for \(bytes.count) bytes, where \(size) are to be written")
        var writer = FieldWriter(bytes)
        writer.lengthPrefix(2, innerSize + count)
        if stream != 0 { writer.varint(1, UInt64(stream)) }
        if offset != 0 { writer.varint(2, offset) }
        writer.lengthPrefix(3, count)
    }
}
