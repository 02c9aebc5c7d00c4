// SPDX-License-Identifier: Apache-2.0

internal import BerthSchema
internal import NIOCore

/// A program to run, and how.
///
///     Command(["python3", "-c", "print(1)"])
///     Command(shell: "ls | wc -l")
///     Command(code: "print(1)", language: "python")
public struct Command: Sendable, Equatable {
    /// What is run.
    public enum Program: Sendable, Equatable {
        /// The program and its arguments; a program without a slash is looked up in PATH.
        case argv([String])
        /// The same, where an argument may be no UTF-8.
        case systemArgv([SystemString])
        /// A line for the container's /bin/sh.
        case shell(String)
        /// Source text, less than 128 KiB; "python" and "sh" are languages of every pool.
        case code(String, language: String)
    }

    public var program: Program
    /// Added to the environment that the server and the image give.
    public var env: [String: String]
    /// `NAME=value` each, over `env`: for values that may be no UTF-8.
    public var systemEnv: [SystemString] = []
    /// Absolute; nil is the server's choice, /workspace.
    public var cwd: String?
    /// Instead of `cwd`: one that may be no UTF-8.
    public var systemCwd: SystemString?
    /// The user id it runs as; nil is the server's choice, 1000.
    public var uid: UInt32?
    /// The first bytes of its standard input; all of it, unless `keepsStdinOpen` or `terminal` is set.
    public var stdin: [UInt8]
    /// After this it is ended with all it started; nil is the server's choice, 60 s.
    public var timeout: Duration?
    /// Between TERM and KILL; nil is the server's choice, 2 s.
    public var grace: Duration?

    /// More input follows, with `Execution.write`.
    public var keepsStdinOpen = false
    /// It has a terminal of this size: all it writes is stdout, and `Execution.write` is what is typed.
    public var terminal: Terminal?
    /// Ended when it has written nothing for so long; nil is never.
    public var idleTimeout: Duration?
    /// Ended when it and all it started have used so much CPU time; nil is no limit.
    public var cpuTime: Duration?
    /// Bytes of each of its streams; nil is no limit.
    public var maxOutput: Int?
    /// What is done at `maxOutput`.
    public var outputPolicy = OutputPolicy.truncate
    /// What it leaves running goes on until the lease ends; else that is killed with it.
    public var keepsBackground = false
    /// Its stdout and stderr are one pipe: all it writes is stdout, in the order of writing.
    public var mergesOutput = false
    /// When nobody watches it any more, it goes on for so long, and can be attached to and resumed; when it has ended, its
    /// end and its last output are kept for so long. Nil: it is killed with the connection.
    public var resumable: Duration?
    /// What a resumable program does meanwhile.
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

    /// A line for the container's /bin/sh.
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

    /// The program and its arguments; empty for a shell's line and for code.
    public var argv: [String] {
        switch program {
        case .argv(let argv): argv
        case .systemArgv(let argv): argv.map(\.description)
        case .shell, .code: []
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
