// SPDX-License-Identifier: Apache-2.0

/// One pool: how its members are created, and how many there are.
public struct PoolConfiguration: Sendable, Equatable {
    public var name: String
    public var template: MemberTemplate
    /// How many members are kept idle.
    public var sizing: Sizing
    /// Maximum of members in all states together.
    public var max: Int
    /// Maximum number of creates before it is another pool's turn.
    public var batch: Int
    /// How long nothing is created after a failed create.
    public var backoff: Duration
    /// Time after which a create without an answering member counts as failed.
    public var createTimeout: Duration
    /// How long a lease lasts without use.
    public var leaseTime: Duration
    /// What happens to a member after its release.
    public var reuse: Reuse
    /// A member of this age is retired as soon as it is not leased; nil is never.
    public var maxAge: Duration?
    /// Members are retired at up to this fraction of `maxAge` earlier, each at a time of its own, so that those created
    /// together do not all go together; 0 to 1.
    public var ageJitter: Double
    /// A member that was idle for this long is retired; nil is never.
    public var maxIdle: Duration?
    /// A member is retired after this many leases (`reuse: reset`); nil is never.
    public var maxUses: Int?
    /// A member that dies unused before this age died young: the second such member in a row counts as a failed create.
    public var minLife: Duration
    /// Time after which a reset without proof counts as failed.
    public var resetTimeout: Duration
    /// How often an idle member is pinged; nil is never.
    public var healthInterval: Duration?
    /// Time after which a member that does not answer is unhealthy.
    public var pingTimeout: Duration
    /// Time between two retirements of idle members beyond the target.
    public var surplusInterval: Duration

    /// How many members are kept idle.
    public enum Sizing: Sendable, Equatable {
        case fixed(Int)
        /// Follows demand between the two, as `Demand` computes it.
        case adaptive(min: Int, max: Int)
    }

    /// What happens to a member after its release.
    public enum Reuse: Sendable, Equatable {
        /// It is destroyed.
        case never
        /// It is reset and, once proven clean, leased again. Only after a release: if a lease expires or its connection
        /// closes, its member is destroyed.
        case reset
    }

    /// Minimum number of idle members; setting it makes the size fixed.
    public var size: Int {
        get {
            switch sizing {
            case .fixed(let size): size
            case .adaptive(let min, _): min
            }
        }
        set { sizing = .fixed(newValue) }
    }

    /// - Parameter sizing: if given, it is used instead of `size`.
    public init(
        name: String = "default", template: MemberTemplate = MemberTemplate(), size: Int = 2, max: Int = 16,
        batch: Int = 3, backoff: Duration = .seconds(300), createTimeout: Duration = .seconds(60),
        leaseTime: Duration = .seconds(300), sizing: Sizing? = nil, reuse: Reuse = .never,
        maxAge: Duration? = .seconds(3600), ageJitter: Double = 0.1, maxIdle: Duration? = nil, maxUses: Int? = 1000,
        minLife: Duration = .seconds(10), resetTimeout: Duration = .seconds(5),
        healthInterval: Duration? = .seconds(30), pingTimeout: Duration = .seconds(5),
        surplusInterval: Duration = .seconds(30)
    ) {
        self.name = name
        self.template = template
        self.sizing = sizing ?? .fixed(size)
        self.reuse = reuse
        self.maxAge = maxAge
        self.ageJitter = ageJitter
        self.maxIdle = maxIdle
        self.maxUses = maxUses
        self.minLife = minLife
        self.resetTimeout = resetTimeout
        self.healthInterval = healthInterval
        self.pingTimeout = pingTimeout
        self.surplusInterval = surplusInterval
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
    /// Maximum of members of all pools together.
    public var max: Int
    /// Maximum sum of the memory limits of all members, in bytes.
    public var memoryBudgetBytes: Int64
    /// The maximum time that the maintenance task sleeps: a safety net.
    public var tick: Duration
    /// Maximum of acquires in one pool's queue.
    public var maxWaiters: Int
    /// Time that an acquire waits, used when the request sets none.
    public var defaultWait: Duration
    /// The maximum time that an acquire may wait.
    public var maxWait: Duration
    /// How long a lease outlives the connection that acquired it.
    public var connectionGrace: Duration
    /// Maximum of removals in flight.
    public var maxConcurrentRemovals: Int
    /// How long one attempt to remove a member may take.
    public var removeTimeout: Duration
    /// Maximum of leases and waiting acquires of one client together; nil: no limit.
    public var maxPerClient: Int?
    /// Maximum of resets in flight.
    public var maxConcurrentResets: Int
    /// Maximum of health pings in flight.
    public var maxConcurrentPings: Int
    /// Range of user ids from which each member gets its own, unless its pool has one for all; nil is no such range.
    public var uids: ClosedRange<UInt32>?

    public init(
        pools: [PoolConfiguration], max: Int = 300, memoryBudgetBytes: Int64 = .max, tick: Duration = .seconds(30),
        maxWaiters: Int = 1024, defaultWait: Duration = .seconds(30), maxWait: Duration = .seconds(900),
        connectionGrace: Duration = .seconds(10), maxConcurrentRemovals: Int = 4,
        removeTimeout: Duration = .seconds(30),
        maxPerClient: Int? = nil, maxConcurrentResets: Int = 64, maxConcurrentPings: Int = 16,
        uids: ClosedRange<UInt32>? = nil
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
        self.maxPerClient = maxPerClient
        self.maxConcurrentResets = maxConcurrentResets
        self.maxConcurrentPings = maxConcurrentPings
        self.uids = uids
    }
}
