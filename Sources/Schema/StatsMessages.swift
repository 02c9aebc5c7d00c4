internal import CSchema

/// berth.v1.StatsResponse.
public struct StatsResponse: Message, Bridged {
    public var server: String
    public var uptimeMilliseconds: UInt64
    public var runtime: String
    public var connections: UInt32
    public var executions: UInt32
    public var pools: [PoolStats]
    public var memoryBudgetBytes: UInt64
    public var memoryUsedBytes: UInt64
    /// The server's own memory that is held for callers now.
    public var heldBytes: UInt64
    /// What that may reach.
    public var heldBudgetBytes: UInt64

    public init(
        server: String = "", uptimeMilliseconds: UInt64 = 0, runtime: String = "", connections: UInt32 = 0,
        executions: UInt32 = 0, pools: [PoolStats] = [], memoryBudgetBytes: UInt64 = 0, memoryUsedBytes: UInt64 = 0,
        heldBytes: UInt64 = 0, heldBudgetBytes: UInt64 = 0
    ) {
        self.server = server
        self.uptimeMilliseconds = uptimeMilliseconds
        self.runtime = runtime
        self.connections = connections
        self.executions = executions
        self.pools = pools
        self.memoryBudgetBytes = memoryBudgetBytes
        self.memoryUsedBytes = memoryUsedBytes
        self.heldBytes = heldBytes
        self.heldBudgetBytes = heldBudgetBytes
    }

    static var initialize: @Sendable (UnsafeMutablePointer<Berth__V1__StatsResponse>?) -> Void {
        { berth__v1__stats_response__init($0) }
    }

    init(_ c: Berth__V1__StatsResponse, _ arena: Arena) throws(SchemaError) {
        server = try arena.swift(c.server, "server")
        uptimeMilliseconds = c.uptime_ms
        runtime = try arena.swift(c.runtime, "runtime")
        connections = c.connections
        executions = c.executions
        pools = []
        for index in 0..<c.n_pools {
            guard let entry = c.pools[index]?.pointee else { continue }
            pools.append(try PoolStats(entry, arena))
        }
        memoryBudgetBytes = c.memory_budget_bytes
        memoryUsedBytes = c.memory_used_bytes
        heldBytes = c.held_bytes
        heldBudgetBytes = c.held_budget_bytes
    }

    func fill(_ c: UnsafeMutablePointer<Berth__V1__StatsResponse>, _ arena: Arena) {
        c.pointee.server = arena.string(server)
        c.pointee.uptime_ms = uptimeMilliseconds
        c.pointee.runtime = arena.string(runtime)
        c.pointee.connections = connections
        c.pointee.executions = executions
        c.pointee.n_pools = pools.count
        c.pointee.pools = arena.list(pools) { $0.build(arena) }
        c.pointee.memory_budget_bytes = memoryBudgetBytes
        c.pointee.memory_used_bytes = memoryUsedBytes
        c.pointee.held_bytes = heldBytes
        c.pointee.held_budget_bytes = heldBudgetBytes
    }
}

/// berth.v1.WatchStatsRequest.
public struct WatchStatsRequest: Message, Bridged {
    /// Between two snapshots; 0 is the server's default, 1000.
    public var intervalMilliseconds: UInt32

    public init(intervalMilliseconds: UInt32 = 0) {
        self.intervalMilliseconds = intervalMilliseconds
    }

    static var initialize: @Sendable (UnsafeMutablePointer<Berth__V1__WatchStatsRequest>?) -> Void {
        { berth__v1__watch_stats_request__init($0) }
    }

    init(_ c: Berth__V1__WatchStatsRequest, _ arena: Arena) throws(SchemaError) {
        intervalMilliseconds = c.interval_ms
    }

    func fill(_ c: UnsafeMutablePointer<Berth__V1__WatchStatsRequest>, _ arena: Arena) {
        c.pointee.interval_ms = intervalMilliseconds
    }
}

