internal import CSchema

/// The messages of berth.agent.v1: what server and agent say to each other. Field meanings: proto/berth/agent/v1.
public enum Agent {
    public static let service = "berth.agent.v1.Agent"

    public struct PingRequest: Message, Bridged {
        public init() {}
        static var initialize: @Sendable (UnsafeMutablePointer<Berth__Agent__V1__PingRequest>?) -> Void {
            { berth__agent__v1__ping_request__init($0) }
        }
        init(_ c: Berth__Agent__V1__PingRequest, _ arena: Arena) throws(SchemaError) {}
        func fill(_ c: UnsafeMutablePointer<Berth__Agent__V1__PingRequest>, _ arena: Arena) {}
    }

    public struct PingResponse: Message, Bridged {
        public var version: String
        public var pid: UInt32
        /// The agent's own environment, `NAME=value`: what the image gives its programs.
        public var env: [SystemString]

        public init(version: String, pid: UInt32, env: [SystemString] = []) {
            self.version = version
            self.pid = pid
            self.env = env
        }

        static var initialize: @Sendable (UnsafeMutablePointer<Berth__Agent__V1__PingResponse>?) -> Void {
            { berth__agent__v1__ping_response__init($0) }
        }

        init(_ c: Berth__Agent__V1__PingResponse, _ arena: Arena) throws(SchemaError) {
            version = try arena.swift(c.version, "version")
            pid = c.pid
            env = try arena.swift(c.env, count: c.n_env, "env")
        }

        func fill(_ c: UnsafeMutablePointer<Berth__Agent__V1__PingResponse>, _ arena: Arena) {
            c.pointee.version = arena.string(version)
            c.pointee.pid = pid
            c.pointee.n_env = env.count
            c.pointee.env = arena.byteList(env)
        }
    }

    public struct ExecuteRequest: Message, Bridged {
        /// The server's number for the execution, unique on its stream, not 0.
        public var execution: UInt64
        public var argv: [SystemString]
        /// `NAME=value`, complete.
        public var env: [SystemString]
        public var cwd: SystemString
        public var uid: UInt32
        public var gid: UInt32
        /// The first bytes of standard input.
        public var stdin: [UInt8]
        /// Milliseconds; 0 is none.
        public var timeoutMilliseconds: UInt64
        /// Milliseconds between TERM and KILL.
        public var graceMilliseconds: UInt64
        /// Bytes of output that may be sent and not acknowledged.
        public var windowBytes: UInt64
        /// More comes with `Input`.
        public var keepsStdinOpen: Bool
        public var terminal: Terminal?
        /// Of each stream; 0 is no limit.
        public var maxOutputBytes: UInt64
        /// Cause OUTPUT_LIMIT; else what is over it is read, counted and not sent.
        public var killsAtMaxOutput: Bool
        /// Since the start or the last output; 0 is none.
        public var idleTimeoutMilliseconds: UInt64
        /// Of everything it started; 0 is no limit.
        public var cpuTimeMilliseconds: UInt64
        /// What the program leaves running at its end is not killed.
        public var keepsBackground: Bool
        /// Standard output and standard error are one pipe: all is stream 0.
        public var mergesOutput: Bool
        /// After the program's end, its pipes are read until nothing came for so long.
        public var outputGraceMilliseconds: UInt64
        /// And for no longer than this in all.
        public var outputGraceMaxMilliseconds: UInt64

        public init(
            execution: UInt64, argv: [SystemString], env: [SystemString] = [], cwd: SystemString = "/", uid: UInt32 = 0,
            gid: UInt32 = 0,
            stdin: [UInt8] = [], timeoutMilliseconds: UInt64 = 0, graceMilliseconds: UInt64 = 2000,
            windowBytes: UInt64 = 256 << 10, keepsStdinOpen: Bool = false, terminal: Terminal? = nil,
            maxOutputBytes: UInt64 = 0, killsAtMaxOutput: Bool = false, idleTimeoutMilliseconds: UInt64 = 0,
            cpuTimeMilliseconds: UInt64 = 0, keepsBackground: Bool = false,
            mergesOutput: Bool = false, outputGraceMilliseconds: UInt64 = 0, outputGraceMaxMilliseconds: UInt64 = 0
        ) {
            self.execution = execution
            self.argv = argv
            self.env = env
            self.cwd = cwd
            self.uid = uid
            self.gid = gid
            self.stdin = stdin
            self.timeoutMilliseconds = timeoutMilliseconds
            self.graceMilliseconds = graceMilliseconds
            self.windowBytes = windowBytes
            self.keepsStdinOpen = keepsStdinOpen
            self.terminal = terminal
            self.maxOutputBytes = maxOutputBytes
            self.killsAtMaxOutput = killsAtMaxOutput
            self.idleTimeoutMilliseconds = idleTimeoutMilliseconds
            self.cpuTimeMilliseconds = cpuTimeMilliseconds
            self.keepsBackground = keepsBackground
            self.mergesOutput = mergesOutput
            self.outputGraceMilliseconds = outputGraceMilliseconds
            self.outputGraceMaxMilliseconds = outputGraceMaxMilliseconds
        }

