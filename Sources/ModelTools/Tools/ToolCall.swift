// SPDX-License-Identifier: Apache-2.0

/// A call of a tool, with its arguments checked.
package enum ToolCall: Sendable, Equatable {
    case runCode(code: String, language: String?, session: String?, timeout: Duration?)
    case runCommand(command: String, session: String?, timeout: Duration?)
    case startSession(language: String)
    case endSession(session: String)
    case writeFile(session: String, path: String, content: [UInt8])
    case readFile(session: String, path: String, offset: UInt64, length: Int, encoding: Encoding)
    case listFiles(session: String, path: String)

    /// How the content of a file is written in JSON.
    package enum Encoding: String, Sendable, CaseIterable {
        case text
        case base64
    }

    package static let languages = ["python", "bash", "sh", "node"]
    /// Maximum bytes of code and of a command line: the server's own limits.
    package static let maxCode = 1 << 20
    package static let maxCommand = 127 << 10
    /// Bytes of a file that are read when nothing else is asked, and at most.
    package static let standardLength = 64 << 10
    package static let maxLength = 256 << 10
    package static let maxTimeout = 3600.0
    private static let minTimeout = 0.1

    /// The session that it is in; nil for one that runs in a container of its own.
    package var session: String? {
        switch self {
        case .runCode(_, _, let session, _), .runCommand(_, let session, _): session
        case .startSession: nil
        case .endSession(let session), .writeFile(let session, _, _), .readFile(let session, _, _, _, _),
            .listFiles(let session, _):
            session
        }
    }

    /// - Throws: what is wrong with the arguments, in words for the model.
    package init(_ tool: Tool, _ arguments: JSONObject) throws(ArgumentError) {
        let reader = try ArgumentReader(tool, arguments)
        switch tool {
        case .runCode:
            self = .runCode(
                code: try reader.text("code", max: ToolCall.maxCode),
                language: try reader.choice("language", of: ToolCall.languages),
                session: try reader.optional("session"), timeout: try ToolCall.timeout(reader))
        case .runCommand:
            self = .runCommand(
                command: try reader.text("command", max: ToolCall.maxCommand),
                session: try reader.optional("session"), timeout: try ToolCall.timeout(reader))
        case .startSession:
            self = .startSession(language: try reader.choice("language", of: ToolCall.languages) ?? "python")
        case .endSession: self = .endSession(session: try reader.text("session"))
        case .writeFile:
            let content = try reader.text("content", max: .max, mayBeEmpty: true)
            let encoding = try ToolCall.encoding(reader)
            guard let bytes = encoding == .text ? Array(content.utf8) : Base64.decode(content) else {
                throw ArgumentError("`content` is not base64: leave `encoding` out to write it as text")
            }
            self = .writeFile(
                session: try reader.text("session"), path: ToolCall.absolute(try reader.text("path")), content: bytes)
        case .readFile:
            let offset = try reader.whole("offset", in: 0...Int64.max) ?? 0
            let length = try reader.whole("length", in: 1...Int64(ToolCall.maxLength))
            self = .readFile(
                session: try reader.text("session"), path: ToolCall.absolute(try reader.text("path")),
                offset: UInt64(offset), length: length.map { Int($0) } ?? ToolCall.standardLength,
                encoding: try ToolCall.encoding(reader))
        case .listFiles:
            self = .listFiles(
                session: try reader.text("session"),
                path: ToolCall.absolute(try reader.optional("path") ?? "/workspace"))
        }
    }

    private static func timeout(_ reader: ArgumentReader) throws(ArgumentError) -> Duration? {
        try reader.number("timeout", in: minTimeout...maxTimeout, "of seconds").map { .seconds($0) }
    }

    private static func encoding(_ reader: ArgumentReader) throws(ArgumentError) -> Encoding {
        try reader.choice("encoding", of: Encoding.allCases.map(\.rawValue)).flatMap { Encoding(rawValue: $0) } ?? .text
    }

    /// Models write relative paths, and mean the directory in which their programs start.
    private static func absolute(_ path: String) -> String { path.hasPrefix("/") ? path : "/workspace/\(path)" }
}

/// What is wrong with the arguments of a call, for the model that made them.
package struct ArgumentError: Error, Equatable {
    package var message: String

    init(_ message: String) {
        self.message = message
    }
}

/// Reads the arguments of a call one by one.
struct ArgumentReader {
    private let arguments: JSONObject

    /// - Throws: if there is an argument that the tool does not have.
    init(_ tool: Tool, _ arguments: JSONObject) throws(ArgumentError) {
        self.arguments = arguments
        let known = tool.arguments
        for (name, _) in arguments.members where !known.contains(name) {
            throw ArgumentError(
                "\(tool.rawValue) has no argument `\(name.shortened)`; it has "
                    + known.map { "`\($0)`" }.joined(separator: ", "))
        }
    }

    /// A value that is there; null counts as missing, since some hosts send it for what the model left out.
    private func value(_ name: String) -> JSONValue? {
        arguments[name].flatMap { $0 == .null ? nil : $0 }
    }

    func optional(_ name: String) throws(ArgumentError) -> String? {
        guard let value = value(name) else { return nil }
        guard let string = value.string else { throw ArgumentError("`\(name)` must be a string, and is \(value.kind)") }
        guard !string.contains("\0") else { throw ArgumentError("`\(name)` has a NUL character in it") }
        return string.isEmpty ? nil : string
    }

    /// - Parameter max: in bytes of UTF-8.
    func text(_ name: String, max: Int = 4096, mayBeEmpty: Bool = false) throws(ArgumentError) -> String {
        guard let value = value(name) else { throw ArgumentError("`\(name)` is missing") }
        guard let string = value.string else { throw ArgumentError("`\(name)` must be a string, and is \(value.kind)") }
        guard mayBeEmpty || !string.isEmpty else { throw ArgumentError("`\(name)` is empty") }
        guard mayBeEmpty || !string.contains("\0") else { throw ArgumentError("`\(name)` has a NUL character in it") }
        guard string.utf8.count <= max else {
            throw ArgumentError(
                "`\(name)` has \(string.utf8.count) bytes, and may have \(max): write it to a file first, in pieces")
        }
        return string
    }

    func choice(_ name: String, of choices: [String]) throws(ArgumentError) -> String? {
        guard let value = value(name) else { return nil }
        guard let string = value.string, choices.contains(string) else {
            throw ArgumentError(
                "`\(name)` must be \(choices.dropLast().joined(separator: ", ")) or \(choices.last ?? ""), and is "
                    + (value.string.map { "\"\($0.shortened)\"" } ?? value.kind))
        }
        return string
    }

    func number(
        _ name: String, in range: ClosedRange<Double>, _ unit: String
    ) throws(ArgumentError) -> Double? {
        guard let value = value(name) else { return nil }
        guard let number = value.double, range.contains(number) else {
            throw ArgumentError(
                "`\(name)` must be a number \(unit) from \(range.lowerBound) to \(Int(range.upperBound)), and is "
                    + ArgumentReader.shown(value))
        }
        return number
    }

    func whole(_ name: String, in range: ClosedRange<Int64>) throws(ArgumentError) -> Int64? {
        guard let value = value(name) else { return nil }
        guard let number = value.integer, range.contains(number) else {
            let end = range.upperBound == .max ? "on" : "to \(range.upperBound)"
            throw ArgumentError(
                "`\(name)` must be a whole number from \(range.lowerBound) \(end), and is \(ArgumentReader.shown(value))"
            )
        }
        return number
    }

    private static func shown(_ value: JSONValue) -> String {
        if case .number(let text) = value { text.shortened } else { value.kind }
    }
}
