// SPDX-License-Identifier: Apache-2.0

package import BerthSchema

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// The arguments of this program, as text that keeps bytes that are not UTF-8. Each such byte is represented by a
/// character of a private range, and so is each byte of a real character of that range. `argumentString` converts it
/// back.
package enum Arguments {
    /// The first character of the range, which stands for byte 0.
    private static let base: UInt32 = 0x10f700

    /// The arguments without the name of the program.
    package static var own: [String] {
        (1..<max(1, Int(CommandLine.argc))).compactMap { index in
            CommandLine.unsafeArgv[index].map { argument in
                text(of: Array(UnsafeRawBufferPointer(start: argument, count: strlen(argument))))
            }
        }
    }

    /// The value of an environment variable; nil if it is not set, or empty.
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
                // Also each byte of a real character of the range.
                if let scalar = Unicode.Scalar(base + UInt32(first)) { text.unicodeScalars.append(scalar) }
                rest = rest.dropFirst()
            }
        }
        return text
    }

    /// The byte that a character represents; nil if it is not in the range.
    package static func byte(_ scalar: Unicode.Scalar) -> UInt8? {
        (base..<base + 256).contains(scalar.value) ? UInt8(scalar.value - base) : nil
    }
}

extension String {
    /// The original bytes of text that came as an argument.
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
