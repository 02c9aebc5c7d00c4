internal import CSchema

/// berth.v1.ExecuteRequest.
public struct ExecuteRequest: Message, Bridged {
    /// Empty: a member of its own is acquired and released around the execution.
    public var lease: String
    /// With no lease; empty is the default pool.
    public var pool: String
    /// With no lease; 0 is the server's default.
    public var waitMilliseconds: UInt32
    public var argv: [String]
    /// Instead of `argv`.
    public var shell: String
    /// Instead of `argv`, with `language`.
    public var code: String
    public var language: String
    /// Added to the pool's and the server's defaults.
    public var env: [String: String]
    /// Absolute; empty is the pool's.
    public var cwd: String
    /// 0 is the pool's.
    public var uid: UInt32
    /// The first bytes of standard input.
    public var stdin: [UInt8]
    /// More comes with `Input`.
    public var keepsStdinOpen: Bool
    public var terminal: Terminal?
    /// 0 is the server's default.
    public var timeoutMilliseconds: UInt32
    /// Between TERM and KILL; 0 is the server's default.
    public var graceMilliseconds: UInt32
    /// 0 is none.
    public var idleTimeoutMilliseconds: UInt32
    /// 0 is no limit.
    public var cpuTimeMilliseconds: UInt32
    /// What it leaves running is not killed with it.
    public var keepsBackground: Bool
    /// 0 is none.
    public var windowBytes: UInt64
    /// Of each stream; 0 is no limit.
    public var maxOutputBytes: UInt64
    public var outputPolicy: OutputPolicy
    /// 0: it ends with the last stream that watches it.
    public var resumableMilliseconds: UInt32
    public var unwatched: Unwatched
    /// Instead of `argv`: arguments that are not UTF-8.
    public var argvBytes: [[UInt8]]
    /// `NAME=value` each, added after `env`: values that are not UTF-8.
    public var envBytes: [[UInt8]]
    /// Instead of `cwd`.
    public var cwdBytes: [UInt8]
    /// Standard output and standard error are one pipe: all is stdout.
    public var mergesOutput: Bool

    public init(
        lease: String = "", pool: String = "", waitMilliseconds: UInt32 = 0, argv: [String] = [], shell: String = "",
        code: String = "", language: String = "", env: [String: String] = [:], cwd: String = "", uid: UInt32 = 0,
        stdin: [UInt8] = [], keepsStdinOpen: Bool = false, terminal: Terminal? = nil, timeoutMilliseconds: UInt32 = 0,
        graceMilliseconds: UInt32 = 0, idleTimeoutMilliseconds: UInt32 = 0, cpuTimeMilliseconds: UInt32 = 0,
        keepsBackground: Bool = false, windowBytes: UInt64 = 0, maxOutputBytes: UInt64 = 0,
        outputPolicy: OutputPolicy = .truncate, resumableMilliseconds: UInt32 = 0, unwatched: Unwatched = .runOn,
        argvBytes: [[UInt8]] = [], envBytes: [[UInt8]] = [], cwdBytes: [UInt8] = [], mergesOutput: Bool = false
    ) {
        self.lease = lease
        self.pool = pool
        self.waitMilliseconds = waitMilliseconds
        self.argv = argv
        self.shell = shell
        self.code = code
        self.language = language
        self.env = env
        self.cwd = cwd
        self.uid = uid
        self.stdin = stdin
        self.keepsStdinOpen = keepsStdinOpen
        self.terminal = terminal
        self.timeoutMilliseconds = timeoutMilliseconds
        self.graceMilliseconds = graceMilliseconds
        self.idleTimeoutMilliseconds = idleTimeoutMilliseconds
        self.cpuTimeMilliseconds = cpuTimeMilliseconds
        self.keepsBackground = keepsBackground
        self.windowBytes = windowBytes
        self.maxOutputBytes = maxOutputBytes
        self.outputPolicy = outputPolicy
        self.resumableMilliseconds = resumableMilliseconds
        self.unwatched = unwatched
        self.argvBytes = argvBytes
        self.envBytes = envBytes
        self.cwdBytes = cwdBytes
        self.mergesOutput = mergesOutput
    }

