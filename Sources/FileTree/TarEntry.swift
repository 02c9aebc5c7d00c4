// SPDX-License-Identifier: Apache-2.0

package import Glibc

/// One entry of an archive, without its content.
package struct TarEntry: Equatable, Sendable {
    package enum Kind: Equatable, Sendable {
        case file
        case directory
        /// A link to a target, as it is written in the link.
        case symbolicLink([UInt8])
        /// Another name for an earlier entry.
        case hardLink([UInt8])
    }

    package var name: [UInt8]
    package var kind: Kind
    /// Bytes of a file; 0 for other kinds.
    package var size: UInt64
    /// Permission bits, 0 to 07777.
    package var mode: UInt32
    /// Seconds since 1970, rounded down.
    package var modifiedSeconds: Int64
    /// 0 to 999 999 999, to be added to the seconds.
    package var modifiedNanoseconds: Int64
    package var uid: UInt64
    package var gid: UInt64

    package init(
        name: [UInt8], kind: Kind, size: UInt64 = 0, mode: UInt32, modifiedSeconds: Int64 = 0,
        modifiedNanoseconds: Int64 = 0, uid: UInt64 = 0, gid: UInt64 = 0
    ) {
        self.name = name
        self.kind = kind
        self.size = size
        self.mode = mode
        self.modifiedSeconds = modifiedSeconds
        self.modifiedNanoseconds = modifiedNanoseconds
        self.uid = uid
        self.gid = gid
    }

    package init(name: [UInt8], kind: Kind, status: stat) {
        self.init(
            name: name, kind: kind, size: kind == .file ? UInt64(max(0, status.st_size)) : 0, mode: status.permissions,
            modifiedSeconds: Int64(status.st_mtim.tv_sec), modifiedNanoseconds: Int64(status.st_mtim.tv_nsec),
            uid: UInt64(status.st_uid), gid: UInt64(status.st_gid))
    }

    package var modified: timespec { timespec(tv_sec: Int(modifiedSeconds), tv_nsec: Int(modifiedNanoseconds)) }
}

/// Layout and numbers of a tar header: POSIX.1-1988 (ustar) with the pax extensions of POSIX.1-2001.
enum Tar {
    static let block = 512

    struct Field {
        let offset: Int
        let size: Int
        var range: Range<Int> { offset..<offset + size }
    }

    static let name = Field(offset: 0, size: 100)
    static let mode = Field(offset: 100, size: 8)
    static let uid = Field(offset: 108, size: 8)
    static let gid = Field(offset: 116, size: 8)
    static let size = Field(offset: 124, size: 12)
    static let modified = Field(offset: 136, size: 12)
    static let checksum = Field(offset: 148, size: 8)
    static let type = 156
    static let link = Field(offset: 157, size: 100)
    static let magic = Field(offset: 257, size: 8)
    static let prefix = Field(offset: 345, size: 155)

    /// Number of bytes that fill up the last block after `size` bytes.
    static func padding(_ size: UInt64) -> Int { (block - Int(size % UInt64(block))) % block }

    /// The sum of all bytes, with blanks in the checksum field; and the sum as signed bytes, as some old programs
    /// compute it.
    static func sums(_ header: ArraySlice<UInt8>) -> (UInt64, signed: Int64) {
        var sum: UInt64 = 0
        var above: Int64 = 0
        header.withUnsafeBufferPointer { bytes in
            for (index, byte) in bytes.enumerated() where !checksum.range.contains(index) {
                sum += UInt64(byte)
                above += byte >= 0x80 ? 256 : 0
            }
        }
        sum += 0x20 * UInt64(checksum.size)
        return (sum, Int64(sum) - above)
    }

    /// Writes a number in octal digits and a NUL; nil if it needs more than `size` bytes.
    static func octal(_ value: UInt64, size: Int) -> [UInt8]? {
        let digits = Array(String(value, radix: 8).utf8)
        guard digits.count < size else { return nil }
        return [UInt8](repeating: UInt8(ascii: "0"), count: size - 1 - digits.count) + digits + [0]
    }

    /// Reads a number in octal digits among blanks and NULs, or in GNU's base 256; nil if it is neither, or negative.
    static func number(_ field: ArraySlice<UInt8>) -> UInt64? {
        if let first = field.first, first & 0x80 != 0 {
            // Two's complement: a negative number has more bits set in its first byte.
            guard first == 0x80 else { return nil }
            var value: UInt64 = 0
            for byte in field.dropFirst() {
                guard value >> 56 == 0 else { return nil }
                value = value << 8 | UInt64(byte)
            }
            return value
        }
        let digits = field.drop { $0 == 0x20 || $0 == 0 }.prefix { $0 != 0x20 && $0 != 0 }
        if digits.isEmpty { return 0 }
        return UInt64(String(decoding: digits, as: UTF8.self), radix: 8)
    }

    /// Text up to its first NUL.
    static func text(_ field: ArraySlice<UInt8>) -> [UInt8] { Array(field.prefix { $0 != 0 }) }
}
