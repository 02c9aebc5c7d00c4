// SPDX-License-Identifier: Apache-2.0

package import BerthSchema
package import NIOCore
internal import Synchronization

/// Bytes in the state that a server hands to the program that takes its place. Beside the text that describes the state there is
/// one block for all bytes; the text has only where they are in it, since as text they would take long to write and to read.
package struct CarriedBytes: Sendable, Equatable {
    package var buffer: ByteBuffer

    package init(_ buffer: ByteBuffer = ByteBuffer()) { self.buffer = buffer }
    package init(_ bytes: [UInt8]) { buffer = ByteBuffer(bytes: bytes) }

    /// A message, encoded.
    package init(encoding message: some Message) {
        buffer = message.encode(arena: Arena()) { size, pack in
            var buffer = ByteBuffer()
            buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: size) { room in
                pack(UnsafeMutableRawBufferPointer(rebasing: room[..<size]))
                return size
            }
            return buffer
        }
    }

    package func decode<M: Message>(_: M.Type) throws(SchemaError) -> M {
        try buffer.withUnsafeReadableBytes { bytes in
            Result { () throws(SchemaError) in try M(decoding: bytes, arena: Arena()) }
        }.get()
    }

    package var bytes: [UInt8] { [UInt8](buffer.readableBytesView) }

    /// The key under which an encoder or decoder has its `Block`.
    package static let block: CodingUserInfoKey = {
        guard let key = CodingUserInfoKey(rawValue: "berth.bytes") else { preconditionFailure("a key without a name") }
        return key
    }()

    /// All bytes of a state, one after another.
    package final class Block: Sendable {
        private let buffer: Mutex<ByteBuffer>

        package init(_ buffer: ByteBuffer = ByteBuffer()) { self.buffer = Mutex(buffer) }

        package var all: ByteBuffer { buffer.withLock { $0 } }

        fileprivate func append(_ bytes: ByteBuffer) -> Int {
            buffer.withLock { buffer in
                defer { buffer.writeImmutableBuffer(bytes) }
                return buffer.writerIndex
            }
        }

        /// Nil if that is not in it.
        fileprivate func slice(at offset: Int, count: Int) -> ByteBuffer? {
            guard offset >= 0, count >= 0 else { return nil }
            return buffer.withLock { $0.getSlice(at: offset, length: count) }
        }
    }
}

extension CarriedBytes: Codable {
    private struct Missing: Error {}

    package func encode(to encoder: any Encoder) throws {
        guard let block = encoder.userInfo[CarriedBytes.block] as? Block else { throw Missing() }
        var values = encoder.unkeyedContainer()
        try values.encode(block.append(buffer))
        try values.encode(buffer.readableBytes)
    }

    package init(from decoder: any Decoder) throws {
        var values = try decoder.unkeyedContainer()
        let (offset, count) = (try values.decode(Int.self), try values.decode(Int.self))
        guard let block = decoder.userInfo[CarriedBytes.block] as? Block,
            let slice = block.slice(at: offset, count: count)
        else {
            throw DecodingError.dataCorrupted(
                .init(codingPath: decoder.codingPath, debugDescription: "bytes that are not in the block"))
        }
        // Of its own, so that not the whole block lives as long as it.
        buffer = ByteBuffer(bytes: slice.readableBytesView)
    }
}
