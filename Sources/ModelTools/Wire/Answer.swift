// SPDX-License-Identifier: Apache-2.0

/// The messages that go to a client.
package enum Answer {
    /// The name and version of this server, in whatever revision.
    package static func serverInfo(_ serverVersion: String) -> JSONValue {
        ["name": "berth", "title": "Berth", "version": .string(serverVersion)]
    }

    /// A result, with what each result of the revision must have.
    package static func result(
        _ id: RequestID, _ result: JSONObject, _ version: ProtocolVersion, serverVersion: String
    ) -> JSONValue {
        var result = result
        if !version.hasHandshake {
            result["resultType"] = "complete"
            result["_meta"] = ["io.modelcontextprotocol/serverInfo": serverInfo(serverVersion)]
        }
        return ["jsonrpc": "2.0", "id": id.json, "result": .object(result)]
    }

    /// - Parameter id: nil where it could not be read.
    package static func error(_ id: RequestID?, _ failure: ProtocolFailure) -> JSONValue {
        ["jsonrpc": "2.0", "id": id?.json ?? .null, "error": failure.json]
    }

    /// - Parameters:
    ///   - token: of the request, unchanged.
    ///   - progress: must be larger each time.
    package static func progress(_ token: JSONValue, _ progress: UInt64, _ message: String) -> JSONValue {
        [
            "jsonrpc": "2.0", "method": "notifications/progress",
            "params": ["progressToken": token, "progress": JSONValue(progress), "message": .string(message)],
        ]
    }
}
