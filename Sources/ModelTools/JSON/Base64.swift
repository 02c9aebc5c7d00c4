// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials

/// Bytes in JSON (RFC 4648).
package enum Base64 {
    package static func encode(_ bytes: [UInt8]) -> String { Data(bytes).base64EncodedString() }

    /// Nil if it is not base64. Line breaks are allowed.
    package static func decode(_ text: String) -> [UInt8]? {
        let plain = text.filter { !$0.isWhitespace }
        return Data(base64Encoded: plain).map { Array($0) }
    }
}