        static var initialize: @Sendable (UnsafeMutablePointer<Berth__Agent__V1__ExecuteRequest>?) -> Void {
            { berth__agent__v1__execute_request__init($0) }
        }

        init(_ c: Berth__Agent__V1__ExecuteRequest, _ arena: Arena) throws(SchemaError) {
            execution = c.execution
            argv = try arena.swift(c.argv, count: c.n_argv, "argv")
            env = try arena.swift(c.env, count: c.n_env, "env")
            cwd = try arena.swift(c.cwd, "cwd")
            uid = c.uid
            gid = c.gid
            stdin = arena.swift(c.stdin)
            timeoutMilliseconds = c.timeout_ms
            graceMilliseconds = c.grace_ms
            windowBytes = c.window_bytes
            keepsStdinOpen = c.keep_stdin_open != 0
            terminal = try c.terminal.map { c throws(SchemaError) in try Terminal(c.pointee, arena) }
            maxOutputBytes = c.max_output_bytes
            killsAtMaxOutput = c.kill_at_max_output != 0
            idleTimeoutMilliseconds = c.idle_timeout_ms
            cpuTimeMilliseconds = c.cpu_time_ms
            keepsBackground = c.keep_background != 0
            mergesOutput = c.merge_output != 0
            outputGraceMilliseconds = c.output_grace_ms
            outputGraceMaxMilliseconds = c.output_grace_max_ms
        }

        func fill(_ c: UnsafeMutablePointer<Berth__Agent__V1__ExecuteRequest>, _ arena: Arena) {
            c.pointee.execution = execution
            c.pointee.n_argv = argv.count
            c.pointee.argv = arena.byteList(argv)
            c.pointee.n_env = env.count
            c.pointee.env = arena.byteList(env)
            c.pointee.cwd = arena.bytes(cwd)
            c.pointee.uid = uid
            c.pointee.gid = gid
            c.pointee.stdin = arena.bytes(stdin)
            c.pointee.timeout_ms = timeoutMilliseconds
            c.pointee.grace_ms = graceMilliseconds
            c.pointee.window_bytes = windowBytes
            c.pointee.keep_stdin_open = keepsStdinOpen ? 1 : 0
            c.pointee.terminal = terminal?.build(arena)
            c.pointee.max_output_bytes = maxOutputBytes
            c.pointee.kill_at_max_output = killsAtMaxOutput ? 1 : 0
            c.pointee.idle_timeout_ms = idleTimeoutMilliseconds
            c.pointee.cpu_time_ms = cpuTimeMilliseconds
            c.pointee.keep_background = keepsBackground ? 1 : 0
            c.pointee.merge_output = mergesOutput ? 1 : 0
            c.pointee.output_grace_ms = outputGraceMilliseconds
            c.pointee.output_grace_max_ms = outputGraceMaxMilliseconds
        }
    }

    public struct Output: Sendable, Equatable {
        /// 0 is stdout, 1 is stderr.
        public var stream: UInt32
        /// Of the first byte of `data` in its stream.
        public var offset: UInt64
        public var data: [UInt8]

        public init(stream: UInt32, offset: UInt64, data: [UInt8]) {
            self.stream = stream
            self.offset = offset
            self.data = data
        }
    }

    public struct Ended: Sendable, Equatable {
        public var cause: EndCause
        /// 0 to 255, where the program exited.
        public var exitCode: Int32
        /// Where a signal ended it; else 0.
        public var signal: Int32
        public var message: String
        public var startFailure: StartFailure
        public var wallMicroseconds: UInt64
        public var userMicroseconds: UInt64
        public var systemMicroseconds: UInt64
        public var peakMemoryBytes: UInt64
        public var stdoutBytes: UInt64
        public var stderrBytes: UInt64
        /// Of `stdoutBytes`: not sent.
        public var stdoutTruncated: UInt64
        public var stderrTruncated: UInt64
        /// Processes of the container that the kernel killed at its memory limit meanwhile.
        public var outOfMemoryKills: UInt64

