internal import CSchema

/// berth.v1.ListDirectoryRequest.
public struct ListDirectoryRequest: Message, Bridged {
    public var lease: String
    /// Absolute.
    public var path: String
    /// Instead of `path`: one that is not UTF-8.
    public var pathBytes: [UInt8]

    public init(lease: String = "", path: String = "", pathBytes: [UInt8] = []) {
        self.lease = lease
        self.path = path
        self.pathBytes = pathBytes
    }

    static var initialize: @Sendable (UnsafeMutablePointer<Berth__V1__ListDirectoryRequest>?) -> Void {
        { berth__v1__list_directory_request__init($0) }
    }

    init(_ c: Berth__V1__ListDirectoryRequest, _ arena: Arena) throws(SchemaError) {
        lease = try arena.swift(c.lease, "lease")
        path = try arena.swift(c.path, "path")
        pathBytes = arena.swift(c.path_raw)
    }

    func fill(_ c: UnsafeMutablePointer<Berth__V1__ListDirectoryRequest>, _ arena: Arena) {
        c.pointee.lease = arena.string(lease)
        c.pointee.path = arena.string(path)
        c.pointee.path_raw = arena.bytes(pathBytes)
    }
}

/// berth.v1.ListDirectoryResponse.
public struct ListDirectoryResponse: Message, Bridged {
    public var entries: [FileInfo]

    public init(entries: [FileInfo] = []) {
        self.entries = entries
    }

    static var initialize: @Sendable (UnsafeMutablePointer<Berth__V1__ListDirectoryResponse>?) -> Void {
        { berth__v1__list_directory_response__init($0) }
    }

    init(_ c: Berth__V1__ListDirectoryResponse, _ arena: Arena) throws(SchemaError) {
        entries = []
        for index in 0..<c.n_entries {
            if let item = c.entries[index]?.pointee { entries.append(try FileInfo(item, arena)) }
        }
    }

    func fill(_ c: UnsafeMutablePointer<Berth__V1__ListDirectoryResponse>, _ arena: Arena) {
        c.pointee.n_entries = entries.count
        c.pointee.entries = arena.list(entries.map { $0.build(arena) })
    }
}

/// berth.v1.RemoveFileRequest.
public struct RemoveFileRequest: Message, Bridged {
    public var lease: String
    /// Absolute.
    public var path: String
    public var isRecursive: Bool
    /// Instead of `path`: one that is not UTF-8.
    public var pathBytes: [UInt8]

    public init(lease: String = "", path: String = "", isRecursive: Bool = false, pathBytes: [UInt8] = []) {
        self.lease = lease
        self.path = path
        self.isRecursive = isRecursive
        self.pathBytes = pathBytes
    }

    static var initialize: @Sendable (UnsafeMutablePointer<Berth__V1__RemoveFileRequest>?) -> Void {
        { berth__v1__remove_file_request__init($0) }
    }

    init(_ c: Berth__V1__RemoveFileRequest, _ arena: Arena) throws(SchemaError) {
        lease = try arena.swift(c.lease, "lease")
        path = try arena.swift(c.path, "path")
        isRecursive = c.recursive != 0
        pathBytes = arena.swift(c.path_raw)
    }

    func fill(_ c: UnsafeMutablePointer<Berth__V1__RemoveFileRequest>, _ arena: Arena) {
        c.pointee.lease = arena.string(lease)
        c.pointee.path = arena.string(path)
        c.pointee.recursive = isRecursive ? 1 : 0
        c.pointee.path_raw = arena.bytes(pathBytes)
    }
}

/// berth.v1.WriteArchiveRequest.
public struct WriteArchiveRequest: Message, Bridged {
    public var lease: String
    /// The directory to unpack into.
    public var path: String
    /// At most 256 KiB.
    public var data: [UInt8]
    /// This is not the last call.
    public var hasMore: Bool
    /// From the first call's answer, in all that follow it.
    public var upload: String
    /// Of the first byte of `data` in the archive.
    public var offset: UInt64
    /// Instead of `path`: one that is not UTF-8.
    public var pathBytes: [UInt8]

    public init(
        lease: String = "", path: String = "", data: [UInt8] = [], hasMore: Bool = false, upload: String = "",
        offset: UInt64 = 0,
        pathBytes: [UInt8] = []
    ) {
        self.lease = lease
        self.path = path
        self.data = data
        self.hasMore = hasMore
        self.upload = upload
        self.offset = offset
        self.pathBytes = pathBytes
    }

    static var initialize: @Sendable (UnsafeMutablePointer<Berth__V1__WriteArchiveRequest>?) -> Void {
        { berth__v1__write_archive_request__init($0) }
    }

