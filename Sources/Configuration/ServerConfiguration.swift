public import Pool

/// All that a server can be told, with its defaults. `SettingsTable` describes each, by its name in the file.
public struct ServerConfiguration: Sendable, Equatable {
    public enum Runtime: String, Sendable, CaseIterable {
        case auto
        case docker
        case runc
    }

    public enum LogFormat: String, Sendable, CaseIterable {
        case text
        case json
    }

    public enum LogLevel: String, Sendable, CaseIterable {
        case trace
        case debug
        case info
        case notice
        case warning
        case error
        case critical
    }

    public var listen = ["127.0.0.1:7411"]
    public var insecure = false
    public var runtime = Runtime.auto
    public var dockerHost: String?
    public var agent: String?
    public var instance: String?
    public var stateDirectory: String?
    public var logFormat = LogFormat.text
    public var logLevel = LogLevel.info
    public var maxConnections = 10_000
    public var drainTime = Duration.seconds(10)
    public var executionTimeout = Duration.seconds(60)
    public var executionGrace = Duration.seconds(2)
    public var outputGrace = Duration.milliseconds(100)
    public var maxOutputGrace = Duration.seconds(1)
    public var maxExecutionTimeout = Duration.seconds(24 * 3600)
    public var heldMemoryBytes: Int64 = 256 << 20
    /// Nil: a half of that.
    public var heldMemoryPerClientBytes: Int64?
    public var maxExecutions = 64
    public var maxWatchers = 64
    public var unreadTime = Duration.seconds(600)
    /// Nil: each container has one of its own, from `uids`.
    public var uid: UInt32?
    public var uids: ClosedRange<UInt32> = 70_000...99_999
    /// Permissions of unix sockets that are listened on; nil: 0600, and 0660 with a group.
    public var socketMode: UInt32?
    /// Their group's name or number; nil: the server's own.
    public var socketGroup: String?
    /// Nil: 300, or what the largest pool may have.
    public var max: Int?
    /// Nil: 80 % of what is available at start.
    public var memoryBudgetBytes: Int64?
    /// What all pools share; its `pools`, `max` and `memoryBudgetBytes` are not used.
    public var fleet = FleetConfiguration(pools: [])
    /// In their order: the first is the default pool.
    public var pools = [PoolSettings()]

    public init() {}

    /// The pools' part.
    /// - Parameters:
    ///   - image: used for pools that set none.
    ///   - memoryBudgetBytes: where none is said.
    public func fleetConfiguration(image: String, memoryBudgetBytes standard: Int64) -> FleetConfiguration {
        var fleet = fleet
        fleet.pools = pools.map { settings in
            var pool = settings.pool
            pool.template.image = settings.image ?? image
            pool.template.uid = settings.programs.uid ?? uid
            pool.template.allowedUIDs = settings.programs.allowedUIDs
            return pool
        }
        fleet.uids = uids
        fleet.max = max ?? Swift.max(300, fleet.pools.map(\.max).max() ?? 0)
        fleet.memoryBudgetBytes = memoryBudgetBytes ?? standard
        return fleet
    }

    /// What members of its pools are made like, each once.
    public func templates(standardImage: String) -> [MemberTemplate] {
        var templates: [MemberTemplate] = []
        for pool in fleetConfiguration(image: standardImage, memoryBudgetBytes: .max).pools
        where !templates.contains(pool.template) {
            templates.append(pool.template)
        }
        return templates
    }
}

/// One pool as configured.
public struct PoolSettings: Sendable, Equatable {
    /// Nil: the runtime's standard image.
    public var image: String?
    /// The pool but for its image.
    public var pool: PoolConfiguration
    public var programs: ProgramSettings

    public init(
        image: String? = nil, pool: PoolConfiguration = PoolConfiguration(),
        programs: ProgramSettings = ProgramSettings()
    ) {
        self.image = image
        self.pool = pool
        self.programs = programs
    }

    /// Where programs are at home: the first place that can be written to, but /workspace before others.
    public var home: String { pool.template.home }

    /// Images that are the host's own files, which the embedded runtime alone has.
    public static func isHostFiles(_ image: String) -> Bool { image == "host" || image.hasPrefix("/") }
}
