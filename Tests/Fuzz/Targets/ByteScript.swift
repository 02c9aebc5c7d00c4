// SPDX-License-Identifier: Apache-2.0

import BerthWire

/// Reads a fuzzer's bytes as a script: small numbers take one byte, so that a changed byte is another step of the story, and
/// numbers where mistakes are made are as near as others. A script that is over says zero.
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

/// How frames are spoilt on their way: the next one, in one place.
struct Dent {
    /// Counted from the frame's first byte, header included; beyond it, nothing is spoilt.
    var place: Int
    var value: UInt8
}

/// A frame as it is sent, spoilt if it is to be.
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
