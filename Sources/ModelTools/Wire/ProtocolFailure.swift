// SPDX-License-Identifier: Apache-2.0

/// A JSON-RPC error: a message that breaks the rules. What goes wrong in a tool is a result instead, so that the model
/// sees it.
package struct ProtocolFailure: Error, Equatable {
    package var code: Int
    /// One line that names what was wrong and what would be right.
    package var message: String
    package var data: JSONValue?

    package init(_ code: Int, _ message: String, data: JSONValue? = nil) {
        self.code = code
        self.message = message
        self.data = data
    }

    package static func notJSON(_ error: JSONError) -> ProtocolFailure {
        ProtocolFailure(-32700, "the message is not JSON: \(error.message), at byte \(error.offset)")
    }

    package static func invalidRequest(_ message: String) -> ProtocolFailure { ProtocolFailure(-32600, message) }

    package static func unknownMethod(_ method: String) -> ProtocolFailure {
        ProtocolFailure(
            -32601, "there is no method \"\(method.shortened)\" here: this server has tools/list and tools/call")
    }

    package static func invalidParameters(_ message: String) -> ProtocolFailure { ProtocolFailure(-32602, message) }

    package static func unsupportedVersion(_ asked: String) -> ProtocolFailure {
        ProtocolFailure(
            -32022, "protocol version \"\(asked.shortened)\" is not supported with requests that carry their version",
            data: [
                "supported": .array(ProtocolVersion.names.map { .string($0) }), "requested": .string(asked.shortened),
            ])
    }

    package var json: JSONValue {
        var error = JSONObject([("code", JSONValue(code)), ("message", .string(message))])
        error["data"] = data
        return .object(error)
    }
}

extension String {
    /// The text for an error message: what a client sent may be megabytes.
    package var shortened: String { count > 100 ? "\(prefix(100))…" : self }
}
