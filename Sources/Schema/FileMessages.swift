internal import CSchema

/// What stands at a path (berth.v1.FileType).
public enum FileType: UInt32, Sendable, Equatable {
    case unspecified = 0
    case regular = 1
    case directory = 2
    case symbolicLink = 3
    /// A socket, a pipe, a device.
    case other = 4
}

/// berth.v1.FileInfo.
public struct FileInfo: Message, Bridged {
    /// In its directory; of `ReadFile`, the path as asked.
    public var name: String
    public var type: FileType
    /// Bytes.
    public var size: UInt64
    /// Permission bits.
    public var mode: UInt32
    /// Since 1970-01-01 UTC.
    public var modifiedMicroseconds: Int64
    public var uid: UInt32
    public var gid: UInt32
    /// Of a link, as it is written there.
    public var linkTarget: [UInt8]
    /// The name, where it is not UTF-8.
    public var nameBytes: [UInt8]

    public init(
        name: String = "", type: FileType = .unspecified, size: UInt64 = 0, mode: UInt32 = 0,
        modifiedMicroseconds: Int64 = 0, uid: UInt32 = 0, gid: UInt32 = 0, linkTarget: [UInt8] = [],
        nameBytes: [UInt8] = []
    ) {
        self.name = name
        self.type = type
        self.size = size
        self.mode = mode
        self.modifiedMicroseconds = modifiedMicroseconds
        self.uid = uid
        self.gid = gid
        self.linkTarget = linkTarget
        self.nameBytes = nameBytes
    }

    static var initialize: @Sendable (UnsafeMutablePointer<Berth__V1__FileInfo>?) -> Void {
        { berth__v1__file_info__init($0) }
    }

    init(_ c: Berth__V1__FileInfo, _ arena: Arena) throws(SchemaError) {
        name = try arena.swift(c.name, "name")
        type = FileType(rawValue: c.type.rawValue) ?? .unspecified
        size = c.size
        mode = c.mode
        modifiedMicroseconds = c.modified_us
        uid = c.uid
        gid = c.gid
        linkTarget = arena.swift(c.link_target)
        nameBytes = arena.swift(c.name_raw)
    }

    func fill(_ c: UnsafeMutablePointer<Berth__V1__FileInfo>, _ arena: Arena) {
        c.pointee.name = arena.string(name)
        c.pointee.type = Berth__V1__FileType(rawValue: type.rawValue)
        c.pointee.size = size
        c.pointee.mode = mode
        c.pointee.modified_us = modifiedMicroseconds
        c.pointee.uid = uid
        c.pointee.gid = gid
        c.pointee.link_target = arena.bytes(linkTarget)
        c.pointee.name_raw = arena.bytes(nameBytes)
    }
}

extension FileInfo {
    /// The name as Linux knows it.
    public var systemName: SystemString {
        get { SystemString(name, bytes: nameBytes) }
        set { (name, nameBytes) = (newValue.description, newValue.bytesBesideText) }
    }
}

/// berth.v1.WriteFileRequest.
public struct WriteFileRequest: Message, Bridged {
    public var lease: String
    /// Absolute.
    public var path: String
    /// At most 256 KiB.
    public var data: [UInt8]
    /// Permission bits; 0 is 0644.
    public var mode: UInt32
    public var createsParents: Bool
    /// This is not the last call.
    public var hasMore: Bool
    /// From the first call's answer, in all that follow it.
    public var upload: String
    /// Of the first byte of `data` in the file.
    public var offset: UInt64
    /// Instead of `path`: one that is not UTF-8.
    public var pathBytes: [UInt8]

    public init(
        lease: String = "", path: String = "", data: [UInt8] = [], mode: UInt32 = 0, createsParents: Bool = false,
        hasMore: Bool = false, upload: String = "", offset: UInt64 = 0,
        pathBytes: [UInt8] = []
    ) {
        self.lease = lease
        self.path = path
        self.data = data
        self.mode = mode
        self.createsParents = createsParents
        self.hasMore = hasMore
        self.upload = upload
        self.offset = offset
        self.pathBytes = pathBytes
    }

    static var initialize: @Sendable (UnsafeMutablePointer<Berth__V1__WriteFileRequest>?) -> Void {
        { berth__v1__write_file_request__init($0) }
    }

    init(_ c: Berth__V1__WriteFileRequest, _ arena: Arena) throws(SchemaError) {
        lease = try arena.swift(c.lease, "lease")
        path = try arena.swift(c.path, "path")
        data = arena.swift(c.data)
        mode = c.mode
        createsParents = c.create_parents != 0
        hasMore = c.more != 0
        upload = try arena.swift(c.upload, "upload")
        offset = c.offset
        pathBytes = arena.swift(c.path_raw)
    }

