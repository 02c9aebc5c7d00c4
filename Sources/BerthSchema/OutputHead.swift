// SPDX-License-Identifier: Apache-2.0

/// The bytes before the data of an output event. They are read and written in place, since protobuf-c would copy the
/// data twice. All contracts with output (`Execute`, `ReadFile`, and the agent's) encode it as field 2 of the event.
public struct OutputHead: Sendable, Equatable {
    /// Maximum bytes that `write` writes.
    public static let maxSize = 40

    /// 0 is stdout, 1 is stderr.
    public var stream: UInt32
    /// The offset of the first byte in its stream.
    public var offset: UInt64
    /// Bytes of output.
    public var count: Int

    public init(stream: UInt32, offset: UInt64, count: Int) {
        self.stream = stream
        self.offset = offset
        self.count = count
    }

    /// Reads an event that consists of one Output. Nil for all other events, and for invalid bytes, which protobuf-c
    /// then reports.
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

    /// Bytes of the Output before its data.
    private var innerSize: Int {
        (stream == 0 ? 0 : 1 + FieldWriter.size(ofVarint: UInt64(stream)))
            + (offset == 0 ? 0 : 1 + FieldWriter.size(ofVarint: offset)) + 1
            + FieldWriter.size(ofVarint: UInt64(count))
    }

    /// Bytes that `write` writes.
    public var size: Int { 1 + FieldWriter.size(ofVarint: UInt64(innerSize + count)) + innerSize }

    /// Writes the bytes before the data: `size` bytes. The data must not be empty.
    public func write(into bytes: UnsafeMutableRawBufferPointer) {
        precondition(bytes.count >= size, "room for \(bytes.count) bytes, where \(size) are to be written")
        var writer = FieldWriter(bytes)
        writer.lengthPrefix(2, innerSize + count)
        if stream != 0 { writer.varint(1, UInt64(stream)) }
        if offset != 0 { writer.varint(2, offset) }
        writer.lengthPrefix(3, count)
    }
}
