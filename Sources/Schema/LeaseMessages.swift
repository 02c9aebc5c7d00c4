internal import CSchema

/// berth.v1.HelloRequest.
public struct HelloRequest: Message, Bridged {
    /// Who calls: `name/version`.
    public var client: String

    public init(client: String = "") {
        self.client = client
    }

    static var initialize: @Sendable (UnsafeMutablePointer<Berth__V1__HelloRequest>?) -> Void {
        { berth__v1__hello_request__init($0) }
    }

    init(_ c: Berth__V1__HelloRequest, _ arena: Arena) throws(SchemaError) {
        client = try arena.swift(c.client, "client")
    }

    func fill(_ c: UnsafeMutablePointer<Berth__V1__HelloRequest>, _ arena: Arena) {
        c.pointee.client = arena.string(client)
    }
}

/// berth.v1.HelloResponse.
public struct HelloResponse: Message, Bridged {
    /// `berth/0.1.0`.
    public var server: String
    /// The pools' names, the default one first.
    public var pools: [String]

    public init(server: String = "", pools: [String] = []) {
        self.server = server
        self.pools = pools
    }

    static var initialize: @Sendable (UnsafeMutablePointer<Berth__V1__HelloResponse>?) -> Void {
        { berth__v1__hello_response__init($0) }
    }

    init(_ c: Berth__V1__HelloResponse, _ arena: Arena) throws(SchemaError) {
        server = try arena.swift(c.server, "server")
        pools = try arena.swift(c.pools, count: c.n_pools, "pools")
    }

    func fill(_ c: UnsafeMutablePointer<Berth__V1__HelloResponse>, _ arena: Arena) {
        c.pointee.server = arena.string(server)
        c.pointee.n_pools = pools.count
        c.pointee.pools = arena.list(pools, arena.string)
    }
}

/// berth.v1.AcquireRequest.
public struct AcquireRequest: Message, Bridged {
    /// Empty is the default pool.
    public var pool: String
    /// 0 is the server's default.
    public var waitMilliseconds: UInt32
    /// The lease outlives its connection.
    public var isDetached: Bool
    /// 0 is the server's limit.
    public var ttlMilliseconds: UInt32

    public init(pool: String = "", waitMilliseconds: UInt32 = 0, isDetached: Bool = false, ttlMilliseconds: UInt32 = 0)
    {
        self.pool = pool
        self.waitMilliseconds = waitMilliseconds
        self.isDetached = isDetached
        self.ttlMilliseconds = ttlMilliseconds
    }

    static var initialize: @Sendable (UnsafeMutablePointer<Berth__V1__AcquireRequest>?) -> Void {
        { berth__v1__acquire_request__init($0) }
    }

    init(_ c: Berth__V1__AcquireRequest, _ arena: Arena) throws(SchemaError) {
        pool = try arena.swift(c.pool, "pool")
        waitMilliseconds = c.wait_ms
        isDetached = c.detached != 0
        ttlMilliseconds = c.ttl_ms
    }

    func fill(_ c: UnsafeMutablePointer<Berth__V1__AcquireRequest>, _ arena: Arena) {
        c.pointee.pool = arena.string(pool)
        c.pointee.wait_ms = waitMilliseconds
        c.pointee.detached = isDetached ? 1 : 0
        c.pointee.ttl_ms = ttlMilliseconds
    }
}

/// berth.v1.AcquireResponse.
public struct AcquireResponse: Message, Bridged {
    /// The lease's token.
    public var lease: String
    /// The member's name, for logs.
    public var member: String
    /// How long the lease lasts without use.
    public var ttlMilliseconds: UInt32
    /// The member was idle; false: it was created while the call waited.
    public var isWarm: Bool

    public init(lease: String = "", member: String = "", ttlMilliseconds: UInt32 = 0, isWarm: Bool = false) {
        self.lease = lease
        self.member = member
        self.ttlMilliseconds = ttlMilliseconds
        self.isWarm = isWarm
    }

    static var initialize: @Sendable (UnsafeMutablePointer<Berth__V1__AcquireResponse>?) -> Void {
        { berth__v1__acquire_response__init($0) }
    }

    init(_ c: Berth__V1__AcquireResponse, _ arena: Arena) throws(SchemaError) {
        lease = try arena.swift(c.lease, "lease")
        member = try arena.swift(c.member, "member")
        ttlMilliseconds = c.ttl_ms
        isWarm = c.warm != 0
    }

    func fill(_ c: UnsafeMutablePointer<Berth__V1__AcquireResponse>, _ arena: Arena) {
        c.pointee.lease = arena.string(lease)
        c.pointee.member = arena.string(member)
        c.pointee.ttl_ms = ttlMilliseconds
        c.pointee.warm = isWarm ? 1 : 0
    }
}

/// berth.v1.ReleaseRequest.
public struct ReleaseRequest: Message, Bridged {
    /// The lease's token.
    public var lease: String

    public init(lease: String = "") {
        self.lease = lease
    }

    static var initialize: @Sendable (UnsafeMutablePointer<Berth__V1__ReleaseRequest>?) -> Void {
        { berth__v1__release_request__init($0) }
    }

    init(_ c: Berth__V1__ReleaseRequest, _ arena: Arena) throws(SchemaError) {
        lease = try arena.swift(c.lease, "lease")
    }

    func fill(_ c: UnsafeMutablePointer<Berth__V1__ReleaseRequest>, _ arena: Arena) {
        c.pointee.lease = arena.string(lease)
    }
}

/// berth.v1.RenewRequest.
public struct RenewRequest: Message, Bridged {
    /// The lease's token.
    public var lease: String
    /// How long it lasts without use from now on; 0 is as before.
    public var ttlMilliseconds: UInt32

    public init(lease: String = "", ttlMilliseconds: UInt32 = 0) {
        self.lease = lease
        self.ttlMilliseconds = ttlMilliseconds
    }

    static var initialize: @Sendable (UnsafeMutablePointer<Berth__V1__RenewRequest>?) -> Void {
        { berth__v1__renew_request__init($0) }
    }

    init(_ c: Berth__V1__RenewRequest, _ arena: Arena) throws(SchemaError) {
        lease = try arena.swift(c.lease, "lease")
        ttlMilliseconds = c.ttl_ms
    }

    func fill(_ c: UnsafeMutablePointer<Berth__V1__RenewRequest>, _ arena: Arena) {
        c.pointee.lease = arena.string(lease)
        c.pointee.ttl_ms = ttlMilliseconds
    }
}

/// berth.v1.RenewResponse.
public struct RenewResponse: Message, Bridged {
    /// The time left.
    public var ttlMilliseconds: UInt32

    public init(ttlMilliseconds: UInt32 = 0) {
        self.ttlMilliseconds = ttlMilliseconds
    }

    static var initialize: @Sendable (UnsafeMutablePointer<Berth__V1__RenewResponse>?) -> Void {
        { berth__v1__renew_response__init($0) }
    }

    init(_ c: Berth__V1__RenewResponse, _ arena: Arena) throws(SchemaError) {
        ttlMilliseconds = c.ttl_ms
    }

    func fill(_ c: UnsafeMutablePointer<Berth__V1__RenewResponse>, _ arena: Arena) {
        c.pointee.ttl_ms = ttlMilliseconds
    }
}
