// SPDX-License-Identifier: Apache-2.0

/// Finds the `id` of a message that is too long to be kept, so that its sender gets an answer and does not wait for one.
/// It goes through the bytes once, and keeps no more than a name and a value of the outermost object.
package struct IdentityScanner: Sendable {
    /// Maximum bytes of a name or an id.
    private static let maxToken = 256

    /// The id as it was written; nil if none was found.
    package private(set) var id: RequestID?
    private var depth = 0
    private var isInString = false
    private var isEscaped = false
    /// The bytes of the outermost object's current name or value; nil if they are of no interest, or too many.
    private var token: [UInt8]? = []
    private var name: [UInt8]?

    package init() {}

    package mutating func scan(_ bytes: some Sequence<UInt8>) {
        for byte in bytes { scan(byte) }
    }

    private mutating func scan(_ byte: UInt8) {
        if isInString {
            keep(byte)
            if isEscaped {
                isEscaped = false
            } else if byte == UInt8(ascii: "\\") {
                isEscaped = true
            } else if byte == UInt8(ascii: "\"") {
                isInString = false
            }
            return
        }
        switch byte {
        case UInt8(ascii: "\""):
            isInString = true
            keep(byte)
        case UInt8(ascii: "{"), UInt8(ascii: "["):
            depth += 1
            token = depth == 1 ? [] : nil
        case UInt8(ascii: "}"), UInt8(ascii: "]"):
            if depth == 1 { endMember() }
            depth -= 1
        case UInt8(ascii: ":") where depth == 1:
            name = token
            token = []
        case UInt8(ascii: ",") where depth == 1: endMember()
        case 0x20, 0x09, 0x0d: break
        default: keep(byte)
        }
    }

    private mutating func keep(_ byte: UInt8) {
        guard depth == 1, let count = token?.count else { return }
        if count < IdentityScanner.maxToken { token?.append(byte) } else { token = nil }
    }

    private mutating func endMember() {
        if name == Array(#""id""#.utf8), let token, let value = try? JSONParser.parse(token) { id = RequestID(value) }
        name = nil
        token = []
    }
}
