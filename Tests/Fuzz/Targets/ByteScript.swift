// SPDX-License-Identifier: Apache-2.0

import BerthWire

/// Reads the bytes of a fuzzer as a script. Small numbers take one byte, so that a changed byte changes one step, and
/// typical wrong numbers are as likely as others. After its end, a script returns zeros.
struct ByteScript {
    private let bytes: UnsafeRawBufferPointer
    private var position = 0

    init(_ bytes: UnsafeRawBufferPointer) {
        self.bytes = bytes
    }

    var isOver: Bool { position >= bytes.count }

    mutating func byte() -> UInt8 {
        guard position < bytes.count else { return 0 }
        defer { position += 1 }
        return bytes[position]
    }

    mutating func flag() -> Bool { byte() & 1 == 1 }

    mutating func choice(of count: Int) -> Int { Int(byte()) % max(count, 1) }

    mutating func take(_ count: Int) -> [UInt8] {
        let end = min(bytes.count, position + count)
        defer { position = end }
        return Array(bytes[position..<end])
    }

    private static let landmarks: [UInt64] = [
        64 << 10, (64 << 10) - 1, 32 << 10, (32 << 10) + 1, 256 << 10, (256 << 10) + 1, 1 << 20, 1 << 31, (1 << 31) - 1,
        1 << 32, (1 << 32) - 1, 1 << 63, (1 << 63) - 1, .max, .max - 1,
    ]

    mutating func number() -> UInt64 {
        let first = byte()
        switch first {
        case 0..<224: return UInt64(first)
        case 224..<239: return ByteScript.landmarks[Int(first) - 224]
        case 239..<251: return UInt64(first - 238) << 12 | UInt64(byte())
        default: return take(8).reduce(0) { $0 << 8 | UInt64($1) }
        }
    }
}

/// Damages the next frame in one place.
struct Dent {
    /// The offset from the first byte of the frame, header included; nothing is damaged if it is beyond the end.
    var place: Int
    var value: UInt8
}

/// A frame as it is sent, perhaps damaged.
func frame(
    _ type: FrameType, _ flags: FrameFlags = [], id: UInt32, _ data: [UInt8], dent: Dent? = nil
) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: FrameHeader.size)
    bytes.withUnsafeMutableBytes {
        FrameHeader(length: UInt32(data.count), streamID: id, type: type, flags: flags).encode(into: $0)
    }
    bytes += data
    if let dent, dent.place < bytes.count { bytes[dent.place] ^= dent.value }
    return bytes
}
