internal import CSchema

/// berth.v1.StatRequest.
public struct StatRequest: Message, Bridged {
    public var lease: String
    /// Absolute.
    public var path: String
    /// Of a link: what it leads to.
    public var followsLink: Bool
    /// Instead of `path`: one that is not UTF-8.
    public var pathBytes: [UInt8]

    public init(lease: String = "", path: String = "", followsLink: Bool = false, pathBytes: [UInt8] = []) {
        self.lease = lease
        self.path = path
        self.followsLink = followsLink
        self.pathBytes = pathBytes
    }

    static var initialize: @Sendable (UnsafeMutablePointer<Berth__V1__StatRequest>?) -> Void {
        { berth__v1__stat_request__init($0) }
    }

    init(_ c: Berth__V1__StatRequest, _ arena: Arena) throws(SchemaError) {
        lease = try arena.swift(c.lease, "lease")
        path = try arena.swift(c.path, "path")
        followsLink = c.follow != 0
        pathBytes = arena.swift(c.path_raw)
    }

    func fill(_ c: UnsafeMutablePointer<Berth__V1__StatRequest>, _ arena: Arena) {
        c.pointee.lease = arena.string(lease)
        c.pointee.path = arena.string(path)
        c.pointee.follow = followsLink ? 1 : 0
        c.pointee.path_raw = arena.bytes(pathBytes)
    }
}

/// berth.v1.StatResponse.
public struct StatResponse: Message, Bridged {
    /// Its name is the path as asked.
    public var info: FileInfo

    public init(info: FileInfo = FileInfo()) {
        self.info = info
    }

    static var initialize: @Sendable (UnsafeMutablePointer<Berth__V1__StatResponse>?) -> Void {
        { berth__v1__stat_response__init($0) }
    }

    init(_ c: Berth__V1__StatResponse, _ arena: Arena) throws(SchemaError) {
        info = try FileInfo(nested: c.info, arena, default: FileInfo())
    }

    func fill(_ c: UnsafeMutablePointer<Berth__V1__StatResponse>, _ arena: Arena) {
        c.pointee.info = info.build(arena)
    }
}

/// berth.v1.MakeDirectoryRequest.
public struct MakeDirectoryRequest: Message, Bridged {
    public var lease: String
    /// Absolute.
    public var path: String
    /// Permission bits; 0 is 0755.
    public var mode: UInt32
    /// Directories that are missing on the way are made; it may be there already.
    public var makesParents: Bool
    /// Instead of `path`: one that is not UTF-8.
    public var pathBytes: [UInt8]

    public init(
        lease: String = "", path: String = "", mode: UInt32 = 0, makesParents: Bool = false, pathBytes: [UInt8] = []
    ) {
        self.lease = lease
        self.path = path
        self.mode = mode
        self.makesParents = makesParents
        self.pathBytes = pathBytes
    }

    static var initialize: @Sendable (UnsafeMutablePointer<Berth__V1__MakeDirectoryRequest>?) -> Void {
        { berth__v1__make_directory_request__init($0) }
    }

    init(_ c: Berth__V1__MakeDirectoryRequest, _ arena: Arena) throws(SchemaError) {
        lease = try arena.swift(c.lease, "lease")
        path = try arena.swift(c.path, "path")
        mode = c.mode
        makesParents = c.parents != 0
        pathBytes = arena.swift(c.path_raw)
    }

    func fill(_ c: UnsafeMutablePointer<Berth__V1__MakeDirectoryRequest>, _ arena: Arena) {
        c.pointee.lease = arena.string(lease)
        c.pointee.path = arena.string(path)
        c.pointee.mode = mode
        c.pointee.parents = makesParents ? 1 : 0
        c.pointee.path_raw = arena.bytes(pathBytes)
    }
}

/// berth.v1.MakeDirectoryResponse.
public struct MakeDirectoryResponse: Message, Bridged {
    public init() {}

    static var initialize: @Sendable (UnsafeMutablePointer<Berth__V1__MakeDirectoryResponse>?) -> Void {
        { berth__v1__make_directory_response__init($0) }
    }

    init(_ c: Berth__V1__MakeDirectoryResponse, _ arena: Arena) throws(SchemaError) {}

    func fill(_ c: UnsafeMutablePointer<Berth__V1__MakeDirectoryResponse>, _ arena: Arena) {}
}