        public init(
            cause: EndCause, exitCode: Int32 = 0, signal: Int32 = 0, message: String = "",
            startFailure: StartFailure = .unspecified, wallMicroseconds: UInt64 = 0, userMicroseconds: UInt64 = 0,
            systemMicroseconds: UInt64 = 0, peakMemoryBytes: UInt64 = 0, stdoutBytes: UInt64 = 0,
            stderrBytes: UInt64 = 0, stdoutTruncated: UInt64 = 0, stderrTruncated: UInt64 = 0,
            outOfMemoryKills: UInt64 = 0
        ) {
            self.cause = cause
            self.exitCode = exitCode
            self.signal = signal
            self.message = message
            self.startFailure = startFailure
            self.wallMicroseconds = wallMicroseconds
            self.userMicroseconds = userMicroseconds
            self.systemMicroseconds = systemMicroseconds
            self.peakMemoryBytes = peakMemoryBytes
            self.stdoutBytes = stdoutBytes
            self.stderrBytes = stderrBytes
            self.stdoutTruncated = stdoutTruncated
            self.stderrTruncated = stderrTruncated
            self.outOfMemoryKills = outOfMemoryKills
        }
    }

    public enum ExecuteEvent: Message, Bridged {
        /// The program runs; its process id in the container.
        case started(pid: UInt32)
        case output(Output)
        case ended(Ended)
        /// An event this version does not know.
        case unknown

        static var initialize: @Sendable (UnsafeMutablePointer<Berth__Agent__V1__ExecuteEvent>?) -> Void {
            { berth__agent__v1__execute_event__init($0) }
        }

        init(_ c: Berth__Agent__V1__ExecuteEvent, _ arena: Arena) throws(SchemaError) {
            switch c.event_case {
            case BERTH__AGENT__V1__EXECUTE_EVENT__EVENT_STARTED:
                self = .started(pid: c.started?.pointee.pid ?? 0)
            case BERTH__AGENT__V1__EXECUTE_EVENT__EVENT_OUTPUT:
                guard let o = c.output?.pointee else { throw SchemaError("output without content") }
                self = .output(Output(stream: o.stream, offset: o.offset, data: arena.swift(o.data)))
            case BERTH__AGENT__V1__EXECUTE_EVENT__EVENT_ENDED:
                guard let e = c.ended?.pointee else { throw SchemaError("ended without content") }
                self = .ended(
                    Ended(
                        cause: EndCause(rawValue: e.cause) ?? .unspecified, exitCode: e.exit_code, signal: e.signal,
                        message: try arena.swift(e.message, "message"),
                        startFailure: StartFailure(rawValue: e.start_failure) ?? .unspecified,
                        wallMicroseconds: e.wall_us, userMicroseconds: e.user_us, systemMicroseconds: e.system_us,
                        peakMemoryBytes: e.peak_memory_bytes, stdoutBytes: e.stdout_bytes, stderrBytes: e.stderr_bytes,
                        stdoutTruncated: e.stdout_truncated, stderrTruncated: e.stderr_truncated,
                        outOfMemoryKills: e.out_of_memory_kills))
            default:
                self = .unknown
            }
        }

        func fill(_ c: UnsafeMutablePointer<Berth__Agent__V1__ExecuteEvent>, _ arena: Arena) {
            switch self {
            case .started(let pid):
                let started = arena.make { berth__agent__v1__started__init($0) }
                started.pointee.pid = pid
                c.pointee.event_case = BERTH__AGENT__V1__EXECUTE_EVENT__EVENT_STARTED
                c.pointee.started = started
            case .output(let value):
                let output = arena.make { berth__agent__v1__output__init($0) }
                output.pointee.stream = value.stream
                output.pointee.offset = value.offset
                output.pointee.data = arena.bytes(value.data)
                c.pointee.event_case = BERTH__AGENT__V1__EXECUTE_EVENT__EVENT_OUTPUT
                c.pointee.output = output
            case .ended(let value):
                let ended = arena.make { berth__agent__v1__ended__init($0) }
                ended.pointee.cause = value.cause.rawValue
                ended.pointee.exit_code = value.exitCode
                ended.pointee.signal = value.signal
                ended.pointee.message = arena.string(value.message)
                ended.pointee.start_failure = value.startFailure.rawValue
                ended.pointee.wall_us = value.wallMicroseconds
                ended.pointee.user_us = value.userMicroseconds
                ended.pointee.system_us = value.systemMicroseconds
                ended.pointee.peak_memory_bytes = value.peakMemoryBytes
                ended.pointee.stdout_bytes = value.stdoutBytes
                ended.pointee.stderr_bytes = value.stderrBytes
                ended.pointee.stdout_truncated = value.stdoutTruncated
                ended.pointee.stderr_truncated = value.stderrTruncated
                ended.pointee.out_of_memory_kills = value.outOfMemoryKills
                c.pointee.event_case = BERTH__AGENT__V1__EXECUTE_EVENT__EVENT_ENDED
                c.pointee.ended = ended
            case .unknown:
                break
            }
        }
    }

