// SPDX-License-Identifier: Apache-2.0

/// One pool: what its members are made like, and how many there are.
package struct PoolConfiguration: Sendable, Equatable {
    package var name: String
    package var template: MemberTemplate
    /// How many members are kept idle.
    package var sizing: Sizing
    /// Maximum of members in all states together.
    package var max: Int
    /// Members filled in before another pool has its turn.
    package var batch: Int
    /// How long nothing is created after a create that failed.
    package var backoff: Duration
    /// A create that has not ended in an answering member by then has failed.
    package var createTimeout: Duration
    /// How long a lease lasts without use.
    package var leaseTime: Duration
    /// What becomes of a member after its release.
    package var reuse: Reuse
    /// A member this old is retired as soon as no lease is on it; nil: never.
    package var maxAge: Duration?
    /// Members are retired at up to this fraction of `maxAge` earlier, each at a time of its own, so that those created
    /// together do not all go together; 0 to 1.
    package var ageJitter: Double
    /// A member idle for so long is retired; nil: never.
    package var maxIdle: Duration?
    /// A member is retired after so many leases (`reuse: reset`); nil: never.
    package var maxUses: Int?
    /// A member that dies unused before it has lived so long died young: the second of these in a row counts as a
    /// create that failed.
    package var minLife: Duration
    /// A reset that has not been proven by then has failed.
    package var resetTimeout: Duration
    /// How often an idle member is asked whether it is well; nil: never.
    package var healthInterval: Duration?
    /// A member that has not answered by then is not well.
    package var pingTimeout: Duration
    /// Idle members beyond the target are retired one at a time, so far apart.
    package var surplusInterval: Duration

    /// How many members are kept idle.
    package enum Sizing: Sendable, Equatable {
        case fixed(Int)
        /// Follows demand between the two, as `Demand` computes it.
        case adaptive(min: Int, max: Int)
    }

    /// What becomes of a member after its release.
    package enum Reuse: Sendable, Equatable {
        /// It is destroyed.
        case never
        /// It is reset and, once proven clean, leased again. Only after a release: a lease that time or its connection
        /// ended takes its member along.
        case reset
    }

    /// Members kept idle, at least; setting it makes the size fixed.
    package var size: Int {
        get {
            switch sizing {
            case .fixed(let size): size
            case .adaptive(let min, _): min
            }
        }
        set { sizing = .fixed(newValue) }
    }

    /// - Parameter sizing: when given, counts instead of `size`.
    package init(
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
package struct FleetConfiguration: Sendable, Equatable {
    /// At least one; the first is the default pool. Names are unique.
    package var pools: [PoolConfiguration]
    /// Maximum of members of all pools together.
    package var max: Int
    /// What the memory limits of all members together may reach, in bytes.
    package var memoryBudgetBytes: Int64
    /// The maximum time that the maintenance task sleeps: a safety net.
    package var tick: Duration
    /// Maximum of acquires in one pool's queue.
    package var maxWaiters: Int
    /// Time that an acquire waits, used when the request sets none.
    package var defaultWait: Duration
    /// The maximum time that an acquire may wait.
    package var maxWait: Duration
    /// How long a lease outlives the connection that acquired it.
    package var connectionGrace: Duration
    /// Maximum of removals in flight.
    package var maxConcurrentRemovals: Int
    /// How long one attempt to remove a member may take.
    package var removeTimeout: Duration
    /// Maximum of leases and waiting acquires of one client together; nil: no limit.
    package var maxPerClient: Int?
    /// Maximum of resets in flight.
    package var maxConcurrentResets: Int
    /// Maximum of health pings in flight.
    package var maxConcurrentPings: Int
    /// Each member has a user id of its own from it, unless its pool has one for all; nil: none has.
    package var uids: ClosedRange<UInt32>?

    package init(
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
