// SPDX-License-Identifier: Apache-2.0

public import BerthSchema

/// The environment that an image defines, parsed once for each member instead of once for each program.
public struct ImageEnvironment: Sendable, Equatable {
    /// The entries as the agent sent them: `NAME=value`.
    public let entries: [SystemString]
    /// Values by name, without HOME, since the agent's is root's. It has capacity for what a request adds.
    public private(set) var text: [String: String] = [:]
    /// Whole entries that are not UTF-8, by name.
    public private(set) var raw: [[UInt8]: [UInt8]] = [:]

    public init(_ entries: [SystemString]) {
        self.entries = entries
        text.reserveCapacity(entries.count + 16)
        for entry in entries {
            if let whole = entry.text {
                guard let separator = whole.firstIndex(of: "=") else { continue }
                text[String(whole[..<separator])] = String(whole[whole.index(after: separator)...])
            } else {
                let bytes = entry.bytes
                let name = Array(bytes.prefix { $0 != UInt8(ascii: "=") })
                if name.count < bytes.count { raw[name] = bytes }
            }
        }
        text["HOME"] = nil
        raw[Array("HOME".utf8)] = nil
    }
}