/// berth.v1.RenameFileRequest.
public struct RenameFileRequest: Message, Bridged {
    public var lease: String
    /// Absolute.
    public var from: String
    /// Absolute.
    public var to: String
    /// Fails when something is at the new path.
    public var neverReplaces: Bool
    /// Instead of `from`: one that is not UTF-8.
    public var fromBytes: [UInt8]
    /// Instead of `to`: one that is not UTF-8.
    public var toBytes: [UInt8]

    public init(
        lease: String = "", from: String = "", to: String = "", neverReplaces: Bool = false, fromBytes: [UInt8] = [],
        toBytes: [UInt8] = []
    ) {
        self.lease = lease
        self.from = from
        self.to = to
        self.neverReplaces = neverReplaces
        self.fromBytes = fromBytes
        self.toBytes = toBytes
    }

    static var initialize: @Sendable (UnsafeMutablePointer<Berth__V1__RenameFileRequest>?) -> Void {
        { berth__v1__rename_file_request__init($0) }
    }

    init(_ c: Berth__V1__RenameFileRequest, _ arena: Arena) throws(SchemaError) {
        lease = try arena.swift(c.lease, "lease")
        from = try arena.swift(c.from, "from")
        to = try arena.swift(c.to, "to")
        neverReplaces = c.no_replace != 0
        fromBytes = arena.swift(c.from_raw)
        toBytes = arena.swift(c.to_raw)
    }

    func fill(_ c: UnsafeMutablePointer<Berth__V1__RenameFileRequest>, _ arena: Arena) {
        c.pointee.lease = arena.string(lease)
        c.pointee.from = arena.string(from)
        c.pointee.to = arena.string(to)
        c.pointee.no_replace = neverReplaces ? 1 : 0
        c.pointee.from_raw = arena.bytes(fromBytes)
        c.pointee.to_raw = arena.bytes(toBytes)
    }
}

/// berth.v1.RenameFileResponse.
public struct RenameFileResponse: Message, Bridged {
    public init() {}

    static var initialize: @Sendable (UnsafeMutablePointer<Berth__V1__RenameFileResponse>?) -> Void {
        { berth__v1__rename_file_response__init($0) }
    }

    init(_ c: Berth__V1__RenameFileResponse, _ arena: Arena) throws(SchemaError) {}

    func fill(_ c: UnsafeMutablePointer<Berth__V1__RenameFileResponse>, _ arena: Arena) {}
}

/// berth.v1.ChangeModeRequest.
public struct ChangeModeRequest: Message, Bridged {
    public var lease: String
    /// Absolute.
    public var path: String
    /// Permission bits.
    public var mode: UInt32
    /// Instead of `path`: one that is not UTF-8.
    public var pathBytes: [UInt8]

    public init(lease: String = "", path: String = "", mode: UInt32 = 0, pathBytes: [UInt8] = []) {
        self.lease = lease
        self.path = path
        self.mode = mode
        self.pathBytes = pathBytes
    }

    static var initialize: @Sendable (UnsafeMutablePointer<Berth__V1__ChangeModeRequest>?) -> Void {
        { berth__v1__change_mode_request__init($0) }
    }

    init(_ c: Berth__V1__ChangeModeRequest, _ arena: Arena) throws(SchemaError) {
        lease = try arena.swift(c.lease, "lease")
        path = try arena.swift(c.path, "path")
        mode = c.mode
        pathBytes = arena.swift(c.path_raw)
    }

    func fill(_ c: UnsafeMutablePointer<Berth__V1__ChangeModeRequest>, _ arena: Arena) {
        c.pointee.lease = arena.string(lease)
        c.pointee.path = arena.string(path)
        c.pointee.mode = mode
        c.pointee.path_raw = arena.bytes(pathBytes)
    }
}

/// berth.v1.ChangeModeResponse.
public struct ChangeModeResponse: Message, Bridged {
    public init() {}

    static var initialize: @Sendable (UnsafeMutablePointer<Berth__V1__ChangeModeResponse>?) -> Void {
        { berth__v1__change_mode_response__init($0) }
    }

    init(_ c: Berth__V1__ChangeModeResponse, _ arena: Arena) throws(SchemaError) {}

    func fill(_ c: UnsafeMutablePointer<Berth__V1__ChangeModeResponse>, _ arena: Arena) {}
}
