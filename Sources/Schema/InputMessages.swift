internal import CSchema

/// berth.v1.InputRequest.
public struct InputRequest: Message, Bridged {
    /// Empty for an execution that named a pool.
    public var lease: String
    /// From `Started`.
    public var execution: String
    /// Of the first byte of `data` in the standard input.
    public var offset: UInt64
    /// At most 256 KiB.
    public var data: [UInt8]
    /// End of file follows.
    public var isEnd: Bool

    public init(
        lease: String = "", execution: String = "", offset: UInt64 = 0, data: [UInt8] = [], isEnd: Bool = false
    ) {
        self.lease = lease
        self.execution = execution
        self.offset = offset
        self.data = data
        self.isEnd = isEnd
    }

    static var initialize: @Sendable (UnsafeMutablePointer<Berth__V1__InputRequest>?) -> Void {
        { berth__v1__input_request__init($0) }
    }

    init(_ c: Berth__V1__InputRequest, _ arena: Arena) throws(SchemaError) {
        lease = try arena.swift(c.lease, "lease")
        execution = try arena.swift(c.execution, "execution")
        offset = c.offset
        data = arena.swift(c.data)
        isEnd = c.end != 0
    }

    func fill(_ c: UnsafeMutablePointer<Berth__V1__InputRequest>, _ arena: Arena) {
        c.pointee.lease = arena.string(lease)
        c.pointee.execution = arena.string(execution)
        c.pointee.offset = offset
        c.pointee.data = arena.bytes(data)
        c.pointee.end = isEnd ? 1 : 0
    }
}

/// berth.v1.InputResponse.
public struct InputResponse: Message, Bridged {
    /// Of the next byte that is expected.
    public var offset: UInt64

    public init(offset: UInt64 = 0) {
        self.offset = offset
    }

    static var initialize: @Sendable (UnsafeMutablePointer<Berth__V1__InputResponse>?) -> Void {
        { berth__v1__input_response__init($0) }
    }

    init(_ c: Berth__V1__InputResponse, _ arena: Arena) throws(SchemaError) {
        offset = c.offset
    }

    func fill(_ c: UnsafeMutablePointer<Berth__V1__InputResponse>, _ arena: Arena) {
        c.pointee.offset = offset
    }
}

/// berth.v1.ResizeTerminalRequest.
public struct ResizeTerminalRequest: Message, Bridged {
    /// Empty for an execution that named a pool.
    public var lease: String
    /// From `Started`.
    public var execution: String
    public var terminal: Terminal

    public init(lease: String = "", execution: String = "", terminal: Terminal = Terminal()) {
        self.lease = lease
        self.execution = execution
        self.terminal = terminal
    }

    static var initialize: @Sendable (UnsafeMutablePointer<Berth__V1__ResizeTerminalRequest>?) -> Void {
        { berth__v1__resize_terminal_request__init($0) }
    }

    init(_ c: Berth__V1__ResizeTerminalRequest, _ arena: Arena) throws(SchemaError) {
        lease = try arena.swift(c.lease, "lease")
        execution = try arena.swift(c.execution, "execution")
        terminal = try Terminal(nested: c.terminal, arena, default: Terminal())
    }

    func fill(_ c: UnsafeMutablePointer<Berth__V1__ResizeTerminalRequest>, _ arena: Arena) {
        c.pointee.lease = arena.string(lease)
        c.pointee.execution = arena.string(execution)
        c.pointee.terminal = terminal.build(arena)
    }
}

/// berth.v1.ListExecutionsRequest.
public struct ListExecutionsRequest: Message, Bridged {
    public var lease: String

    public init(lease: String = "") {
        self.lease = lease
    }

    static var initialize: @Sendable (UnsafeMutablePointer<Berth__V1__ListExecutionsRequest>?) -> Void {
        { berth__v1__list_executions_request__init($0) }
    }

    init(_ c: Berth__V1__ListExecutionsRequest, _ arena: Arena) throws(SchemaError) {
        lease = try arena.swift(c.lease, "lease")
    }

    func fill(_ c: UnsafeMutablePointer<Berth__V1__ListExecutionsRequest>, _ arena: Arena) {
        c.pointee.lease = arena.string(lease)
    }
}

/// berth.v1.ListExecutionsResponse.
public struct ListExecutionsResponse: Message, Bridged {
    /// The oldest first.
    public var executions: [ExecutionInfo]