    init(_ c: Berth__V1__WriteArchiveRequest, _ arena: Arena) throws(SchemaError) {
        lease = try arena.swift(c.lease, "lease")
        path = try arena.swift(c.path, "path")
        data = arena.swift(c.data)
        hasMore = c.more != 0
        upload = try arena.swift(c.upload, "upload")
        offset = c.offset
        pathBytes = arena.swift(c.path_raw)
    }

    func fill(_ c: UnsafeMutablePointer<Berth__V1__WriteArchiveRequest>, _ arena: Arena) {
        c.pointee.lease = arena.string(lease)
        c.pointee.path = arena.string(path)
        c.pointee.data = arena.bytes(data)
        c.pointee.more = hasMore ? 1 : 0
        c.pointee.upload = arena.string(upload)
        c.pointee.offset = offset
        c.pointee.path_raw = arena.bytes(pathBytes)
    }
}

/// berth.v1.WriteArchiveResponse.
public struct WriteArchiveResponse: Message, Bridged {
    public var upload: String
    /// Of the next byte that is expected.
    public var offset: UInt64
    /// Unpacked, with the last call.
    public var files: UInt64

    public init(upload: String = "", offset: UInt64 = 0, files: UInt64 = 0) {
        self.upload = upload
        self.offset = offset
        self.files = files
    }

    static var initialize: @Sendable (UnsafeMutablePointer<Berth__V1__WriteArchiveResponse>?) -> Void {
        { berth__v1__write_archive_response__init($0) }
    }

    init(_ c: Berth__V1__WriteArchiveResponse, _ arena: Arena) throws(SchemaError) {
        upload = try arena.swift(c.upload, "upload")
        offset = c.offset
        files = c.files
    }

    func fill(_ c: UnsafeMutablePointer<Berth__V1__WriteArchiveResponse>, _ arena: Arena) {
        c.pointee.upload = arena.string(upload)
        c.pointee.offset = offset
        c.pointee.files = files
    }
}

/// berth.v1.ReadArchiveRequest.
public struct ReadArchiveRequest: Message, Bridged {
    public var lease: String
    /// Absolute.
    public var path: String
    /// 0 is none.
    public var windowBytes: UInt64
    /// Instead of `path`: one that is not UTF-8.
    public var pathBytes: [UInt8]

    public init(lease: String = "", path: String = "", windowBytes: UInt64 = 0, pathBytes: [UInt8] = []) {
        self.lease = lease
        self.path = path
        self.windowBytes = windowBytes
        self.pathBytes = pathBytes
    }

    static var initialize: @Sendable (UnsafeMutablePointer<Berth__V1__ReadArchiveRequest>?) -> Void {
        { berth__v1__read_archive_request__init($0) }
    }

    init(_ c: Berth__V1__ReadArchiveRequest, _ arena: Arena) throws(SchemaError) {
        lease = try arena.swift(c.lease, "lease")
        path = try arena.swift(c.path, "path")
        windowBytes = c.window_bytes
        pathBytes = arena.swift(c.path_raw)
    }

    func fill(_ c: UnsafeMutablePointer<Berth__V1__ReadArchiveRequest>, _ arena: Arena) {
        c.pointee.lease = arena.string(lease)
        c.pointee.path = arena.string(path)
        c.pointee.window_bytes = windowBytes
        c.pointee.path_raw = arena.bytes(pathBytes)
    }
}

/// berth.v1.FileEvent.
public enum FileEvent: Message, Bridged {
    case start(FileStart)
    case output(Output)
    case end(FileEnd)
    /// An event this version does not know.
    case unknown

    static var initialize: @Sendable (UnsafeMutablePointer<Berth__V1__FileEvent>?) -> Void {
        { berth__v1__file_event__init($0) }
    }

    init(_ c: Berth__V1__FileEvent, _ arena: Arena) throws(SchemaError) {
        switch c.event_case {
        case BERTH__V1__FILE_EVENT__EVENT_START:
            self = .start(try FileStart(nested: c.start, arena, default: FileStart()))
        case BERTH__V1__FILE_EVENT__EVENT_OUTPUT:
            self = .output(try Output(nested: c.output, arena, default: Output()))
        case BERTH__V1__FILE_EVENT__EVENT_END:
            self = .end(try FileEnd(nested: c.end, arena, default: FileEnd()))
        default:
            self = .unknown
        }
    }

    func fill(_ c: UnsafeMutablePointer<Berth__V1__FileEvent>, _ arena: Arena) {
        switch self {
        case .start(let value):
            c.pointee.event_case = BERTH__V1__FILE_EVENT__EVENT_START
            c.pointee.start = value.build(arena)
        case .output(let value):
            c.pointee.event_case = BERTH__V1__FILE_EVENT__EVENT_OUTPUT
            c.pointee.output = value.build(arena)
        case .end(let value):
            c.pointee.event_case = BERTH__V1__FILE_EVENT__EVENT_END
            c.pointee.end = value.build(arena)
        case .unknown:
            break
        }
    }
}
