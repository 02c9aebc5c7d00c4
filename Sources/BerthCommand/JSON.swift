// SPDX-License-Identifier: Apache-2.0

import Console
import FoundationEssentials

enum JSON {
    /// `value` on one line, with its keys in order. Nothing in it can steer a terminal.
    static func line(_ value: some Encodable) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        do {
            return escaped(String(decoding: try encoder.encode(value), as: UTF8.self))
        } catch {
            preconditionFailure("\(type(of: value)) can't be encoded: \(error)")
        }
    }

    /// JSON leaves DEL, the upper control characters and those of writing directions as they are. They stand in strings
    /// alone, where they may be escaped.
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
