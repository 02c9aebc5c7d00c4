internal import CSchema

/// What is done at `max_output_bytes` (berth.v1.OutputPolicy).
public enum OutputPolicy: UInt32, Sendable, Equatable {
    /// The program goes on, the rest is counted.
    case truncate = 0
    /// It is ended.
    case kill = 1
}

/// What an execution does while nobody watches it (berth.v1.Unwatched).
public enum Unwatched: UInt32, Sendable, Equatable {
    /// The last of its output is kept.
    case runOn = 0
    /// It blocks when no more can be kept.
    case wait = 1
}

/// berth.v1.Started.
public struct Started: Message, Bridged {
    /// The execution's id, for all calls about it.
    public var execution: String
    /// The member it runs in, for logs.
    public var member: String
    /// The stream's number, for `Acknowledge` and `Detach`.
    public var watcher: UInt32

    public init(execution: String = "", member: String = "", watcher: UInt32 = 0) {
        self.execution = execution
        self.member = member
        self.watcher = watcher
    }

    static var initialize: @Sendable (UnsafeMutablePointer<Berth__V1__Started>?) -> Void {
        { berth__v1__started__init($0) }
    }

    init(_ c: Berth__V1__Started, _ arena: Arena) throws(SchemaError) {
        execution = try arena.swift(c.execution, "execution")
        member = try arena.swift(c.member, "member")
        watcher = c.watcher
    }

    func fill(_ c: UnsafeMutablePointer<Berth__V1__Started>, _ arena: Arena) {
        c.pointee.execution = arena.string(execution)
        c.pointee.member = arena.string(member)
        c.pointee.watcher = watcher
    }
}

/// berth.v1.Output.
public struct Output: Message, Bridged {
    public var stream: OutputStream
    /// Of the first byte of `data` in its stream.
    public var offset: UInt64
    public var data: [UInt8]

    public init(stream: OutputStream = .stdout, offset: UInt64 = 0, data: [UInt8] = []) {
        self.stream = stream
        self.offset = offset
        self.data = data
    }

    static var initialize: @Sendable (UnsafeMutablePointer<Berth__V1__Output>?) -> Void {
        { berth__v1__output__init($0) }
    }

    init(_ c: Berth__V1__Output, _ arena: Arena) throws(SchemaError) {
        stream = OutputStream(rawValue: c.stream.rawValue) ?? .stdout
        offset = c.offset
        data = arena.swift(c.data)
    }

    func fill(_ c: UnsafeMutablePointer<Berth__V1__Output>, _ arena: Arena) {
        c.pointee.stream = Berth__V1__OutputStream(rawValue: stream.rawValue)
        c.pointee.offset = offset
        c.pointee.data = arena.bytes(data)
    }
}

/// berth.v1.Usage.
public struct Usage: Message, Bridged {
    public var wallMicroseconds: UInt64
    public var userMicroseconds: UInt64
    public var systemMicroseconds: UInt64
    /// The largest resident set of any one process of it.
    public var peakMemoryBytes: UInt64

    public init(
        wallMicroseconds: UInt64 = 0, userMicroseconds: UInt64 = 0, systemMicroseconds: UInt64 = 0,
        peakMemoryBytes: UInt64 = 0
    ) {
        self.wallMicroseconds = wallMicroseconds
        self.userMicroseconds = userMicroseconds
        self.systemMicroseconds = systemMicroseconds
        self.peakMemoryBytes = peakMemoryBytes
    }

    static var initialize: @Sendable (UnsafeMutablePointer<Berth__V1__Usage>?) -> Void {
        { berth__v1__usage__init($0) }
    }

    init(_ c: Berth__V1__Usage, _ arena: Arena) throws(SchemaError) {
        wallMicroseconds = c.wall_us
        userMicroseconds = c.user_us
        systemMicroseconds = c.system_us
        peakMemoryBytes = c.peak_memory_bytes
    }

    func fill(_ c: UnsafeMutablePointer<Berth__V1__Usage>, _ arena: Arena) {
        c.pointee.wall_us = wallMicroseconds
        c.pointee.user_us = userMicroseconds
        c.pointee.system_us = systemMicroseconds
        c.pointee.peak_memory_bytes = peakMemoryBytes
    }
}

/// berth.v1.Ended.
public struct Ended: Message, Bridged {
    public var cause: EndCause
    /// 0 to 255, where it exited.
    public var exitCode: Int32
    /// Where a signal ended it; else 0.
    public var signal: Int32
    /// The cause in words.
    public var message: String
    public var startFailure: StartFailure
    public var usage: Usage
    public var stdoutBytes: UInt64
    public var stderrBytes: UInt64
    /// Of `stdoutBytes`: not sent.
    public var stdoutTruncated: UInt64
    public var stderrTruncated: UInt64
    /// Processes of the container that the kernel killed at its memory limit meanwhile.
    public var outOfMemoryKills: UInt64

    public init(
        cause: EndCause = .unspecified, exitCode: Int32 = 0, signal: Int32 = 0, message: String = "",
        startFailure: StartFailure = .unspecified, usage: Usage = Usage(), stdoutBytes: UInt64 = 0,
        stderrBytes: UInt64 = 0, stdoutTruncated: UInt64 = 0, stderrTruncated: UInt64 = 0, outOfMemoryKills: UInt64 = 0
    ) {
        self.cause = cause
        self.exitCode = exitCode
        self.signal = signal
        self.message = message
        self.startFailure = startFailure
        self.usage = usage
        self.stdoutBytes = stdoutBytes
        self.stderrBytes = stderrBytes
        self.stdoutTruncated = stdoutTruncated
        self.stderrTruncated = stderrTruncated
        self.outOfMemoryKills = outOfMemoryKills
    }