    func fill(_ c: UnsafeMutablePointer<Berth__V1__WriteFileRequest>, _ arena: Arena) {
        c.pointee.lease = arena.string(lease)
        c.pointee.path = arena.string(path)
        c.pointee.data = arena.bytes(data)
        c.pointee.mode = mode
        c.pointee.create_parents = createsParents ? 1 : 0
        c.pointee.more = hasMore ? 1 : 0
        c.pointee.upload = arena.string(upload)
        c.pointee.offset = offset
        c.pointee.path_raw = arena.bytes(pathBytes)
    }
}

/// berth.v1.WriteFileResponse.
public struct WriteFileResponse: Message, Bridged {
    public var upload: String
    /// Of the next byte that is expected.
    public var offset: UInt64

    public init(upload: String = "", offset: UInt64 = 0) {
        self.upload = upload
        self.offset = offset
    }

    static var initialize: @Sendable (UnsafeMutablePointer<Berth__V1__WriteFileResponse>?) -> Void {
        { berth__v1__write_file_response__init($0) }
    }

    init(_ c: Berth__V1__WriteFileResponse, _ arena: Arena) throws(SchemaError) {
        upload = try arena.swift(c.upload, "upload")
        offset = c.offset
    }

    func fill(_ c: UnsafeMutablePointer<Berth__V1__WriteFileResponse>, _ arena: Arena) {
        c.pointee.upload = arena.string(upload)
        c.pointee.offset = offset
    }
}

/// berth.v1.ReadFileRequest.
public struct ReadFileRequest: Message, Bridged {
    public var lease: String
    /// Absolute.
    public var path: String
    public var offset: UInt64
    /// 0 is all to the end.
    public var length: UInt64
    /// 0 is none.
    public var windowBytes: UInt64
    /// Instead of `path`: one that is not UTF-8.
    public var pathBytes: [UInt8]

    public init(
        lease: String = "", path: String = "", offset: UInt64 = 0, length: UInt64 = 0, windowBytes: UInt64 = 0,
        pathBytes: [UInt8] = []
    ) {
        self.lease = lease
        self.path = path
        self.offset = offset
        self.length = length
        self.windowBytes = windowBytes
        self.pathBytes = pathBytes
    }

    static var initialize: @Sendable (UnsafeMutablePointer<Berth__V1__ReadFileRequest>?) -> Void {
        { berth__v1__read_file_request__init($0) }
    }

    init(_ c: Berth__V1__ReadFileRequest, _ arena: Arena) throws(SchemaError) {
        lease = try arena.swift(c.lease, "lease")
        path = try arena.swift(c.path, "path")
        offset = c.offset
        length = c.length
        windowBytes = c.window_bytes
        pathBytes = arena.swift(c.path_raw)
    }

    func fill(_ c: UnsafeMutablePointer<Berth__V1__ReadFileRequest>, _ arena: Arena) {
        c.pointee.lease = arena.string(lease)
        c.pointee.path = arena.string(path)
        c.pointee.offset = offset
        c.pointee.length = length
        c.pointee.window_bytes = windowBytes
        c.pointee.path_raw = arena.bytes(pathBytes)
    }
}

/// berth.v1.FileStart.
public struct FileStart: Message, Bridged {
    /// For `Acknowledge`, `Detach` and `Signal`.
    public var execution: String
    public var watcher: UInt32
    /// Of `ReadFile`.
    public var info: FileInfo?

    public init(execution: String = "", watcher: UInt32 = 0, info: FileInfo? = nil) {
        self.execution = execution
        self.watcher = watcher
        self.info = info
    }

    static var initialize: @Sendable (UnsafeMutablePointer<Berth__V1__FileStart>?) -> Void {
        { berth__v1__file_start__init($0) }
    }

    init(_ c: Berth__V1__FileStart, _ arena: Arena) throws(SchemaError) {
        execution = try arena.swift(c.execution, "execution")
        watcher = c.watcher
        info = try c.info.map { c throws(SchemaError) in try FileInfo(c.pointee, arena) }
    }

    func fill(_ c: UnsafeMutablePointer<Berth__V1__FileStart>, _ arena: Arena) {
        c.pointee.execution = arena.string(execution)
        c.pointee.watcher = watcher
        c.pointee.info = info?.build(arena)
    }
}

/// berth.v1.FileEnd.
public struct FileEnd: Message, Bridged {
    /// Sent in all.
    public var bytes: UInt64

    public init(bytes: UInt64 = 0) {
        self.bytes = bytes
    }

    static var initialize: @Sendable (UnsafeMutablePointer<Berth__V1__FileEnd>?) -> Void {
        { berth__v1__file_end__init($0) }
    }

    init(_ c: Berth__V1__FileEnd, _ arena: Arena) throws(SchemaError) {
        bytes = c.bytes
    }

    func fill(_ c: UnsafeMutablePointer<Berth__V1__FileEnd>, _ arena: Arena) {
        c.pointee.bytes = bytes
    }
}
