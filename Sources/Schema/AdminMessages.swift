internal import CSchema

/// berth.v1.ResetBackoffRequest.
public struct ResetBackoffRequest: Message, Bridged {
    /// Empty is all pools.
    public var pool: String

    public init(pool: String = "") {
        self.pool = pool
    }

    static var initialize: @Sendable (UnsafeMutablePointer<Berth__V1__ResetBackoffRequest>?) -> Void {
        { berth__v1__reset_backoff_request__init($0) }
    }

    init(_ c: Berth__V1__ResetBackoffRequest, _ arena: Arena) throws(SchemaError) {
        pool = try arena.swift(c.pool, "pool")
    }

    func fill(_ c: UnsafeMutablePointer<Berth__V1__ResetBackoffRequest>, _ arena: Arena) {
        c.pointee.pool = arena.string(pool)
    }
}

/// berth.v1.ResetBackoffResponse.
public struct ResetBackoffResponse: Message, Bridged {
    /// Those whose breaker was not closed, and now is.
    public var pools: [String]

    public init(pools: [String] = []) {
        self.pools = pools
    }

    static var initialize: @Sendable (UnsafeMutablePointer<Berth__V1__ResetBackoffResponse>?) -> Void {
        { berth__v1__reset_backoff_response__init($0) }
    }

    init(_ c: Berth__V1__ResetBackoffResponse, _ arena: Arena) throws(SchemaError) {
        pools = try arena.swift(c.pools, count: c.n_pools, "pools")
    }

    func fill(_ c: UnsafeMutablePointer<Berth__V1__ResetBackoffResponse>, _ arena: Arena) {
        c.pointee.n_pools = pools.count
        c.pointee.pools = arena.list(pools.map(arena.string))
    }
}

/// berth.v1.ResizeRequest.
public struct ResizeRequest: Message, Bridged {
    public var pool: String
    /// Members kept idle; nil is as it is.
    public var size: UInt32?
    /// Members in all states together, at most; nil is as it is.
    public var max: UInt32?

    public init(pool: String = "", size: UInt32? = nil, max: UInt32? = nil) {
        self.pool = pool
        self.size = size
        self.max = max
    }

    static var initialize: @Sendable (UnsafeMutablePointer<Berth__V1__ResizeRequest>?) -> Void {
        { berth__v1__resize_request__init($0) }
    }

    init(_ c: Berth__V1__ResizeRequest, _ arena: Arena) throws(SchemaError) {
        pool = try arena.swift(c.pool, "pool")
        size = c.new_size_case == BERTH__V1__RESIZE_REQUEST__NEW_SIZE_SIZE ? c.size : nil
        max = c.new_max_case == BERTH__V1__RESIZE_REQUEST__NEW_MAX_MAX ? c.max : nil
    }

    func fill(_ c: UnsafeMutablePointer<Berth__V1__ResizeRequest>, _ arena: Arena) {
        c.pointee.pool = arena.string(pool)
        if let size {
            c.pointee.new_size_case = BERTH__V1__RESIZE_REQUEST__NEW_SIZE_SIZE
            c.pointee.size = size
        }
        if let max {
            c.pointee.new_max_case = BERTH__V1__RESIZE_REQUEST__NEW_MAX_MAX
            c.pointee.max = max
        }
    }
}

/// berth.v1.ResizeResponse.
/// What they are now.
public struct ResizeResponse: Message, Bridged {
    public var size: UInt32
    public var max: UInt32

    public init(size: UInt32 = 0, max: UInt32 = 0) {
        self.size = size
        self.max = max
    }

    static var initialize: @Sendable (UnsafeMutablePointer<Berth__V1__ResizeResponse>?) -> Void {
        { berth__v1__resize_response__init($0) }
    }

    init(_ c: Berth__V1__ResizeResponse, _ arena: Arena) throws(SchemaError) {
        size = c.size
        max = c.max
    }

    func fill(_ c: UnsafeMutablePointer<Berth__V1__ResizeResponse>, _ arena: Arena) {
        c.pointee.size = size
        c.pointee.max = max
    }
}

/// berth.v1.DrainRequest.
public struct DrainRequest: Message, Bridged {
    public var pool: String

    public init(pool: String = "") {
        self.pool = pool
    }

    static var initialize: @Sendable (UnsafeMutablePointer<Berth__V1__DrainRequest>?) -> Void {
        { berth__v1__drain_request__init($0) }
    }

    init(_ c: Berth__V1__DrainRequest, _ arena: Arena) throws(SchemaError) {
        pool = try arena.swift(c.pool, "pool")
    }

