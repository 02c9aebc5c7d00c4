// SPDX-License-Identifier: Apache-2.0

extension String {
    /// For a line on a terminal: what could end the line, steer the terminal or turn the order of the words is written out
    /// as `\xNN` or `\u{NNNN}`.
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
    /// Lines that are each `printable`.
    package var printableLines: String {
        split(separator: "\n", omittingEmptySubsequences: false).map { String($0).printable }.joined(separator: "\n")
    }
}

extension [UInt8] {
    /// Of what is not UTF-8, each byte is written out.
    package var printable: String { Arguments.text(of: self).printable }
}

extension Unicode.Scalar {
    /// Whether it could end the line, steer the terminal that shows it, or turn the order of what is shown.
    package var steersTerminals: Bool {
        switch value {
        case 0x20...0x7e: false
        case ..<0xa0: true
        // Line and paragraph separator, embeddings, overrides and isolates of writing directions.
        case 0x2028...0x202e, 0x2066...0x2069: true
        // Bytes of arguments that are no text.
        case 0x10f700...0x10f7ff: true
        default: false
        }
    }
}
