// SPDX-License-Identifier: Apache-2.0

/// What a tool returns.
package struct ToolResult: Sendable, Equatable {
    package enum Block: Sendable, Equatable {
        case text(String)
        case picture(mime: String, bytes: [UInt8])
    }

    package var blocks: [Block]
    /// In the form of the tool's output schema; nil only with an error.
    package var structured: JSONObject?
    package var isError: Bool

    package init(_ blocks: [Block], structured: JSONObject?, isError: Bool = false) {
        self.blocks = blocks
        self.structured = structured
        self.isError = isError
    }

    /// A failure, in words that tell the model what to do next.
    package static func failure(_ words: String) -> ToolResult {
        ToolResult([.text(words)], structured: nil, isError: true)
    }

    package func json(_ version: ProtocolVersion) -> JSONObject {
        var result = JSONObject([
            (
                "content",
                .array(
                    blocks.map { block in
                        switch block {
                        case .text(let text): ["type": "text", "text": .string(text)]
                        case .picture(let mime, let bytes):
                            ["type": "image", "data": .string(Base64.encode(bytes)), "mimeType": .string(mime)]
                        }
                    })
            )
        ])
        if version.hasStructuredContent, let structured { result["structuredContent"] = .object(structured) }
        result["isError"] = .bool(isError)
        return result
    }
}
