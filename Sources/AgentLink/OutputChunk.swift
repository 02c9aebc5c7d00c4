public import NIOCore
internal import Schema

/// A piece of a program's output, as the agent has encoded it.
///
/// `ExecuteEvent.output` has the same bytes in berth.agent.v1 and in berth.v1 (the field numbers are the same on purpose),
/// so that what was checked here goes to the client as it is: not decoded into values and encoded again.
public struct OutputChunk: Sendable, Equatable {
    /// 0 is stdout, 1 is stderr.
    public var stream: UInt32
    /// Of its first byte in its stream.
    public var offset: UInt64
    /// Bytes of output in it.
    public var count: Int
    /// The whole encoded `ExecuteEvent`.
    public var encoded: ByteBuffer

    init(stream: UInt32, offset: UInt64, count: Int, encoded: ByteBuffer) {
        self.stream = stream
        self.offset = offset
        self.count = count
        self.encoded = encoded
    }

    init(_ output: Agent.Output) {
        self.init(
            stream: output.stream, offset: output.offset, count: output.data.count,
            encoded: ByteBuffer(bytes: Agent.ExecuteEvent.output(output).encoded()))
    }

    /// Reads an event that is an output and nothing else, in the one order in which encoders write it; nil for all others,
    /// which may be valid too, and are decoded by protobuf-c.
    init?(canonical buffer: ByteBuffer) {
        let fields = buffer.withUnsafeReadableBytes { bytes -> (UInt32, UInt64, Int)? in
            var reader = FieldReader(bytes)
            guard reader.tag(0x12), reader.varint() == UInt64(reader.left) else { return nil }
            var stream: UInt64 = 0
            var offset: UInt64 = 0
            if reader.tag(0x08) {
                guard let value = reader.varint() else { return nil }
                stream = value
            }
            if reader.tag(0x10) {
                guard let value = reader.varint() else { return nil }
                offset = value
            }
            guard reader.tag(0x1A), let count = reader.varint(), count == UInt64(reader.left), stream < 2 else {
                return nil
            }
            return (UInt32(stream), offset, Int(count))
        }
        guard let (stream, offset, count) = fields else { return nil }
        self.init(stream: stream, offset: offset, count: count, encoded: buffer)
    }
}

/// Just enough of protobuf's encoding to walk over one known message.
private struct FieldReader {
    private let bytes: UnsafeRawBufferPointer
    private var position = 0

    init(_ bytes: UnsafeRawBufferPointer) {
        self.bytes = bytes
    }

    var left: Int { bytes.count - position }

    /// Steps over a one-byte tag if it is the next.
    mutating func tag(_ tag: UInt8) -> Bool {
        guard left > 0, bytes[position] == tag else { return false }
        position += 1
        return true
    }

    mutating func varint() -> UInt64? {
        var value: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 64, by: 7) {
            guard left > 0 else { return nil }
            let byte = bytes[position]
            position += 1
            // The tenth byte has room for one bit.
            guard shift < 63 || byte <= 1 else { return nil }
            value |= UInt64(byte & 0x7F) << shift
            if byte & 0x80 == 0 { return value }
        }
        return nil
    }
}
