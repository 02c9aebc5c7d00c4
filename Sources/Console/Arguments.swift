// SPDX-License-Identifier: Apache-2.0

package import BerthSchema

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// This program's arguments, as text that keeps what is not UTF-8: each such byte stands as a character of a private range,
/// and so does each byte of a character of that range. `systemString` makes bytes of it again.
package enum Arguments {
    /// U+10F700 and the byte.
    private static let base: UInt32 = 0x10f700

    /// Without the program's own name.
    package static var own: [String] {
        (1..<max(1, Int(CommandLine.argc))).compactMap { index in
            CommandLine.unsafeArgv[index].map { argument in
                text(of: Array(UnsafeRawBufferPointer(start: argument, count: strlen(argument))))
            }
        }
    }

    /// A variable of the environment; nil where it is not set, or empty.
    package static func variable(_ name: String) -> String? {
        guard let value = getenv(name), value.pointee != 0 else { return nil }
        return text(of: Array(UnsafeRawBufferPointer(start: value, count: strlen(value))))
    }

    package static func text(of bytes: [UInt8]) -> String {
        if let text = String(validating: bytes, as: UTF8.self),
            !text.unicodeScalars.contains(where: { byte($0) != nil })
        {
            return text
        }
        var text = ""
        var rest = bytes[...]
        while let first = rest.first {
            let length = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4
            let scalars = String(validating: rest.prefix(length), as: UTF8.self)?.unicodeScalars
            if let scalar = scalars?.first, scalars?.count == 1, byte(scalar) == nil {
                text.unicodeScalars.append(scalar)
                rest = rest.dropFirst(length)
            } else {
                // Of a character of the range too, each byte.
                if let scalar = Unicode.Scalar(base + UInt32(first)) { text.unicodeScalars.append(scalar) }
                rest = rest.dropFirst()
            }
        }
        return text
    }

    /// The byte that a character stands for.
    package static func byte(_ scalar: Unicode.Scalar) -> UInt8? {
        (base..<base + 256).contains(scalar.value) ? UInt8(scalar.value - base) : nil
    }
}

extension String {
    /// Of text that came as an argument: the bytes that it was.
    package var argumentBytes: [UInt8] {
        guard unicodeScalars.contains(where: { Arguments.byte($0) != nil }) else { return Array(utf8) }
        return unicodeScalars.reduce(into: []) { bytes, scalar in
            if let byte = Arguments.byte(scalar) {
                bytes.append(byte)
            } else {
                bytes += Array(UTF8.encode(scalar) ?? .init())
            }
        }
    }

    package var argumentString: SystemString { SystemString(argumentBytes) }
}