    static var initialize: @Sendable (UnsafeMutablePointer<Berth__V1__Ended>?) -> Void {
        { berth__v1__ended__init($0) }
    }

    init(_ c: Berth__V1__Ended, _ arena: Arena) throws(SchemaError) {
        cause = EndCause(rawValue: c.cause.rawValue) ?? .unspecified
        exitCode = c.exit_code
        signal = c.signal
        message = try arena.swift(c.message, "message")
        startFailure = StartFailure(rawValue: c.start_failure.rawValue) ?? .unspecified
        usage = try Usage(nested: c.usage, arena, default: Usage())
        stdoutBytes = c.stdout_bytes
        stderrBytes = c.stderr_bytes
        stdoutTruncated = c.stdout_truncated
        stderrTruncated = c.stderr_truncated
        outOfMemoryKills = c.out_of_memory_kills
    }

    func fill(_ c: UnsafeMutablePointer<Berth__V1__Ended>, _ arena: Arena) {
        c.pointee.cause = Berth__V1__EndCause(rawValue: cause.rawValue)
        c.pointee.exit_code = exitCode
        c.pointee.signal = signal
        c.pointee.message = arena.string(message)
        c.pointee.start_failure = Berth__V1__StartFailure(rawValue: startFailure.rawValue)
        c.pointee.usage = usage.build(arena)
        c.pointee.stdout_bytes = stdoutBytes
        c.pointee.stderr_bytes = stderrBytes
        c.pointee.stdout_truncated = stdoutTruncated
        c.pointee.stderr_truncated = stderrTruncated
        c.pointee.out_of_memory_kills = outOfMemoryKills
    }
}

/// berth.v1.SignalRequest.
public struct SignalRequest: Message, Bridged {
    /// Empty for an execution that named a pool.
    public var lease: String
    /// From `Started`.
    public var execution: String
    /// 1 to 64.
    public var signal: Int32
    /// Instead of the number: "INT", "SIGINT".
    public var signalName: String
    /// Instead: TERM, a grace, KILL of everything it started.
    public var isCancel: Bool
    /// With `isCancel`; 0 is the execution's own.
    public var graceMilliseconds: UInt32

    public init(
        lease: String = "", execution: String = "", signal: Int32 = 0, signalName: String = "",
        isCancel: Bool = false, graceMilliseconds: UInt32 = 0
    ) {
        self.lease = lease
        self.execution = execution
        self.signal = signal
        self.signalName = signalName
        self.isCancel = isCancel
        self.graceMilliseconds = graceMilliseconds
    }

    static var initialize: @Sendable (UnsafeMutablePointer<Berth__V1__SignalRequest>?) -> Void {
        { berth__v1__signal_request__init($0) }
    }

    init(_ c: Berth__V1__SignalRequest, _ arena: Arena) throws(SchemaError) {
        lease = try arena.swift(c.lease, "lease")
        execution = try arena.swift(c.execution, "execution")
        signal = c.signal
        signalName = try arena.swift(c.name, "name")
        isCancel = c.cancel != 0
        graceMilliseconds = c.grace_ms
    }

    func fill(_ c: UnsafeMutablePointer<Berth__V1__SignalRequest>, _ arena: Arena) {
        c.pointee.lease = arena.string(lease)
        c.pointee.execution = arena.string(execution)
        c.pointee.signal = signal
        c.pointee.name = arena.string(signalName)
        c.pointee.cancel = isCancel ? 1 : 0
        c.pointee.grace_ms = graceMilliseconds
    }
}

/// Which of a program's outputs (berth.v1.OutputStream).
public enum OutputStream: UInt32, Sendable, Equatable {
    case stdout = 0
    case stderr = 1
}

/// berth.v1.ExecuteEvent.
public enum ExecuteEvent: Message, Bridged {
    case started(Started)
    case output(Output)
    case ended(Ended)
    case dropped(Dropped)
    /// An event this version does not know.
    case unknown

    static var initialize: @Sendable (UnsafeMutablePointer<Berth__V1__ExecuteEvent>?) -> Void {
        { berth__v1__execute_event__init($0) }
    }

    init(_ c: Berth__V1__ExecuteEvent, _ arena: Arena) throws(SchemaError) {
        switch c.event_case {
        case BERTH__V1__EXECUTE_EVENT__EVENT_STARTED:
            self = .started(try Started(nested: c.started, arena, default: Started()))
        case BERTH__V1__EXECUTE_EVENT__EVENT_OUTPUT:
            self = .output(try Output(nested: c.output, arena, default: Output()))
        case BERTH__V1__EXECUTE_EVENT__EVENT_ENDED:
            self = .ended(try Ended(nested: c.ended, arena, default: Ended()))
        case BERTH__V1__EXECUTE_EVENT__EVENT_DROPPED:
            self = .dropped(try Dropped(nested: c.dropped, arena, default: Dropped()))
        default:
            self = .unknown
        }
    }

    func fill(_ c: UnsafeMutablePointer<Berth__V1__ExecuteEvent>, _ arena: Arena) {
        switch self {
        case .started(let value):
            c.pointee.event_case = BERTH__V1__EXECUTE_EVENT__EVENT_STARTED
            c.pointee.started = value.build(arena)
        case .output(let value):
            c.pointee.event_case = BERTH__V1__EXECUTE_EVENT__EVENT_OUTPUT
            c.pointee.output = value.build(arena)
        case .ended(let value):
            c.pointee.event_case = BERTH__V1__EXECUTE_EVENT__EVENT_ENDED
            c.pointee.ended = value.build(arena)
        case .dropped(let value):
            c.pointee.event_case = BERTH__V1__EXECUTE_EVENT__EVENT_DROPPED
            c.pointee.dropped = value.build(arena)
        case .unknown:
            break
        }
    }
}