    public init(executions: [ExecutionInfo] = []) {
        self.executions = executions
    }

    static var initialize: @Sendable (UnsafeMutablePointer<Berth__V1__ListExecutionsResponse>?) -> Void {
        { berth__v1__list_executions_response__init($0) }
    }

    init(_ c: Berth__V1__ListExecutionsResponse, _ arena: Arena) throws(SchemaError) {
        executions = []
        for index in 0..<c.n_executions {
            if let item = c.executions[index]?.pointee { executions.append(try ExecutionInfo(item, arena)) }
        }
    }

    func fill(_ c: UnsafeMutablePointer<Berth__V1__ListExecutionsResponse>, _ arena: Arena) {
        c.pointee.n_executions = executions.count
        c.pointee.executions = arena.list(executions.map { $0.build(arena) })
    }
}

/// berth.v1.ExecutionInfo.
public struct ExecutionInfo: Message, Bridged {
    public var execution: String
    /// Shortened where it is long.
    public var argv: [String]
    /// Since it was asked for.
    public var ageMilliseconds: UInt64
    public var watchers: UInt32
    /// That have come from it by now.
    public var stdoutBytes: UInt64
    public var stderrBytes: UInt64
    /// `Attach` gets all from this offset on.
    public var stdoutHeldFrom: UInt64
    public var stderrHeldFrom: UInt64
    public var resumableMilliseconds: UInt32
    /// Nil while it runs.
    public var ended: Ended?
    /// `argv`, where it is not UTF-8.
    public var argvBytes: [[UInt8]]

    public init(
        execution: String = "", argv: [String] = [], ageMilliseconds: UInt64 = 0, watchers: UInt32 = 0,
        stdoutBytes: UInt64 = 0, stderrBytes: UInt64 = 0, stdoutHeldFrom: UInt64 = 0, stderrHeldFrom: UInt64 = 0,
        resumableMilliseconds: UInt32 = 0, ended: Ended? = nil,
        argvBytes: [[UInt8]] = []
    ) {
        self.execution = execution
        self.argv = argv
        self.ageMilliseconds = ageMilliseconds
        self.watchers = watchers
        self.stdoutBytes = stdoutBytes
        self.stderrBytes = stderrBytes
        self.stdoutHeldFrom = stdoutHeldFrom
        self.stderrHeldFrom = stderrHeldFrom
        self.resumableMilliseconds = resumableMilliseconds
        self.ended = ended
        self.argvBytes = argvBytes
    }

    static var initialize: @Sendable (UnsafeMutablePointer<Berth__V1__ExecutionInfo>?) -> Void {
        { berth__v1__execution_info__init($0) }
    }

    init(_ c: Berth__V1__ExecutionInfo, _ arena: Arena) throws(SchemaError) {
        execution = try arena.swift(c.execution, "execution")
        argv = try arena.swift(c.argv, count: c.n_argv, "argv")
        ageMilliseconds = c.age_ms
        watchers = c.watchers
        stdoutBytes = c.stdout_bytes
        stderrBytes = c.stderr_bytes
        stdoutHeldFrom = c.stdout_held_from
        stderrHeldFrom = c.stderr_held_from
        resumableMilliseconds = c.resumable_ms
        ended = try c.ended.map { c throws(SchemaError) in try Ended(c.pointee, arena) }
        argvBytes = arena.swift(c.argv_raw, count: c.n_argv_raw)
    }

    func fill(_ c: UnsafeMutablePointer<Berth__V1__ExecutionInfo>, _ arena: Arena) {
        c.pointee.execution = arena.string(execution)
        c.pointee.n_argv = argv.count
        c.pointee.argv = arena.list(argv.map(arena.string))
        c.pointee.age_ms = ageMilliseconds
        c.pointee.watchers = watchers
        c.pointee.stdout_bytes = stdoutBytes
        c.pointee.stderr_bytes = stderrBytes
        c.pointee.stdout_held_from = stdoutHeldFrom
        c.pointee.stderr_held_from = stderrHeldFrom
        c.pointee.resumable_ms = resumableMilliseconds
        c.pointee.ended = ended?.build(arena)
        c.pointee.n_argv_raw = argvBytes.count
        c.pointee.argv_raw = arena.byteList(argvBytes)
    }
}
