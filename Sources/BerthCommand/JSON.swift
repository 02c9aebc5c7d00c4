// SPDX-License-Identifier: Apache-2.0

import Console
import FoundationEssentials

enum JSON {
    /// Encodes `value` on one line with sorted keys, without characters that could steer a terminal.
    static func line(_ value: some Encodable) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        do {
            return escaped(String(decoding: try encoder.encode(value), as: UTF8.self))
        } catch {
            preconditionFailure("\(type(of: value)) can't be encoded: \(error)")
        }
    }

    /// Escapes DEL, the upper control characters and those for the direction of writing, which JSON does not require.
    /// They occur only in strings.
    private static func escaped(_ line: String) -> String {
        guard line.unicodeScalars.contains(where: \.steersTerminals) else { return line }
        return line.unicodeScalars.reduce(into: "") { line, scalar in
            if scalar.steersTerminals {
                line += "\\u" + String(scalar.value + 0x10000, radix: 16).suffix(4)
            } else {
                line.unicodeScalars.append(scalar)
            }
        }
    }
}
