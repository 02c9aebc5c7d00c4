// SPDX-License-Identifier: Apache-2.0

package import CBerthProtobufC

/// Why bytes are not the message they should be, in words for the peer.
public struct SchemaError: Error, Sendable, Equatable, CustomStringConvertible {
    public let description: String

    public init(_ description: String) {
        self.description = description
    }
}

/// A protobuf message as a Swift value. protobuf-c does the work; nothing outside of the schema's modules sees it.
public protocol Message: Sendable, Equatable {
    /// The message's full protobuf name, e.g. `berth.v1.AcquireRequest`.
    static var name: String { get }

    /// Decodes; nothing of `bytes` or `arena` is referred to afterwards.
    /// - Throws: `SchemaError` when `bytes` are not a valid message of this type.
    init(decoding bytes: UnsafeRawBufferPointer, arena: Arena) throws(SchemaError)

    /// Memory that decoding such a message takes for a moment, and what is made of it, in bytes, roughly.
    static func memory(decoding bytes: UnsafeRawBufferPointer) -> Int

    /// Encodes: `body` gets the encoded size in bytes and a closure which writes that many bytes; it must be called
    /// within `body`, with a buffer of at least that size.
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

/// How a Swift value and protobuf-c's struct become each other. dev/generate-schema writes what conforms to it.
package protocol Bridged: Message {
    /// protobuf-c's struct, which begins with a `ProtobufCMessage`.
    associatedtype C
    /// Sets all fields to what they are where they are absent.
    static func initialize(_ c: UnsafeMutablePointer<C>?)
    /// nil when the bytes are no such message.
    static func unpack(_ allocator: UnsafeMutablePointer<ProtobufCAllocator>, _ data: Encoded)
        -> UnsafeMutablePointer<C>?
    /// - Throws: `SchemaError` for text that is none, and for a NUL in it.
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
