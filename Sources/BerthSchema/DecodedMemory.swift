// SPDX-License-Identifier: Apache-2.0

internal import CBerthProtobufC

/// What a message takes for a moment when it is decoded, in bytes, told from its encoded bytes: a few of those can become
/// a hundred times as many, in protobuf-c's values, in Swift's, and in what a request is made into before it goes on.
///
/// The weights are meant to be a little too large: `ServerMemoryTests` holds them against what the system gives.
struct DecodedMemory {
    /// Of a field where protobuf-c notes what it has found, before it makes anything of it.
    private static let noted = 32
    /// Of a field that is unknown, which is kept, beside its bytes.
    private static let unknown = 64
    /// Of an element of a list of text, beside its bytes: the string, its places in two lists, and in those made of it.
    private static let listedText = 96
    /// Of text that is not in a list.
    private static let text = 48
    /// Of an element of a list of bytes: each becomes an array of its own, and a name in a table.
    private static let listedBytes = 320
    /// Of a message in a list: its entry in a table, and in those that are made of that.
    private static let message = 256
    /// How often a piece of text or bytes is there at the same time.
    private static let copies = 3

    private(set) var bytes = 0

    mutating func add(
        _ message: UnsafeRawBufferPointer, _ type: UnsafePointer<ProtobufCMessageDescriptor>, isInner: Bool = false
    ) {
        bytes += type.pointee.sizeof_message
        var reader = FieldReader(message, of: "message")
        // A few are noted without memory of their own. What is wrong with the bytes, whoever decodes them says.
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
        // Numbers, packed: each of at least one byte.
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