    public struct AcknowledgeRequest: Message, Bridged {
        public var execution: UInt64
        /// Passed on since the last one.
        public var bytes: UInt64

        public init(execution: UInt64, bytes: UInt64) {
            self.execution = execution
            self.bytes = bytes
        }

        static var initialize: @Sendable (UnsafeMutablePointer<Berth__Agent__V1__AcknowledgeRequest>?) -> Void {
            { berth__agent__v1__acknowledge_request__init($0) }
        }

        init(_ c: Berth__Agent__V1__AcknowledgeRequest, _ arena: Arena) throws(SchemaError) {
            execution = c.execution
            bytes = c.bytes
        }

        func fill(_ c: UnsafeMutablePointer<Berth__Agent__V1__AcknowledgeRequest>, _ arena: Arena) {
            c.pointee.execution = execution
            c.pointee.bytes = bytes
        }
    }

    public struct SignalRequest: Message, Bridged {
        public var execution: UInt64
        /// 1 to 64, to the program's process group; 0 ends the execution: TERM, grace, KILL of everything it started.
        public var signal: Int32
        /// Milliseconds, with signal 0.
        public var graceMilliseconds: UInt64

        public init(execution: UInt64, signal: Int32, graceMilliseconds: UInt64 = 0) {
            self.execution = execution
            self.signal = signal
            self.graceMilliseconds = graceMilliseconds
        }

        static var initialize: @Sendable (UnsafeMutablePointer<Berth__Agent__V1__SignalRequest>?) -> Void {
            { berth__agent__v1__signal_request__init($0) }
        }

        init(_ c: Berth__Agent__V1__SignalRequest, _ arena: Arena) throws(SchemaError) {
            execution = c.execution
            signal = c.signal
            graceMilliseconds = c.grace_ms
        }

        func fill(_ c: UnsafeMutablePointer<Berth__Agent__V1__SignalRequest>, _ arena: Arena) {
            c.pointee.execution = execution
            c.pointee.signal = signal
            c.pointee.grace_ms = graceMilliseconds
        }
    }

    public struct ResetRequest: Message, Bridged {
        /// What takes longer is not proven; not 0.
        public var timeoutMilliseconds: UInt64

        public init(timeoutMilliseconds: UInt64) {
            self.timeoutMilliseconds = timeoutMilliseconds
        }

        static var initialize: @Sendable (UnsafeMutablePointer<Berth__Agent__V1__ResetRequest>?) -> Void {
            { berth__agent__v1__reset_request__init($0) }
        }

        init(_ c: Berth__Agent__V1__ResetRequest, _ arena: Arena) throws(SchemaError) {
            timeoutMilliseconds = c.timeout_ms
        }

        func fill(_ c: UnsafeMutablePointer<Berth__Agent__V1__ResetRequest>, _ arena: Arena) {
            c.pointee.timeout_ms = timeoutMilliseconds
        }
    }

    public struct ResetResponse: Message, Bridged {
        public var tookMicroseconds: UInt64

        public init(tookMicroseconds: UInt64) {
            self.tookMicroseconds = tookMicroseconds
        }

        static var initialize: @Sendable (UnsafeMutablePointer<Berth__Agent__V1__ResetResponse>?) -> Void {
            { berth__agent__v1__reset_response__init($0) }
        }

        init(_ c: Berth__Agent__V1__ResetResponse, _ arena: Arena) throws(SchemaError) {
            tookMicroseconds = c.took_us
        }

        func fill(_ c: UnsafeMutablePointer<Berth__Agent__V1__ResetResponse>, _ arena: Arena) {
            c.pointee.took_us = tookMicroseconds
        }
    }
}
