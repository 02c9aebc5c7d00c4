// SPDX-License-Identifier: Apache-2.0

extension String {
    /// The text for a line on a terminal: characters that could end the line, steer the terminal or change the
    /// direction of writing are replaced with `\xNN` or `\u{NNNN}`.
    package var printable: String {
        guard unicodeScalars.contains(where: \.steersTerminals) else { return self }
        return unicodeScalars.reduce(into: "") { line, scalar in
            guard scalar.steersTerminals else { return line.unicodeScalars.append(scalar) }
            let digits = String(Arguments.byte(scalar).map { UInt32($0) } ?? scalar.value, radix: 16)
            line +=
                scalar.isASCII || Arguments.byte(scalar) != nil
                ? "\\x" + (digits.count < 2 ? "0" : "") + digits : "\\u{\(digits)}"
        }
    }
}

extension String {
    /// The text with each line made `printable`.
    package var printableLines: String {
        split(separator: "\n", omittingEmptySubsequences: false).map { String($0).printable }.joined(separator: "\n")
    }
}

extension [UInt8] {
    /// The bytes as printable text, with `\xNN` for bytes that are not UTF-8.
    package var printable: String { Arguments.text(of: self).printable }
}

extension Unicode.Scalar {
    /// Whether it could end the line, steer the terminal, or change the direction of writing.
    package var steersTerminals: Bool {
        switch value {
        case 0x20...0x7e: false
        case ..<0xa0: true
        // Line and paragraph separator; marks, embeddings, overrides and isolates of writing directions.
        case 0x061c, 0x200e...0x200f, 0x2028...0x202e, 0x2066...0x2069: true
        // Bytes of arguments that are not UTF-8.
        case 0x10f700...0x10f7ff: true
        default: false
        }
    }
}
