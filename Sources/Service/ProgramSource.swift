// SPDX-License-Identifier: Apache-2.0

internal import BerthRPC
internal import BerthSchema

/// What an `Execute` request runs: argv, shell or code.
enum ProgramSource {
    case argv([SystemString])
    case code(String, language: String)

    /// Maximum bytes that the kernel accepts as one argument, without the NUL.
    static let maxArgument = (128 << 10) - 1

    init(_ request: ExecuteRequest) throws(RPCError) {
        var given: [String] = []
        if !request.argv.isEmpty { given.append("argv") }
        if !request.shell.isEmpty { given.append("shell") }
        if !request.code.isEmpty { given.append("code") }
        guard given.count == 1 else {
            throw RPCError(
                .invalidArgument,
                given.isEmpty
                    ? "argv is empty, and so are shell and code: one of them says what to run"
                    : "\(given.joined(separator: " and ")) are given: one of argv, shell and code says what to run")
        }
        if !request.code.isEmpty, request.language.isEmpty {
            throw RPCError(.invalidArgument, "code is given without language, which says what runs it")
        }
        if request.code.isEmpty, !request.language.isEmpty {
            throw RPCError(.invalidArgument, "language is given with \(given[0]): it belongs to code")
        }
        if request.argv.first?.isEmpty == true {
            throw RPCError(.invalidArgument, "argv[0] is empty: it is the program")
        }
        if !request.code.isEmpty {
            try ProgramSource.check("code", request.code.utf8.count)
            self = .code(request.code, language: request.language)
        } else if !request.shell.isEmpty {
            try ProgramSource.check("shell", request.shell.utf8.count)
            self = .argv(["/bin/sh", "-c", SystemString(request.shell)])
        } else {
            for (index, argument) in request.argv.enumerated() {
                try ProgramSource.check("argv[\(index)]", argument.count)
            }
            self = .argv(request.argv)
        }
    }

    /// The program and its arguments.
    /// - Throws: INVALID_ARGUMENT if the pool does not have the language.
    func argv(_ pool: ProgramDefaults) throws(RPCError) -> [SystemString] {
        switch self {
        case .argv(let argv): return argv
        case .code(let text, let language):
            guard let template = pool.languages[language] else {
                throw RPCError(
                    .invalidArgument,
                    "there is no language \"\(language)\" in this pool; there is: "
                        + pool.languages.keys.sorted().joined(separator: ", "))
            }
            var argv: [SystemString] = []
            for part in template {
                let argument = part.replacing(ProgramDefaults.codePlaceholder, with: text)
                try ProgramSource.check("code with what runs it", argument.utf8.count)
                argv.append(SystemString(argument))
            }
            return argv
        }
    }

    /// The language whose interpreter may fork the program; nil if it is to be executed.
    func warmLanguage(_ pool: ProgramDefaults) -> String? {
        guard case .code(_, let language) = self, pool.warmLanguages.contains(language) else { return nil }
        return language
    }

    /// The arguments as listed for clients: long ones are cut.
    static func listed(_ argv: [SystemString]) -> [SystemString] {
        var left = 1024
        var listed: [SystemString] = []
        for argument in argv {
            guard left > 0, listed.count < 64 else {
                listed.append("…")
                break
            }
            let length = min(256, left)
            left -= min(length, argument.count) + 1
            listed.append(argument.count <= length ? argument : cut(argument, to: length))
        }
        return listed
    }

    private static func cut(_ argument: SystemString, to length: Int) -> SystemString {
        guard let text = argument.text else { return SystemString(argument.bytes.prefix(length) + Array("…".utf8)) }
        // Not within a character, which would then be shown as a different one.
        var end = text.utf8.index(text.startIndex, offsetBy: length)
        while end > text.startIndex, text.utf8[end] & 0xc0 == 0x80 { end = text.utf8.index(before: end) }
        return SystemString(String(text[..<end]) + "…")
    }

    /// Bytes of a piece of code for a context, at most.
    static let maxPiece = 1 << 20

    static func checkPiece(_ code: String) throws(RPCError) {
        guard code.utf8.count <= maxPiece else {
            throw RPCError(
                .invalidArgument, "code has \(code.utf8.count) bytes, more than a context takes, \(maxPiece)")
        }
    }

    private static func check(_ what: String, _ count: Int) throws(RPCError) {
        guard count <= maxArgument else {
            throw RPCError(
                .invalidArgument, "\(what) has \(count) bytes, more than an argument can have, \(maxArgument)")
        }
    }
}
