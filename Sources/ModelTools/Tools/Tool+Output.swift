// SPDX-License-Identifier: Apache-2.0

extension Tool {
    /// The form of `structuredContent`. What does not apply to a result is left out of it.
    var outputSchema: JSONValue {
        switch self {
        case .runCode: Tool.schema(Tool.program + Tool.shown, required: Tool.requiredOfProgram)
        case .runCommand: Tool.schema(Tool.program, required: Tool.requiredOfProgram)
        case .startSession:
            Tool.schema(
                [
                    ("session", "string", "For the argument `session` of the other tools."),
                    ("language", "string", "What run_code uses in it by default."),
                    ("version", "string", "The interpreter's version, if it tells."),
                    ("idle_seconds", "number", "After so long without a call it ends."),
                ], required: ["session", "language", "idle_seconds"])
        case .endSession:
            Tool.schema(
                [
                    ("session", "string", "The session."),
                    ("had_ended", "boolean", "Whether it had ended before this call."),
                ], required: ["session", "had_ended"])
        case .writeFile:
            Tool.schema(
                [("path", "string", "The absolute path."), ("bytes", "integer", "Its size.")],
                required: ["path", "bytes"])
        case .readFile:
            Tool.schema(
                [
                    ("path", "string", "The absolute path."),
                    ("size", "integer", "Bytes of the whole file."),
                    ("offset", "integer", "The byte that this part begins with."),
                    ("bytes", "integer", "Bytes in this part."),
                    ("content", "string", "This part; missing for a picture."),
                    ("encoding", "string", "text or base64; missing for a picture."),
                    ("picture", "string", "The MIME type of a picture, which is in the content of the result."),
                ], required: ["path", "size", "offset", "bytes"])
        case .listFiles:
            [
                "type": "object",
                "properties": [
                    "path": ["type": "string", "description": "The absolute path."],
                    "entries": [
                        "type": "array",
                        "items": Tool.schema(
                            [
                                ("name", "string", "In the directory."),
                                ("type", "string", "file, directory, link or other."),
                                ("size", "integer", "Bytes."),
                                ("target", "string", "Of a link."),
                            ], required: ["name", "type", "size"]),
                    ],
                    "left_out": ["type": "integer", "description": "Entries that were too many to be listed."],
                ],
                "required": ["path", "entries", "left_out"],
            ]
        }
    }

    private typealias Property = (name: String, type: String, description: String)

    private static func schema(_ properties: [Property], required: [JSONValue]) -> JSONValue {
        var members: [(String, JSONValue)] = []
        for (name, type, description) in properties {
            var schema: JSONObject = JSONObject([("type", .string(type)), ("description", .string(description))])
            if type == "array" { schema["items"] = ["type": "string"] }
            members.append((name, .object(schema)))
        }
        return ["type": "object", "properties": .object(JSONObject(members)), "required": .array(required)]
    }

    private static let requiredOfProgram: [JSONValue] = [
        "ended", "stdout", "stderr", "stdout_left_out", "stderr_left_out", "duration_ms",
    ]

    private static let program: [Property] = [
        ("ended", "string", "exited, signalled, timed_out, out_of_memory, cancelled, container_lost, and so on."),
        ("exit_code", "integer", "Where it exited."),
        ("signal", "integer", "Where a signal ended it."),
        ("message", "string", "How it ended, in words, if there is something to add."),
        ("stdout", "string", "The last 16 KiB of it."),
        ("stderr", "string", "The last 16 KiB of it."),
        ("stdout_left_out", "integer", "Bytes of stdout that came before them."),
        ("stderr_left_out", "integer", "Bytes of stderr that came before them."),
        ("duration_ms", "number", "How long it ran."),
    ]

    private static let shown: [Property] = [
        ("value", "string", "The value of the last expression."),
        ("displayed", "array", "Texts that were displayed, in order."),
        ("pictures", "integer", "Pictures that are in the content of the result."),
        ("error_name", "string", "The kind of the exception, for example ValueError."),
        ("error_message", "string", "The exception's message."),
        ("traceback", "string", "Where it happened, the innermost call last."),
        ("interpreter_lost", "boolean", "Whether the interpreter ended with this code, and its variables with it."),
    ]
}