    static var initialize: @Sendable (UnsafeMutablePointer<Berth__V1__ExecuteRequest>?) -> Void {
        { berth__v1__execute_request__init($0) }
    }

    init(_ c: Berth__V1__ExecuteRequest, _ arena: Arena) throws(SchemaError) {
        lease = try arena.swift(c.lease, "lease")
        pool = try arena.swift(c.pool, "pool")
        waitMilliseconds = c.wait_ms
        argv = try arena.swift(c.argv, count: c.n_argv, "argv")
        shell = try arena.swift(c.shell, "shell")
        code = try arena.swift(c.code, "code")
        language = try arena.swift(c.language, "language")
        env = [:]
        for index in 0..<c.n_env {
            guard let entry = c.env[index]?.pointee else { continue }
            env[try arena.swift(entry.key, "env name")] = try arena.swift(entry.value, "env value")
        }
        cwd = try arena.swift(c.cwd, "cwd")
        uid = c.uid
        stdin = arena.swift(c.stdin)
        keepsStdinOpen = c.keep_stdin_open != 0
        terminal = try c.terminal.map { c throws(SchemaError) in try Terminal(c.pointee, arena) }
        timeoutMilliseconds = c.timeout_ms
        graceMilliseconds = c.grace_ms
        idleTimeoutMilliseconds = c.idle_timeout_ms
        cpuTimeMilliseconds = c.cpu_time_ms
        keepsBackground = c.keep_background != 0
        windowBytes = c.window_bytes
        maxOutputBytes = c.max_output_bytes
        outputPolicy = OutputPolicy(rawValue: c.output_policy.rawValue) ?? .truncate
        resumableMilliseconds = c.resumable_ms
        unwatched = Unwatched(rawValue: c.unwatched.rawValue) ?? .runOn
        argvBytes = arena.swift(c.argv_raw, count: c.n_argv_raw)
        envBytes = arena.swift(c.env_raw, count: c.n_env_raw)
        cwdBytes = arena.swift(c.cwd_raw)
        mergesOutput = c.merge_output != 0
    }

    func fill(_ c: UnsafeMutablePointer<Berth__V1__ExecuteRequest>, _ arena: Arena) {
        c.pointee.lease = arena.string(lease)
        c.pointee.pool = arena.string(pool)
        c.pointee.wait_ms = waitMilliseconds
        c.pointee.n_argv = argv.count
        c.pointee.argv = arena.list(argv.map(arena.string))
        c.pointee.shell = arena.string(shell)
        c.pointee.code = arena.string(code)
        c.pointee.language = arena.string(language)
        c.pointee.n_env = env.count
        c.pointee.env = arena.list(
            env.map { name, value in
                let entry = arena.make { berth__v1__execute_request__env_entry__init($0) }
                entry.pointee.key = arena.string(name)
                entry.pointee.value = arena.string(value)
                return entry
            })
        c.pointee.cwd = arena.string(cwd)
        c.pointee.uid = uid
        c.pointee.stdin = arena.bytes(stdin)
        c.pointee.keep_stdin_open = keepsStdinOpen ? 1 : 0
        c.pointee.terminal = terminal?.build(arena)
        c.pointee.timeout_ms = timeoutMilliseconds
        c.pointee.grace_ms = graceMilliseconds
        c.pointee.idle_timeout_ms = idleTimeoutMilliseconds
        c.pointee.cpu_time_ms = cpuTimeMilliseconds
        c.pointee.keep_background = keepsBackground ? 1 : 0
        c.pointee.window_bytes = windowBytes
        c.pointee.max_output_bytes = maxOutputBytes
        c.pointee.output_policy = Berth__V1__OutputPolicy(rawValue: outputPolicy.rawValue)
        c.pointee.resumable_ms = resumableMilliseconds
        c.pointee.unwatched = Berth__V1__Unwatched(rawValue: unwatched.rawValue)
        c.pointee.n_argv_raw = argvBytes.count
        c.pointee.argv_raw = arena.byteList(argvBytes)
        c.pointee.n_env_raw = envBytes.count
        c.pointee.env_raw = arena.byteList(envBytes)
        c.pointee.cwd_raw = arena.bytes(cwdBytes)
        c.pointee.merge_output = mergesOutput ? 1 : 0
    }
}
