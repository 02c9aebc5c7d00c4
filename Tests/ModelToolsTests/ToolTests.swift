// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import ModelTools

extension JSONValue: ExpressibleByFloatLiteral {
    package init(floatLiteral number: Double) { self = .number("\(number)") }
}

@Suite("Arguments of a tool")
struct ToolCallTests {
    private func call(_ tool: Tool, _ arguments: JSONValue) throws(ArgumentError) -> ToolCall {
        try ToolCall(tool, arguments.object ?? JSONObject())
    }

    @Test("are read, with their defaults")
    func reads() throws {
        #expect(
            try call(.runCode, ["code": "1"]) == .runCode(code: "1", language: nil, session: nil, timeout: nil))
        #expect(
            try call(.runCode, ["code": "1", "language": "node", "session": "s", "timeout": 1.5])
                == .runCode(code: "1", language: "node", session: "s", timeout: .milliseconds(1500)))
        // What some hosts send for what the model left out.
        #expect(
            try call(.runCommand, ["command": "ls", "session": .null, "timeout": .null])
                == .runCommand(command: "ls", session: nil, timeout: nil))
        #expect(try call(.runCommand, ["command": "ls", "session": ""]).session == nil)
        #expect(try call(.startSession, [:]) == .startSession(language: "python"))
        #expect(
            try call(.readFile, ["session": "s", "path": "a/b"])
                == .readFile(session: "s", path: "/workspace/a/b", offset: 0, length: 65536, encoding: .text))
        #expect(try call(.listFiles, ["session": "s"]) == .listFiles(session: "s", path: "/workspace"))
        #expect(
            try call(.writeFile, ["session": "s", "path": "/tmp/x", "content": ""])
                == .writeFile(session: "s", path: "/tmp/x", content: []))
        #expect(
            try call(.writeFile, ["session": "s", "path": "/tmp/x", "content": "AP8=\n", "encoding": "base64"])
                == .writeFile(session: "s", path: "/tmp/x", content: [0, 255]))
    }

    private static let wrong: [(Tool, JSONValue, String)] = [
        (.runCode, [:], "`code` is missing"),
        (.runCode, ["code": 1], "`code` must be a string, and is a number"),
        (.runCode, ["code": ""], "`code` is empty"),
        (
            .runCode, ["code": "1", "lang": "python"],
            "run_code has no argument `lang`; it has `code`, `language`, `session`, `timeout`"
        ),
        (.runCode, ["code": "1", "language": "ruby"], "`language` must be python, bash, sh or node, and is \"ruby\""),
        (.runCode, ["code": "1", "timeout": 0], "`timeout` must be a number of seconds from 0.1 to 3600, and is 0"),
        (
            .runCode, ["code": "1", "timeout": "5"],
            "`timeout` must be a number of seconds from 0.1 to 3600, and is a string"
        ),
        (.runCommand, ["command": "a\0b"], "`command` has a NUL character in it"),
        (.endSession, [:], "`session` is missing"),
        (
            .readFile, ["session": "s", "path": "x", "length": 1e9],
            "`length` must be a whole number from 1 to 262144, and is 1000000000.0"
        ),
        (
            .readFile, ["session": "s", "path": "x", "offset": -1],
            "`offset` must be a whole number from 0 on, and is -1"
        ),
        (
            .writeFile, ["session": "s", "path": "x", "content": "??", "encoding": "base64"],
            "`content` is not base64: leave `encoding` out to write it as text"
        ),
    ]

    @Test("that are wrong are told by name, with what would be right", arguments: 0..<wrong.count)
    func refuses(_ index: Int) {
        let (tool, arguments, message) = Self.wrong[index]
        let error = #expect(throws: ArgumentError.self) { try call(tool, arguments) }
        #expect(error?.message == message)
    }

    @Test("that are too long are told with both numbers")
    func tooLong() {
        let error = #expect(throws: ArgumentError.self) {
            try call(.runCode, ["code": .string(String(repeating: "x", count: ToolCall.maxCode + 1))])
        }
        #expect(error?.message.hasPrefix("`code` has 1048577 bytes, and may have 1048576") == true)
    }
}

@Suite("The list of tools")
struct ToolDefinitionTests {
    private let limits = StatedLimits(idle: "15m", sessions: 8, timeout: "60")

    @Test("has for each tool what it takes and, where the revision knows it, what it returns")
    func definitions() {
        for tool in Tool.allCases {
            let newest = tool.definition(.july2026, limits).object
            #expect(newest?["name"] == .string(tool.rawValue))
            #expect(newest?["inputSchema"]?.object?["type"] == "object")
            #expect(newest?["outputSchema"]?.object?["type"] == "object")
            #expect(newest?["title"] != nil && newest?["annotations"] != nil)
            let required = newest?["outputSchema"]?.object?["required"]?.array ?? []
            let properties = newest?["outputSchema"]?.object?["properties"]?.object
            for name in required { #expect(name.string.flatMap { properties?[$0] } != nil, "\(tool): \(name)") }
            let oldest = tool.definition(.november2024, limits).object?.members.map(\.name)
            #expect(oldest == ["name", "description", "inputSchema"])
        }
    }

    @Test("is short: a model reads it in each conversation")
    func size() {
        let list = JSONValue.array(Tool.allCases.map { $0.definition(.june2025, limits) })
        #expect(list.line.count < 10_000)
    }
}
