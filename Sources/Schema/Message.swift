internal import CProtobufC
internal import CSchema

/// Why bytes are not the message they should be, in words for the peer.
public struct SchemaError: Error, Sendable, Equatable, CustomStringConvertible {
    public let description: String

    public init(_ description: String) {
        self.description = description
    }
}

/// A protobuf message as a Swift value. protobuf-c does the work; nothing outside this module sees it.
public protocol Message: Sendable, Equatable {
    /// The message's full protobuf name, e.g. `berth.v1.AcquireRequest`.
    static var name: String { get }

    /// Decodes; nothing of `bytes` or `arena` is referred to afterwards.
    /// - Throws: `SchemaError` when `bytes` are not a valid message of this type.
    init(decoding bytes: UnsafeRawBufferPointer, arena: Arena) throws(SchemaError)

    /// Encodes: `body` gets the encoded size in bytes and a closure which writes that many bytes; it must be called
    /// within `body`, with a buffer of at least that size.
    func encode<R>(arena: Arena, _ body: (_ size: Int, _ pack: (UnsafeMutableRawBufferPointer) -> Void) -> R) -> R
}

extension Message {
    public init(decoding bytes: [UInt8], arena: Arena = Arena()) throws(SchemaError) {
        let result = bytes.withUnsafeBytes { raw in
            Result { () throws(SchemaError) in try Self(decoding: raw, arena: arena) }
        }
        self = try result.get()
    }

    public func encoded(arena: Arena = Arena()) -> [UInt8] {
        encode(arena: arena) { size, pack in
            [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
                pack(UnsafeMutableRawBufferPointer(buffer))
                count = size
            }
        }
    }
}

/// How a Swift value and protobuf-c's struct become each other.
protocol Bridged: Message {
    associatedtype C
    static var initialize: @Sendable (UnsafeMutablePointer<C>?) -> Void { get }
    init(_ c: C, _ arena: Arena) throws(SchemaError)
    func fill(_ c: UnsafeMutablePointer<C>, _ arena: Arena)
}

extension Bridged {
    private static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> {
        withUnsafeTemporaryAllocation(of: C.self, capacity: 1) { buffer in
            // Every generated struct begins with its ProtobufCMessage, whose descriptor the init function sets.
            guard let base = buffer.baseAddress else { preconditionFailure("no memory for \(C.self)") }
            initialize(base)
            let message = UnsafeRawPointer(base).assumingMemoryBound(to: ProtobufCMessage.self)
            guard let descriptor = message.pointee.descriptor else {
                preconditionFailure("\(C.self) has no descriptor")
            }
            return descriptor
        }
    }

    public static var name: String { String(cString: descriptor.pointee.name) }

    public init(decoding bytes: UnsafeRawBufferPointer, arena: Arena) throws(SchemaError) {
        self = try Self(unpacking: bytes, arena: arena)
    }

    init(unpacking bytes: UnsafeRawBufferPointer, arena: Arena) throws(SchemaError) {
        self = try arena.scope { () throws(SchemaError) in
            var allocator = arena.allocator
            let message = protobuf_c_message_unpack(
                Self.descriptor, &allocator, bytes.count, bytes.assumingMemoryBound(to: UInt8.self).baseAddress)
            guard let message else { throw SchemaError("the bytes are not a valid \(Self.name)") }
            let c = UnsafeMutableRawPointer(message).assumingMemoryBound(to: C.self)
            return try Self(c.pointee, arena)
        }
    }

    public func encode<R>(arena: Arena, _ body: (Int, (UnsafeMutableRawBufferPointer) -> Void) -> R) -> R {
        arena.scope {
            let c = build(arena)
            let message = UnsafeRawPointer(c).assumingMemoryBound(to: ProtobufCMessage.self)
            let size = protobuf_c_message_get_packed_size(message)
            return body(size) { buffer in
                precondition(buffer.count >= size, "a buffer of \(buffer.count) bytes for a message of \(size)")
                protobuf_c_message_pack(message, buffer.assumingMemoryBound(to: UInt8.self).baseAddress)
            }
        }
    }

    func build(_ arena: Arena) -> UnsafeMutablePointer<C> {
        let c = arena.make(Self.initialize)
        fill(c, arena)
        return c
    }

    /// A message within a message, absent as its default value.
    init(nested c: UnsafePointer<C>?, _ arena: Arena, default value: Self) throws(SchemaError) {
        guard let c else {
            self = value
            return
        }
        try self.init(c.pointee, arena)
    }
}
