// SPDX-License-Identifier: Apache-2.0

/// Reads the fields of a protobuf message without copying, with checked bounds. Unknown fields are returned like
/// others.
package struct FieldReader {
    package enum Field {
        case varint(UInt32, UInt64)
        /// A length-delimited field, and where its bytes are.
        case bytes(UInt32, Range<Int>)
        /// A field of fixed width, whose value is not needed.
        case other(UInt32)
    }

    private let bytes: UnsafeRawBufferPointer
    private let message: StaticString
    private var position = 0

    package init(_ bytes: UnsafeRawBufferPointer, of message: StaticString) {
        self.bytes = bytes
        self.message = message
    }

    package mutating func next() throws(SchemaError) -> Field? {
        guard position < bytes.count else { return nil }
        let key = try varint()
        let number = key >> 3
        guard number > 0, number < 1 << 29 else { throw invalid("field number \(number)") }
        switch key & 7 {
        case 0: return .varint(UInt32(number), try varint())
        case 1: try skip(8)
        case 2:
            let length = try varint()
            guard length <= UInt64(bytes.count - position) else {
                throw invalid("field \(number) has \(length) bytes, \(bytes.count - position) are there")
            }
            let start = position
            position += Int(length)
            return .bytes(UInt32(number), start..<position)
        case 5: try skip(4)
        default: throw invalid("field \(number) has wire type \(key & 7)")
        }
        return .other(UInt32(number))
    }

    /// - Throws: `SchemaError` if the text holds a NUL or is not UTF-8.
    package func text(_ range: Range<Int>, _ field: StaticString) throws(SchemaError) -> String {
        try String(UnsafeRawBufferPointer(rebasing: bytes[range]), field: field)
    }

    /// Checks a field that the caller did not expect: it is either unknown, which is allowed, or known but of the wrong
    /// type.
    package func requireUnknown(_ field: Field, above known: UInt32) throws(SchemaError) {
        let number =
            switch field {
            case .varint(let number, _), .bytes(let number, _), .other(let number): number
            }
        guard number > known else { throw invalid("field \(number) has the wrong wire type") }
    }

    private func invalid(_ what: String) -> SchemaError {
        SchemaError("the bytes are not a valid \(message): \(what)")
    }

    private mutating func skip(_ count: Int) throws(SchemaError) {
        guard count <= bytes.count - position else { throw invalid("it ends in the middle of a field") }
        position += count
    }

    private mutating func varint() throws(SchemaError) -> UInt64 {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while position < bytes.count, shift < 70 {
            let byte = bytes[position]
            position += 1
            value |= UInt64(byte & 0x7f) << shift
            if byte < 0x80 { return value }
            shift += 7
        }
        throw invalid(shift < 70 ? "it ends in the middle of a number" : "a number has more than 10 bytes")
    }
}

/// Writes protobuf fields into memory of the right size.
package struct FieldWriter {
    private let bytes: UnsafeMutableRawBufferPointer
    private var position = 0

    package init(_ bytes: UnsafeMutableRawBufferPointer) {
        self.bytes = bytes
    }

    package static func size(ofVarint value: UInt64) -> Int { (63 - (value | 1).leadingZeroBitCount) / 7 + 1 }

    /// The size of a length-delimited field with a number below 16.
    package static func size(ofField count: Int) -> Int { 1 + size(ofVarint: UInt64(count)) + count }

    /// The size of a text field with a number below 16. proto3 leaves out empty text.
    package static func size(ofText text: String) -> Int { text.isEmpty ? 0 : size(ofField: text.utf8.count) }

    package mutating func varint(_ number: UInt8, _ value: UInt64) {
        put(number << 3)
        put(varint: value)
    }

    package mutating func lengthPrefix(_ number: UInt8, _ count: Int) {
        put(number << 3 | 2)
        put(varint: UInt64(count))
    }

    package mutating func text(_ number: UInt8, _ text: String) {
        guard !text.isEmpty else { return }
        var text = text
        text.withUTF8 { utf8 in
            lengthPrefix(number, utf8.count)
            UnsafeMutableRawBufferPointer(rebasing: bytes[position...]).copyMemory(from: UnsafeRawBufferPointer(utf8))
            position += utf8.count
        }
    }

    /// Writes a field of `count` bytes, which `pack` writes. It is left out if there are none.
    package mutating func bytes(_ number: UInt8, _ count: Int, _ pack: (UnsafeMutableRawBufferPointer) -> Void) {
        guard count > 0 else { return }
        lengthPrefix(number, count)
        pack(UnsafeMutableRawBufferPointer(rebasing: bytes[position..<position + count]))
        position += count
    }

    private mutating func put(varint value: UInt64) {
        var value = value
        while value >= 0x80 {
            put(UInt8(truncatingIfNeeded: value) | 0x80)
            value >>= 7
        }
        put(UInt8(value))
    }

    private mutating func put(_ byte: UInt8) {
        bytes[position] = byte
        position += 1
    }
}