/// berth.v1.PoolStats. Counts are of members.
public struct PoolStats: Message, Bridged {
    public var name: String
    public var image: String
    public var target: UInt32
    public var max: UInt32
    public var starting: UInt32
    public var idle: UInt32
    public var leased: UInt32
    public var stopping: UInt32
    public var waiters: UInt32
    public var oldestWaitMilliseconds: UInt64
    /// A create is wanted, and a limit is in its way.
    public var isHeld: Bool
    public var heldReason: String
    public var breaker: BreakerState
    /// Class of the last failure; empty when the breaker is closed.
    public var cause: String
    public var causeMessage: String
    public var failuresInRow: UInt32
    public var nextTryInMilliseconds: UInt64
    public var creates: UInt64
    public var createFailures: UInt64
    public var leases: UInt64
    public var destroyed: UInt64
    /// Released, and being made as new.
    public var resetting: UInt32
    /// Those of `idle` that were made like an earlier configuration says.
    public var outdated: UInt32
    /// Acquires are refused, and nothing is created.
    public var isDraining: Bool
    /// Resets that ended in a clean member.
    public var recycled: UInt64
    /// Members given up, by reason.
    public var retired: [String: UInt64]
    /// Quantiles of how long acquires took; 0 before the first.
    public var acquireP50Microseconds: UInt64
    public var acquireP90Microseconds: UInt64
    public var acquireP99Microseconds: UInt64
    /// Acquires, as the target of a pool that follows demand is computed from them.
    public var arrivalsPerSecond: Double
    /// What a create takes; 0 before the first.
    public var createMicroseconds: UInt64

    public init(
        name: String = "", image: String = "", target: UInt32 = 0, max: UInt32 = 0, starting: UInt32 = 0,
        idle: UInt32 = 0, leased: UInt32 = 0, stopping: UInt32 = 0, waiters: UInt32 = 0,
        oldestWaitMilliseconds: UInt64 = 0, isHeld: Bool = false, heldReason: String = "",
        breaker: BreakerState = .closed, cause: String = "", causeMessage: String = "", failuresInRow: UInt32 = 0,
        nextTryInMilliseconds: UInt64 = 0, creates: UInt64 = 0, createFailures: UInt64 = 0, leases: UInt64 = 0,
        destroyed: UInt64 = 0, resetting: UInt32 = 0, outdated: UInt32 = 0, isDraining: Bool = false,
        recycled: UInt64 = 0, retired: [String: UInt64] = [:], acquireP50Microseconds: UInt64 = 0,
        acquireP90Microseconds: UInt64 = 0, acquireP99Microseconds: UInt64 = 0, arrivalsPerSecond: Double = 0,
        createMicroseconds: UInt64 = 0
    ) {
        self.name = name
        self.image = image
        self.target = target
        self.max = max
        self.starting = starting
        self.idle = idle
        self.leased = leased
        self.stopping = stopping
        self.waiters = waiters
        self.oldestWaitMilliseconds = oldestWaitMilliseconds
        self.isHeld = isHeld
        self.heldReason = heldReason
        self.breaker = breaker
        self.cause = cause
        self.causeMessage = causeMessage
        self.failuresInRow = failuresInRow
        self.nextTryInMilliseconds = nextTryInMilliseconds
        self.creates = creates
        self.createFailures = createFailures
        self.leases = leases
        self.destroyed = destroyed
        self.resetting = resetting
        self.outdated = outdated
        self.isDraining = isDraining
        self.recycled = recycled
        self.retired = retired
        self.acquireP50Microseconds = acquireP50Microseconds
        self.acquireP90Microseconds = acquireP90Microseconds
        self.acquireP99Microseconds = acquireP99Microseconds
        self.arrivalsPerSecond = arrivalsPerSecond
        self.createMicroseconds = createMicroseconds
    }

