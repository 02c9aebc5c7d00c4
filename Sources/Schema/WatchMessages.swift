internal import CSchema

/// berth.v1.Terminal: a terminal's size in characters; 0 is 24 and 80.
public struct Terminal: Message, Bridged {
    public var rows: UInt32
    public var columns: UInt32
    /// What is typed is not echoed, from the first byte on.
    public var hidesInput: Bool

    public init(rows: UInt32 = 0, columns: UInt32 = 0, hidesInput: Bool = false) {
        self.rows = rows
        self.columns = columns
        self.hidesInput = hidesInput
    }

    static var initialize: @Sendable (UnsafeMutablePointer<Berth__V1__Terminal>?) -> Void {
        { berth__v1__terminal__init($0) }
    }

    init(_ c: Berth__V1__Terminal, _ arena: Arena) throws(SchemaError) {
        rows = c.rows
        columns = c.columns
        hidesInput = c.no_echo != 0
    }

    func fill(_ c: UnsafeMutablePointer<Berth__V1__Terminal>, _ arena: Arena) {
        c.pointee.rows = rows
        c.pointee.columns = columns
        c.pointee.no_echo = hidesInput ? 1 : 0
    }
}

/// berth.v1.Dropped: bytes of a stream that this watcher does not get.
public struct Dropped: Message, Bridged {
    public var stream: OutputStream
    /// Of the first of them.
    public var offset: UInt64
    public var bytes: UInt64

    public init(stream: OutputStream = .stdout, offset: UInt64 = 0, bytes: UInt64 = 0) {
        self.stream = stream
        self.offset = offset
        self.bytes = bytes
    }

    static var initialize: @Sendable (UnsafeMutablePointer<Berth__V1__Dropped>?) -> Void {
        { berth__v1__dropped__init($0) }
    }

    init(_ c: Berth__V1__Dropped, _ arena: Arena) throws(SchemaError) {
        stream = OutputStream(rawValue: c.stream.rawValue) ?? .stdout
        offset = c.offset
        bytes = c.bytes
    }

    func fill(_ c: UnsafeMutablePointer<Berth__V1__Dropped>, _ arena: Arena) {
        c.pointee.stream = Berth__V1__OutputStream(rawValue: stream.rawValue)
        c.pointee.offset = offset
        c.pointee.bytes = bytes
    }
}

/// berth.v1.AttachRequest.
public struct AttachRequest: Message, Bridged {
    /// Empty for an execution that named a pool.
    public var lease: String
    /// From `Started`.
    public var execution: String
    /// Where to go on.
    public var stdoutOffset: UInt64
    public var stderrOffset: UInt64
    /// Instead: what is written from now on.
    public var isFromNow: Bool
    /// 0 is none.
    public var windowBytes: UInt64
    /// Never slows the program; misses output when it is too slow.
    public var isObserver: Bool

    public init(
        lease: String = "", execution: String = "", stdoutOffset: UInt64 = 0, stderrOffset: UInt64 = 0,
        isFromNow: Bool = false, windowBytes: UInt64 = 0, isObserver: Bool = false
    ) {
        self.lease = lease
        self.execution = execution
        self.stdoutOffset = stdoutOffset
        self.stderrOffset = stderrOffset
        self.isFromNow = isFromNow
        self.windowBytes = windowBytes
        self.isObserver = isObserver
    }

    static var initialize: @Sendable (UnsafeMutablePointer<Berth__V1__AttachRequest>?) -> Void {
        { berth__v1__attach_request__init($0) }
    }

    init(_ c: Berth__V1__AttachRequest, _ arena: Arena) throws(SchemaError) {
        lease = try arena.swift(c.lease, "lease")
        execution = try arena.swift(c.execution, "execution")
        stdoutOffset = c.stdout_offset
        stderrOffset = c.stderr_offset
        isFromNow = c.from_now != 0
        windowBytes = c.window_bytes
        isObserver = c.observe != 0
    }

    func fill(_ c: UnsafeMutablePointer<Berth__V1__AttachRequest>, _ arena: Arena) {
        c.pointee.lease = arena.string(lease)
        c.pointee.execution = arena.string(execution)
        c.pointee.stdout_offset = stdoutOffset
        c.pointee.stderr_offset = stderrOffset
        c.pointee.from_now = isFromNow ? 1 : 0
        c.pointee.window_bytes = windowBytes
        c.pointee.observe = isObserver ? 1 : 0
    }
}

/// berth.v1.DetachRequest.
public struct DetachRequest: Message, Bridged {
    /// Empty for an execution that named a pool.
    public var lease: String
    /// From `Started`.
    public var execution: String
    /// The stream's, from its `Started`.
    public var watcher: UInt32

    public init(lease: String = "", execution: String = "", watcher: UInt32 = 0) {
        self.lease = lease
        self.execution = execution
        self.watcher = watcher
    }

    static var initialize: @Sendable (UnsafeMutablePointer<Berth__V1__DetachRequest>?) -> Void {
        { berth__v1__detach_request__init($0) }
    }

    init(_ c: Berth__V1__DetachRequest, _ arena: Arena) throws(SchemaError) {
        lease = try arena.swift(c.lease, "lease")
        execution = try arena.swift(c.execution, "execution")
        watcher = c.watcher
    }

    func fill(_ c: UnsafeMutablePointer<Berth__V1__DetachRequest>, _ arena: Arena) {
        c.pointee.lease = arena.string(lease)
        c.pointee.execution = arena.string(execution)
        c.pointee.watcher = watcher
    }
}

/// berth.v1.AcknowledgeRequest.
public struct AcknowledgeRequest: Message, Bridged {
    /// Empty for an execution that named a pool.
    public var lease: String
    /// From `Started`.
    public var execution: String
    /// The stream's, from its `Started`.
    public var watcher: UInt32
    /// All before it was consumed.
    public var stdoutOffset: UInt64
    public var stderrOffset: UInt64

    public init(
        lease: String = "", execution: String = "", watcher: UInt32 = 0, stdoutOffset: UInt64 = 0,
        stderrOffset: UInt64 = 0
    ) {
        self.lease = lease
        self.execution = execution
        self.watcher = watcher
        self.stdoutOffset = stdoutOffset
        self.stderrOffset = stderrOffset
    }

    static var initialize: @Sendable (UnsafeMutablePointer<Berth__V1__AcknowledgeRequest>?) -> Void {
        { berth__v1__acknowledge_request__init($0) }
    }

    init(_ c: Berth__V1__AcknowledgeRequest, _ arena: Arena) throws(SchemaError) {
        lease = try arena.swift(c.lease, "lease")
        execution = try arena.swift(c.execution, "execution")
        watcher = c.watcher
        stdoutOffset = c.stdout_offset
        stderrOffset = c.stderr_offset
    }

    func fill(_ c: UnsafeMutablePointer<Berth__V1__AcknowledgeRequest>, _ arena: Arena) {
        c.pointee.lease = arena.string(lease)
        c.pointee.execution = arena.string(execution)
        c.pointee.watcher = watcher
        c.pointee.stdout_offset = stdoutOffset
        c.pointee.stderr_offset = stderrOffset
    }
}
