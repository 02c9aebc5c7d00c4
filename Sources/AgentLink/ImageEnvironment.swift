// SPDX-License-Identifier: Apache-2.0

package import BerthSchema

/// The environment that an image gives its programs: taken apart once for each member, and not for each program.
package struct ImageEnvironment: Sendable, Equatable {
    /// As the agent has it: `NAME=value`.
    package let entries: [SystemString]
    /// Values by name, without HOME: the agent's own is root's. It has room for what a program's request adds.
    package private(set) var text: [String: String] = [:]
    /// Whole entries that are not UTF-8, by name.
    package private(set) var raw: [[UInt8]: [UInt8]] = [:]

    package init(_ entries: [SystemString]) {
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