    static var initialize: @Sendable (UnsafeMutablePointer<Berth__V1__PoolStats>?) -> Void {
        { berth__v1__pool_stats__init($0) }
    }

    init(_ c: Berth__V1__PoolStats, _ arena: Arena) throws(SchemaError) {
        name = try arena.swift(c.name, "name")
        image = try arena.swift(c.image, "image")
        target = c.target
        max = c.max
        starting = c.starting
        idle = c.idle
        leased = c.leased
        stopping = c.stopping
        waiters = c.waiters
        oldestWaitMilliseconds = c.oldest_wait_ms
        isHeld = c.held != 0
        heldReason = try arena.swift(c.held_reason, "held_reason")
        breaker = BreakerState(rawValue: c.breaker.rawValue) ?? .closed
        cause = try arena.swift(c.cause, "cause")
        causeMessage = try arena.swift(c.cause_message, "cause_message")
        failuresInRow = c.failures_in_row
        nextTryInMilliseconds = c.next_try_in_ms
        creates = c.creates
        createFailures = c.create_failures
        leases = c.leases
        destroyed = c.destroyed
        resetting = c.resetting
        outdated = c.outdated
        isDraining = c.draining != 0
        recycled = c.recycled
        retired = [:]
        for index in 0..<c.n_retired {
            guard let entry = c.retired[index]?.pointee else { continue }
            retired[try arena.swift(entry.key, "retired")] = entry.value
        }
        acquireP50Microseconds = c.acquire_p50_us
        acquireP90Microseconds = c.acquire_p90_us
        acquireP99Microseconds = c.acquire_p99_us
        arrivalsPerSecond = c.arrivals_per_second
        createMicroseconds = c.create_us
    }

    func fill(_ c: UnsafeMutablePointer<Berth__V1__PoolStats>, _ arena: Arena) {
        c.pointee.name = arena.string(name)
        c.pointee.image = arena.string(image)
        c.pointee.target = target
        c.pointee.max = max
        c.pointee.starting = starting
        c.pointee.idle = idle
        c.pointee.leased = leased
        c.pointee.stopping = stopping
        c.pointee.waiters = waiters
        c.pointee.oldest_wait_ms = oldestWaitMilliseconds
        c.pointee.held = isHeld ? 1 : 0
        c.pointee.held_reason = arena.string(heldReason)
        c.pointee.breaker = Berth__V1__BreakerState(rawValue: breaker.rawValue)
        c.pointee.cause = arena.string(cause)
        c.pointee.cause_message = arena.string(causeMessage)
        c.pointee.failures_in_row = failuresInRow
        c.pointee.next_try_in_ms = nextTryInMilliseconds
        c.pointee.creates = creates
        c.pointee.create_failures = createFailures
        c.pointee.leases = leases
        c.pointee.destroyed = destroyed
        c.pointee.resetting = resetting
        c.pointee.outdated = outdated
        c.pointee.draining = isDraining ? 1 : 0
        c.pointee.recycled = recycled
        c.pointee.n_retired = retired.count
        c.pointee.retired = arena.list(
            retired.map { reason, count in
                let entry = arena.make { berth__v1__pool_stats__retired_entry__init($0) }
                entry.pointee.key = arena.string(reason)
                entry.pointee.value = count
                return entry
            })
        c.pointee.acquire_p50_us = acquireP50Microseconds
        c.pointee.acquire_p90_us = acquireP90Microseconds
        c.pointee.acquire_p99_us = acquireP99Microseconds
        c.pointee.arrivals_per_second = arrivalsPerSecond
        c.pointee.create_us = createMicroseconds
    }
}

/// A pool's breaker (berth.v1.BreakerState).
public enum BreakerState: UInt32, Sendable, Equatable {
    /// Creates go on.
    case closed = 0
    /// No create until the next try.
    case open = 1
    /// One create is being tried.
    case halfOpen = 2
}
