// SPDX-License-Identifier: Apache-2.0

/// The id of a request: a string or a whole number, which goes back as it came.
package enum RequestID: Sendable, Hashable, CustomStringConvertible {
    case string(String)
    /// As it was written.
    case number(String)

    /// Nil if the value can't be an id.
    package init?(_ value: JSONValue) {
        switch value {
        case .string(let string): self = .string(string)
        case .number(let text) where value.integer != nil: self = .number(text)
        default: return nil
        }
    }

    package var json: JSONValue {
        switch self {
        case .string(let string): .string(string)
        case .number(let text): .number(text)
        }
    }

    package var description: String {
        switch self {
        case .string(let string): "\"\(string)\""
        case .number(let text): text
        }
    }
}
