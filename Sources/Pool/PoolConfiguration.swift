/// One pool: what its members are made like, and how many there are.
public struct PoolConfiguration: Sendable, Equatable {
    public var name: String
    public var template: MemberTemplate
    /// Members kept idle.
    public var size: Int
    /// Members in all states together, at most.
    public var max: Int
    /// Members filled in before another pool has its turn.
    public var batch: Int
    /// How long nothing is created after a create that failed.
    public var backoff: Duration
    /// A create that has not ended in an answering member by then has failed.
    public var createTimeout: Duration
    /// How long a lease lasts without use.
    public var leaseTime: Duration

    public init(
        name: String = "default", template: MemberTemplate = MemberTemplate(), size: Int = 2, max: Int = 16,
        batch: Int = 3, backoff: Duration = .seconds(300), createTimeout: Duration = .seconds(60),
        leaseTime: Duration = .seconds(300)
    ) {
        self.name = name
        self.template = template
        self.size = size
        self.max = max
        self.batch = batch
        self.backoff = backoff
        self.createTimeout = createTimeout
        self.leaseTime = leaseTime
    }
}

/// All pools of a server, and what they share.
public struct FleetConfiguration: Sendable, Equatable {
    /// At least one; the first is the default pool. Names are unique.
    public var pools: [PoolConfiguration]
    /// Members of all pools together, at most.
    public var max: Int
    /// What the memory limits of all members together may reach, in bytes.
    public var memoryBudgetBytes: Int64
    /// The safety net: how long the maintenance task sleeps at most.
    public var tick: Duration
    /// How many acquires may wait in one pool's line.
    public var maxWaiters: Int
    /// How long an acquire waits that does not say.
    public var defaultWait: Duration
    /// How long an acquire may wait at most.
    public var maxWait: Duration
    /// How long a lease outlives the connection that acquired it.
    public var connectionGrace: Duration
    /// Members being removed at the same time, at most.
    public var maxConcurrentRemovals: Int
    /// How long one attempt to remove a member may take.
    public var removeTimeout: Duration

    public init(
        pools: [PoolConfiguration], max: Int = 300, memoryBudgetBytes: Int64 = .max, tick: Duration = .seconds(30),
        maxWaiters: Int = 1024, defaultWait: Duration = .seconds(30), maxWait: Duration = .seconds(900),
        connectionGrace: Duration = .seconds(10), maxConcurrentRemovals: Int = 4, removeTimeout: Duration = .seconds(30)
    ) {
        self.pools = pools
        self.max = max
        self.memoryBudgetBytes = memoryBudgetBytes
        self.tick = tick
        self.maxWaiters = maxWaiters
        self.defaultWait = defaultWait
        self.maxWait = maxWait
        self.connectionGrace = connectionGrace
        self.maxConcurrentRemovals = maxConcurrentRemovals
        self.removeTimeout = removeTimeout
    }
}
