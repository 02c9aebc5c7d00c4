// SPDX-License-Identifier: Apache-2.0

/// The tools that a model sees, in the order in which they are listed.
package enum Tool: String, Sendable, CaseIterable {
    case runCode = "run_code"
    case runCommand = "run_command"
    case startSession = "start_session"
    case endSession = "end_session"
    case writeFile = "write_file"
    case readFile = "read_file"
    case listFiles = "list_files"

    /// The names of its arguments.
    var arguments: [String] { inputs.map(\.name) }

    /// What `tools/list` says of it.
    /// - Parameters:
    ///   - version: older revisions know no output schema, titles and annotations.
    ///   - limits: what the words of a description state.
    package func definition(_ version: ProtocolVersion, _ limits: StatedLimits) -> JSONValue {
        let properties = inputs.map { ($0.name, $0.schema(limits)) }
        let required = inputs.filter(\.isRequired).map { JSONValue.string($0.name) }
        var input = JSONObject([("type", "object"), ("properties", .object(JSONObject(properties)))])
        if !required.isEmpty { input["required"] = .array(required) }
        input["additionalProperties"] = false
        var tool = JSONObject([("name", .string(rawValue))])
        if version.hasStructuredContent { tool["title"] = .string(title) }
        tool["description"] = .string(description(limits))
        tool["inputSchema"] = .object(input)
        if version.hasStructuredContent { tool["outputSchema"] = outputSchema }
        if version.hasAnnotations { tool["annotations"] = annotations }
        return .object(tool)
    }

    private var title: String {
        switch self {
        case .runCode: "Run code"
        case .runCommand: "Run a shell command"
        case .startSession: "Start a session"
        case .endSession: "End a session"
        case .writeFile: "Write a file"
        case .readFile: "Read a file"
        case .listFiles: "List a directory"
        }
    }

    /// Everything happens in containers, which nothing outside depends on: so nothing is destructive but for the end of a
    /// session, which takes its files along.
    private var annotations: JSONValue {
        [
            "title": .string(title),
            "readOnlyHint": .bool(self == .readFile || self == .listFiles),
            "destructiveHint": .bool(self == .endSession || self == .writeFile),
            "idempotentHint": .bool([.endSession, .writeFile, .readFile, .listFiles].contains(self)),
            "openWorldHint": false,
        ]
    }

    private func description(_ limits: StatedLimits) -> String {
        switch self {
        case .runCode:
            """
            Run Python, Bash, sh or Node.js code in a Linux container. Returns what it printed, the value of its last \
            expression, and pictures (open matplotlib figures are returned by themselves). With `session`, variables, \
            imports and files stay from call to call. Without it, the code runs in a fresh container that is thrown away \
            afterwards. The code gets no standard input.
            """
        case .runCommand:
            """
            Run a command line with /bin/sh in a Linux container, in /workspace. Returns its output and exit code. With \
            `session`, it sees the session's files, and programs started with & go on until the session ends, but `cd` \
            and `export` do not last beyond the call. Without it, it runs in a fresh container that is thrown away \
            afterwards.
            """
        case .startSession:
            """
            Start a container that is kept, and an interpreter in it. Returns an id for the argument `session` of the \
            other tools. It ends by itself after \(limits.idle) without a call. At most \(limits.sessions) can be open, \
            so end those that are not needed any more.
            """
        case .endSession: "End a session: its container, with all its variables, files and programs, is thrown away."
        case .writeFile:
            """
            Write a file in a session's container, and replace one that is there. Missing directories are made. \
            Possible below /workspace and /tmp.
            """
        case .readFile:
            """
            Read a file in a session's container. A picture (PNG, JPEG, GIF, WebP) is returned as one that can be looked \
            at. Long files are read in parts, with `offset` and `length`.
            """
        case .listFiles: "List the files of a directory in a session's container: name, type, size."
        }
    }

    private var inputs: [Input] {
        let session = Input(
            "session", "string", "The id that start_session returned.", isRequired: true)
        let optionalSession = Input(
            "session", "string", "The id that start_session returned. Leave it out to run in a fresh container.")
        let language = Input("language", choices: ToolCall.languages) { _ in
            self == .runCode
                ? "Default: the session's language; python without a session."
                : "The language that run_code uses in the session by default (default: python)."
        }
        let timeout = Input("timeout", "number") { limits in
            "Seconds after which it is stopped (default: \(limits.timeout); at most \(Int(ToolCall.maxTimeout)))."
        }
        let encoding = Input("encoding", choices: ToolCall.Encoding.allCases.map(\.rawValue)) { _ in
            "How `content` is written (default: text). Use base64 for what is not UTF-8 text."
        }
        let path = Input(
            "path", "string", "Absolute, or relative to /workspace.", isRequired: self != .listFiles)
        return switch self {
        case .runCode:
            [Input("code", "string", "The code to run.", isRequired: true), language, optionalSession, timeout]
        case .runCommand:
            [
                Input("command", "string", "The command line, for example: ls -l | head", isRequired: true),
                optionalSession, timeout,
            ]
        case .startSession: [language]
        case .endSession: [session]
        case .writeFile:
            [session, path, Input("content", "string", "The whole content of the file.", isRequired: true), encoding]
        case .readFile:
            [
                session, path,
                Input("offset", "integer", "The byte to begin with (default: 0)."),
                Input("length", "integer") { _ in
                    "How many bytes to read (default: \(ToolCall.standardLength); at most \(ToolCall.maxLength))."
                },
                encoding,
            ]
        case .listFiles: [session, path]
        }
    }
}

/// The limits that descriptions state, in words.
package struct StatedLimits: Sendable {
    package var idle: String
    package var sessions: Int
    package var timeout: String

    package init(idle: String, sessions: Int, timeout: String) {
        self.idle = idle
        self.sessions = sessions
        self.timeout = timeout
    }
}

/// An argument of a tool.
private struct Input {
    let name: String
    let isRequired: Bool
    private let type: String
    private let choices: [String]
    private let description: @Sendable (StatedLimits) -> String

    init(_ name: String, _ type: String, _ description: String, isRequired: Bool = false) {
        self.init(name, type, isRequired: isRequired) { _ in description }
    }

    init(
        _ name: String, _ type: String = "string", choices: [String] = [], isRequired: Bool = false,
        description: @escaping @Sendable (StatedLimits) -> String
    ) {
        self.name = name
        self.type = type
        self.choices = choices
        self.isRequired = isRequired
        self.description = description
    }

    func schema(_ limits: StatedLimits) -> JSONValue {
        var schema = JSONObject([("type", .string(type)), ("description", .string(description(limits)))])
        if !choices.isEmpty { schema["enum"] = .array(choices.map { .string($0) }) }
        return .object(schema)
    }
}
