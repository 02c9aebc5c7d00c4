// SPDX-License-Identifier: Apache-2.0

/// The ten bytes in front of every frame: length of data and stream id, both big-endian, then type and flags.
public struct FrameHeader: Sendable, Equatable {
    /// Bytes of an encoded header.
    public static let size = 10
    /// Maximum bytes of data in a frame: 4 MiB, by ttrpc's specification.
    public static let maxDataLength = 4 << 20

    /// Bytes of data that follow the header.
    public var length: UInt32
    /// The call that this frame belongs to: odd, chosen by the client.
    public var streamID: UInt32
    public var type: FrameType
    public var flags: FrameFlags

    public init(length: UInt32, streamID: UInt32, type: FrameType, flags: FrameFlags = []) {
        self.length = length
        self.streamID = streamID
        self.type = type
        self.flags = flags
    }

    /// Reads the first `size` bytes, which must be there. Any ten bytes are a header; the caller checks its values.
    public init(decoding bytes: UnsafeRawBufferPointer) {
        precondition(bytes.count >= FrameHeader.size, "a header has more bytes than were given")
        length = UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: 0, as: UInt32.self))
        streamID = UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: 4, as: UInt32.self))
        type = FrameType(rawValue: bytes[8])
        flags = FrameFlags(rawValue: bytes[9])
    }

    /// Writes the first `size` bytes of `bytes`, which must be there.
    public func encode(into bytes: UnsafeMutableRawBufferPointer) {
        precondition(bytes.count >= FrameHeader.size, "a header has more bytes than there is room")
        bytes.storeBytes(of: length.bigEndian, toByteOffset: 0, as: UInt32.self)
        bytes.storeBytes(of: streamID.bigEndian, toByteOffset: 4, as: UInt32.self)
        bytes[8] = type.rawValue
        bytes[9] = flags.rawValue
    }
}

/// The type of a frame. Receivers ignore unknown types, so every byte is valid.
public struct FrameType: RawRepresentable, Sendable, Hashable {
    public let rawValue: UInt8

    public init(rawValue: UInt8) {
        self.rawValue = rawValue
    }

    /// Opens a call; client to server.
    public static let request = FrameType(rawValue: 1)
    /// Ends a call; server to client.
    public static let response = FrameType(rawValue: 2)
    /// One message of a stream, or the end of one; both ways.
    public static let data = FrameType(rawValue: 3)
}

/// Flags of a frame. Receivers ignore unknown bits.
public struct FrameFlags: OptionSet, Sendable, Hashable {
    public let rawValue: UInt8

    public init(rawValue: UInt8) {
        self.rawValue = rawValue
    }

    /// The sender sends no more on this stream.
    public static let remoteClosed = FrameFlags(rawValue: 0x01)
    /// The sender sends more on this stream.
    public static let remoteOpen = FrameFlags(rawValue: 0x02)
    /// The frame carries no message: without it, a length of 0 is an empty message.
    public static let noData = FrameFlags(rawValue: 0x04)
}