    func fill(_ c: UnsafeMutablePointer<Berth__V1__DrainRequest>, _ arena: Arena) {
        c.pointee.pool = arena.string(pool)
    }
}

/// berth.v1.DrainResponse.
public struct DrainResponse: Message, Bridged {
    /// Leases that go on.
    public var leased: UInt32

    public init(leased: UInt32 = 0) {
        self.leased = leased
    }

    static var initialize: @Sendable (UnsafeMutablePointer<Berth__V1__DrainResponse>?) -> Void {
        { berth__v1__drain_response__init($0) }
    }

    init(_ c: Berth__V1__DrainResponse, _ arena: Arena) throws(SchemaError) {
        leased = c.leased
    }

    func fill(_ c: UnsafeMutablePointer<Berth__V1__DrainResponse>, _ arena: Arena) {
        c.pointee.leased = leased
    }
}

/// berth.v1.ListMembersRequest.
public struct ListMembersRequest: Message, Bridged {
    /// Empty is all pools.
    public var pool: String

    public init(pool: String = "") {
        self.pool = pool
    }

    static var initialize: @Sendable (UnsafeMutablePointer<Berth__V1__ListMembersRequest>?) -> Void {
        { berth__v1__list_members_request__init($0) }
    }

    init(_ c: Berth__V1__ListMembersRequest, _ arena: Arena) throws(SchemaError) {
        pool = try arena.swift(c.pool, "pool")
    }

    func fill(_ c: UnsafeMutablePointer<Berth__V1__ListMembersRequest>, _ arena: Arena) {
        c.pointee.pool = arena.string(pool)
    }
}

/// berth.v1.ListMembersResponse.
public struct ListMembersResponse: Message, Bridged {
    public var members: [Member]

    public init(members: [Member] = []) {
        self.members = members
    }

    static var initialize: @Sendable (UnsafeMutablePointer<Berth__V1__ListMembersResponse>?) -> Void {
        { berth__v1__list_members_response__init($0) }
    }

    init(_ c: Berth__V1__ListMembersResponse, _ arena: Arena) throws(SchemaError) {
        members = []
        members.reserveCapacity(c.n_members)
        for index in 0..<c.n_members {
            guard let entry = c.members[index]?.pointee else { continue }
            members.append(try Member(entry, arena))
        }
    }

    func fill(_ c: UnsafeMutablePointer<Berth__V1__ListMembersResponse>, _ arena: Arena) {
        c.pointee.n_members = members.count
        c.pointee.members = arena.list(members.map { $0.build(arena) })
    }
}

/// berth.v1.Member.
public struct Member: Message, Bridged {
    /// Its name, as in `AcquireResponse`.
    public var id: String
    public var pool: String
    public var state: MemberState
    /// Since it got ready; 0 before.
    public var ageMilliseconds: UInt64
    /// How often it was leased.
    public var uses: UInt32
    /// It was made like an earlier configuration says.
    public var isOutdated: Bool

    public init(
        id: String = "", pool: String = "", state: MemberState = .unspecified, ageMilliseconds: UInt64 = 0,
        uses: UInt32 = 0, isOutdated: Bool = false
    ) {
        self.id = id
        self.pool = pool
        self.state = state
        self.ageMilliseconds = ageMilliseconds
        self.uses = uses
        self.isOutdated = isOutdated
    }

    static var initialize: @Sendable (UnsafeMutablePointer<Berth__V1__Member>?) -> Void {
        { berth__v1__member__init($0) }
    }

    init(_ c: Berth__V1__Member, _ arena: Arena) throws(SchemaError) {
        id = try arena.swift(c.id, "id")
        pool = try arena.swift(c.pool, "pool")
        state = MemberState(rawValue: c.state.rawValue) ?? .unspecified
        ageMilliseconds = c.age_ms
        uses = c.uses
        isOutdated = c.outdated != 0
    }

    func fill(_ c: UnsafeMutablePointer<Berth__V1__Member>, _ arena: Arena) {
        c.pointee.id = arena.string(id)
        c.pointee.pool = arena.string(pool)
        c.pointee.state = Berth__V1__MemberState(rawValue: state.rawValue)
        c.pointee.age_ms = ageMilliseconds
        c.pointee.uses = uses
        c.pointee.outdated = isOutdated ? 1 : 0
    }
}

/// What a member is doing (berth.v1.MemberState; the raw values are the wire's).
public enum MemberState: UInt32, Sendable, Equatable, CaseIterable {
    /// One that this client does not know.
    case unspecified = 0
    case starting = 1
    case idle = 2
    case leased = 3
    /// Released, and being made as new.
    case resetting = 4
    /// Given up; it counts until the runtime has confirmed that it is gone.
    case stopping = 5
}
