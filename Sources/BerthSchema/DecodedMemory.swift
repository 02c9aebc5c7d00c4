// SPDX-License-Identifier: Apache-2.0

internal import CBerthProtobufC

/// Estimates from the encoded bytes of a message how much memory is needed while it is decoded. A few bytes can become
/// a hundred times as many, in the values of protobuf-c, in those of Swift, and in what a request is turned into.
///
/// The weights are a little too large on purpose: `ServerMemoryTests` compares them with the memory of the process.
struct DecodedMemory {
    /// For a field in protobuf-c's list of fields that it has found.
    private static let noted = 32
    /// For an unknown field, which is kept, in addition to its bytes.
    private static let unknown = 64
    /// For a string in a list, in addition to its bytes: the string, and its entries in two lists and those made from
    /// them.
    private static let listedText = 96
    /// For a string that is not in a list.
    private static let text = 48
    /// For bytes in a list: each element becomes an array and an entry in a table.
    private static let listedBytes = 320
    /// For a message in a list: its entry in a table, and in those made from it.
    private static let message = 256
    /// How many copies of a string, or of bytes, exist at the same time.
    private static let copies = 3

    private(set) var bytes = 0

    mutating func add(
        _ message: UnsafeRawBufferPointer, _ type: UnsafePointer<ProtobufCMessageDescriptor>, isInner: Bool = false
    ) {
        bytes += type.pointee.sizeof_message
        var reader = FieldReader(message, of: "message")
        // Inner messages have few fields, whose list needs no allocation. Invalid bytes are reported by the decoder.
        let noted = isInner ? 0 : DecodedMemory.noted
        while let field = try? reader.next() {
            bytes += noted
            switch field {
            case .varint(let number, _), .other(let number):
                bytes += protobuf_c_message_descriptor_get_field(type, number) == nil ? DecodedMemory.unknown : 16
            case .bytes(let number, let range):
                add(UnsafeRawBufferPointer(rebasing: message[range]), number, type)
            }
        }
    }

    private mutating func add(
        _ value: UnsafeRawBufferPointer, _ number: UInt32, _ type: UnsafePointer<ProtobufCMessageDescriptor>
    ) {
        guard let field = protobuf_c_message_descriptor_get_field(type, number)?.pointee else {
            bytes += DecodedMemory.unknown + value.count
            return
        }
        let isListed = field.label == PROTOBUF_C_LABEL_REPEATED
        switch field.type {
        case PROTOBUF_C_TYPE_STRING:
            bytes += isListed ? DecodedMemory.listedText : DecodedMemory.text
            bytes += DecodedMemory.copies * value.count
        case PROTOBUF_C_TYPE_BYTES:
            bytes += isListed ? DecodedMemory.listedBytes : DecodedMemory.text
            bytes += DecodedMemory.copies * value.count
        case PROTOBUF_C_TYPE_MESSAGE:
            bytes += DecodedMemory.message
            if let inner = field.descriptor {
                add(value, inner.assumingMemoryBound(to: ProtobufCMessageDescriptor.self), isInner: true)
            }
        // Packed numbers, each of at least one byte.
        default: bytes += 16 * value.count
        }
    }
}

extension Bridged {
    public static func memory(decoding bytes: UnsafeRawBufferPointer) -> Int {
        withUnsafeTemporaryAllocation(of: C.self, capacity: 1) { c in
            initialize(c.baseAddress)
            let base = UnsafeRawPointer(c.baseAddress)?.assumingMemoryBound(to: ProtobufCMessage.self)
            guard let type = base?.pointee.descriptor else { preconditionFailure("a message without a descriptor") }
            var memory = DecodedMemory()
            memory.add(bytes, type)
            return memory.bytes
        }
    }
}
