// SPDX-License-Identifier: Apache-2.0

internal import BerthSchema
internal import NIOCore

/// A program to run, and how to run it.
///
///     Command(["python3", "-c", "print(1)"])
///     Command(shell: "ls | wc -l")
///     Command(code: "print(1)", language: "python")
public struct Command: Sendable, Equatable {
    /// What is run.
    public enum Program: Sendable, Equatable {
        /// The program and its arguments; a program without a slash is looked up in PATH.
        case argv([String])
        /// The same with arguments that may not be UTF-8.
        case systemArgv([SystemString])
        /// A command line for the container's /bin/sh.
        case shell(String)
        /// Source text, less than 128 KiB; "python" and "sh" are languages of every pool.
        case code(String, language: String)
        /// A piece of source text for a context, at most 1 MiB; its environment, working directory and user are the context's.
        case piece(String, context: Context)
    }

    public var program: Program
    /// Added to the environment that the server and the image define.
    public var env: [String: String]
    /// Entries `NAME=value`, which override `env`: for values that may not be UTF-8.
    public var systemEnv: [SystemString] = []
    /// Working directory, absolute; nil is the server's default, /workspace.
    public var cwd: String?
    /// Used instead of `cwd` for a path that may not be UTF-8.
    public var systemCwd: SystemString?
    /// User id of the program; nil is the member's own.
    public var uid: UInt32?
    /// The first bytes of its standard input; all of it, unless `keepsStdinOpen` or `terminal` is set.
    public var stdin: [UInt8]
    /// Time after which the program is ended with everything it started; nil is the server's default, 60 s.
    public var timeout: Duration?
    /// Time between TERM and KILL; nil is the server's default, 2 s.
    public var grace: Duration?

    /// Whether more input follows, with `Execution.write`.
    public var keepsStdinOpen = false
    /// Size of the program's terminal; nil is no terminal. With one, all output is stdout, and `Execution.write` types.
    public var terminal: Terminal?
    /// Ends the program after so long without output; nil is no limit.
    public var idleTimeout: Duration?
    /// Ends the program when it and everything it started have used so much CPU time; nil is no limit.
    public var cpuTime: Duration?
    /// Maximum bytes of each of its streams; nil is no limit.
    public var maxOutput: Int?
    /// What happens at `maxOutput`.
    public var outputPolicy = OutputPolicy.truncate
    /// Whether processes that it leaves behind continue until the lease ends; otherwise they are killed when it ends.
    public var keepsBackground = false
    /// Whether stdout and stderr are one pipe: all output is then stdout, in the order in which it was written.
    public var mergesOutput = false
    /// How long the program continues when nobody watches it, so that it can be attached to or resumed; and how long its end
    /// and its last output are kept after it has ended. nil: it is killed with the connection.
    public var resumable: Duration?
    /// What happens to a resumable program's output while nobody watches it.
    public var unwatched = Unwatched.runOn

    public init(
        _ program: Program, env: [String: String] = [:], cwd: String? = nil, uid: UInt32? = nil, stdin: [UInt8] = [],
        timeout: Duration? = nil, grace: Duration? = nil
    ) {
        self.program = program
        self.env = env
        self.cwd = cwd
        self.uid = uid
        self.stdin = stdin
        self.timeout = timeout
        self.grace = grace
    }

    /// A program and its arguments.
    public init(
        _ argv: [String], env: [String: String] = [:], cwd: String? = nil, uid: UInt32? = nil, stdin: [UInt8] = [],
        timeout: Duration? = nil, grace: Duration? = nil
    ) {
        self.init(.argv(argv), env: env, cwd: cwd, uid: uid, stdin: stdin, timeout: timeout, grace: grace)
    }

    /// A command line for the container's /bin/sh.
    public init(
        shell line: String, env: [String: String] = [:], cwd: String? = nil, uid: UInt32? = nil, stdin: [UInt8] = [],
        timeout: Duration? = nil, grace: Duration? = nil
    ) {
        self.init(.shell(line), env: env, cwd: cwd, uid: uid, stdin: stdin, timeout: timeout, grace: grace)
    }

    /// Source text, so that nothing needs quoting.
    public init(
        code: String, language: String, env: [String: String] = [:], cwd: String? = nil, uid: UInt32? = nil,
        stdin: [UInt8] = [], timeout: Duration? = nil, grace: Duration? = nil
    ) {
        self.init(
            .code(code, language: language), env: env, cwd: cwd, uid: uid, stdin: stdin, timeout: timeout, grace: grace)
    }

    /// A piece of source text, for a context.
    public init(piece code: String, in context: Context, stdin: [UInt8] = [], timeout: Duration? = nil) {
        self.init(.piece(code, context: context), stdin: stdin, timeout: timeout)
    }

    /// The program and its arguments; empty for a shell command line and for code.
    public var argv: [String] {
        switch program {
        case .argv(let argv): argv
        case .systemArgv(let argv): argv.map(\.description)
        case .shell, .code, .piece: []
        }
    }

    func request(lease: String, pool: String, wait: Duration?, window: Int) -> ExecuteRequest {
        var request = ExecuteRequest(
            lease: lease, pool: pool, waitMilliseconds: wait?.milliseconds ?? 0, env: env,
            cwd: systemCwd ?? SystemString(cwd ?? ""),
            uid: uid ?? 0, stdin: stdin, keepsStdinOpen: keepsStdinOpen, terminal: terminal,
            timeoutMilliseconds: timeout?.milliseconds ?? 0, graceMilliseconds: grace?.milliseconds ?? 0,
            idleTimeoutMilliseconds: idleTimeout?.milliseconds ?? 0, cpuTimeMilliseconds: cpuTime?.milliseconds ?? 0,
            keepsBackground: keepsBackground, windowBytes: UInt64(window),
            maxOutputBytes: UInt64(max(0, maxOutput ?? 0)),
            outputPolicy: outputPolicy, mergesOutput: mergesOutput,
            resumableMilliseconds: resumable?.milliseconds ?? 0, unwatched: unwatched)
        for entry in systemEnv {
            guard let text = entry.text, let separator = text.firstIndex(of: "=") else {
                request.envBytes.append(entry.bytes)
                continue
            }
            request.env[String(text[..<separator])] = String(text[text.index(after: separator)...])
        }
        switch program {
        case .argv(let argv): request.argv = argv.map { SystemString($0) }
        case .systemArgv(let argv): request.argv = argv
        case .shell(let line): request.shell = line
        case .code(let text, let language): (request.code, request.language) = (text, language)
        case .piece(let text, let context): (request.code, request.context) = (text, context.id)
        }
        return request
    }
}

extension Duration {
    var timeAmount: TimeAmount {
        let (seconds, attoseconds) = components
        let (whole, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        return .nanoseconds(overflow ? .max : max(1, whole + attoseconds / 1_000_000_000))
    }
}
