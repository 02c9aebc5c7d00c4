// SPDX-License-Identifier: Apache-2.0

package import CBerthProtobufC

/// Why bytes are not a valid message, as text for the peer.
public struct SchemaError: Error, Sendable, Equatable, CustomStringConvertible {
    public let description: String

    public init(_ description: String) {
        self.description = description
    }
}

/// A protobuf message as a Swift value. It is encoded and decoded by protobuf-c, which is not visible outside the
/// schema's modules.
public protocol Message: Sendable, Equatable {
    /// The full protobuf name of the message, for example `berth.v1.AcquireRequest`.
    static var name: String { get }

    /// Decodes a message, which does not refer to `bytes` or `arena` afterwards.
    /// - Throws: `SchemaError` if `bytes` are not a valid message of this type.
    init(decoding bytes: UnsafeRawBufferPointer, arena: Arena) throws(SchemaError)

    /// An estimate, in bytes, of the memory for decoding such a message and for what is made of it.
    static func memory(decoding bytes: UnsafeRawBufferPointer) -> Int

    /// Encodes the message: `body` gets the encoded size in bytes and a closure that writes that many bytes. The
    /// closure must be called within `body`, with a buffer of at least that size.
    func encode<R>(arena: Arena, _ body: (_ size: Int, _ pack: (UnsafeMutableRawBufferPointer) -> Void) -> R) -> R
}

extension Message {
    public static func memory(decoding bytes: UnsafeRawBufferPointer) -> Int { 4 * bytes.count }

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

/// The bytes of an encoded message.
package typealias Encoded = UnsafeBufferPointer<UInt8>

/// Converts between a Swift value and the struct of protobuf-c. dev/generate-schema writes the conformances.
package protocol Bridged: Message {
    /// The struct of protobuf-c, which begins with a `ProtobufCMessage`.
    associatedtype C
    /// Sets all fields to their defaults.
    static func initialize(_ c: UnsafeMutablePointer<C>?)
    /// Returns nil if the bytes are not a valid message.
    static func unpack(_ allocator: UnsafeMutablePointer<ProtobufCAllocator>, _ data: Encoded)
        -> UnsafeMutablePointer<C>?
    /// - Throws: `SchemaError` for text that is not valid UTF-8 or holds a NUL.
    init(_ c: UnsafePointer<C>, _ arena: Arena) throws(SchemaError)
    /// Sets all fields.
    func fill(_ c: UnsafeMutablePointer<C>, _ arena: Arena)
}

extension Bridged {
    public init(decoding bytes: UnsafeRawBufferPointer, arena: Arena) throws(SchemaError) {
        self = try Self(unpacking: bytes, arena: arena)
    }

    package init(unpacking bytes: UnsafeRawBufferPointer, arena: Arena) throws(SchemaError) {
        self = try arena.scope { () throws(SchemaError) in
            var allocator = arena.allocator
            guard let c = Self.unpack(&allocator, bytes.assumingMemoryBound(to: UInt8.self)) else {
                throw SchemaError("the bytes are not a valid \(Self.name)")
            }
            return try Self(c, arena)
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

    package func build(_ arena: Arena) -> UnsafeMutablePointer<C> {
        let c = arena.make(Self.initialize)
        fill(c, arena)
        return c
    }
}
