internal import Schema

/// A program to run, and how.
public struct Command: Sendable, Equatable {
    /// The program and its arguments; a program without a slash is looked up in PATH.
    public var argv: [String]
    /// Added to the environment that the server and the image give.
    public var env: [String: String]
    /// Absolute; nil is the server's choice, /workspace.
    public var cwd: String?
    /// The user id it runs as; nil is the server's choice, 1000.
    public var uid: UInt32?
    /// All of its standard input.
    public var stdin: [UInt8]
    /// After this it is ended with all it started; nil is the server's choice, 60 s.
    public var timeout: Duration?
    /// Between TERM and KILL; nil is the server's choice, 2 s.
    public var grace: Duration?

    public init(
        _ argv: [String], env: [String: String] = [:], cwd: String? = nil, uid: UInt32? = nil, stdin: [UInt8] = [],
        timeout: Duration? = nil, grace: Duration? = nil
    ) {
        self.argv = argv
        self.env = env
        self.cwd = cwd
        self.uid = uid
        self.stdin = stdin
        self.timeout = timeout
        self.grace = grace
    }

    func request(lease: String, pool: String, wait: Duration?) -> ExecuteRequest {
        ExecuteRequest(
            lease: lease, pool: pool, waitMilliseconds: wait?.milliseconds ?? 0, argv: argv, env: env, cwd: cwd ?? "",
            uid: uid ?? 0, stdin: stdin, timeoutMilliseconds: timeout?.milliseconds ?? 0,
            graceMilliseconds: grace?.milliseconds ?? 0)
    }
}

extension Duration {
    /// Whole milliseconds for the wire, where 0 means "the server's choice": at least 1.
    var milliseconds: UInt32 {
        let (seconds, attoseconds) = components
        let (whole, overflow) = seconds.multipliedReportingOverflow(by: 1000)
        return overflow ? .max : UInt32(clamping: max(1, whole + attoseconds / 1_000_000_000_000_000))
    }
}
