internal import RPC
internal import Schema

/// What an `Execute` request runs: argv, or shell, or code.
enum Command {
    case argv([String])
    case code(String, language: String)

    /// What the kernel takes as one argument, without its NUL, in bytes.
    static let longestArgument = (128 << 10) - 1

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
            try Command.check("code", request.code)
            self = .code(request.code, language: request.language)
        } else if !request.shell.isEmpty {
            try Command.check("shell", request.shell)
            self = .argv(["/bin/sh", "-c", request.shell])
        } else {
            for (index, argument) in request.argv.enumerated() { try Command.check("argv[\(index)]", argument) }
            self = .argv(request.argv)
        }
    }

    /// The program and its arguments.
    /// - Throws: INVALID_ARGUMENT when the pool does not know the language.
    func argv(_ pool: ProgramDefaults) throws(RPCError) -> [String] {
        switch self {
        case .argv(let argv): return argv
        case .code(let text, let language):
            guard let template = pool.languages[language] else {
                throw RPCError(
                    .invalidArgument,
                    "there is no language \"\(language)\" in this pool; there is: "
                        + pool.languages.keys.sorted().joined(separator: ", "))
            }
            var argv: [String] = []
            for part in template {
                let argument = part.replacing(ProgramDefaults.codePlaceholder, with: text)
                try Command.check("code with what runs it", argument)
                argv.append(argument)
            }
            return argv
        }
    }

    /// As it is told: what is long is cut.
    static func listed(_ argv: [String]) -> [String] {
        var left = 1024
        var listed: [String] = []
        for argument in argv {
            guard left > 0, listed.count < 64 else {
                listed.append("…")
                break
            }
            let length = min(256, left)
            left -= min(length, argument.utf8.count) + 1
            let isWhole = argument.utf8.count <= length
            listed.append(isWhole ? argument : String(decoding: argument.utf8.prefix(length), as: UTF8.self) + "…")
        }
        return listed
    }

    private static func check(_ what: String, _ argument: String) throws(RPCError) {
        guard argument.utf8.count <= longestArgument else {
            throw RPCError(
                .invalidArgument,
                "\(what) has \(argument.utf8.count) bytes, more than an argument can have, \(longestArgument)")
        }
    }
}
