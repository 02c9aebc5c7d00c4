// SPDX-License-Identifier: Apache-2.0

package import Pool

/// All that a server can be told, with its defaults. `SettingsTable` describes each, by its name in the file.
package struct ServerConfiguration: Sendable, Equatable {
    package enum Runtime: String, Sendable, CaseIterable {
        case auto
        case docker
        case runc
    }

    package enum LogFormat: String, Sendable, CaseIterable {
        case text
        case json
    }

    package enum LogLevel: String, Sendable, CaseIterable {
        case trace
        case debug
        case info
        case notice
        case warning
        case error
        case critical
    }

    package var listen = ["127.0.0.1:7411"]
    package var insecure = false
    package var runtime = Runtime.auto
    package var dockerHost: String?
    package var agent: String?
    package var instance: String?
    package var stateDirectory: String?
    package var logFormat = LogFormat.text
    package var logLevel = LogLevel.info
    package var maxConnections = 10_000
    package var drainTime = Duration.seconds(10)
    package var executionTimeout = Duration.seconds(60)
    package var executionGrace = Duration.seconds(2)
    package var outputGrace = Duration.milliseconds(100)
    package var maxOutputGrace = Duration.seconds(1)
    package var maxExecutionTimeout = Duration.seconds(24 * 3600)
    package var heldMemoryBytes: Int64 = 256 << 20
    /// Nil: a half of that.
    package var heldMemoryPerClientBytes: Int64?
    package var maxExecutions = 64
    package var maxWatchers = 64
    package var maxContexts = 8
    package var maxDisplayBytes: Int64 = 3 << 20
    package var unreadTime = Duration.seconds(600)
    /// Nil: each container has one of its own, from `uids`.
    package var uid: UInt32?
    package var uids: ClosedRange<UInt32> = 70_000...99_999
    /// Permissions of unix sockets that are listened on; nil: 0600, and 0660 with a group.
    package var socketMode: UInt32?
    /// Their group's name or number; nil: the server's own.
    package var socketGroup: String?
    /// Nil: 300, or what the largest pool may have.
    package var max: Int?
    /// Nil: 80 % of what is available at start.
    package var memoryBudgetBytes: Int64?
    /// What all pools share; its `pools`, `max` and `memoryBudgetBytes` are not used.
    package var fleet = FleetConfiguration(pools: [])
    /// In their order: the first is the default pool.
    package var pools = [PoolSettings()]

    package init() {}

    /// The pools' part.
    /// - Parameters:
    ///   - image: used for pools that set none.
    ///   - memoryBudgetBytes: where none is said.
    package func fleetConfiguration(image: String, memoryBudgetBytes standard: Int64) -> FleetConfiguration {
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
    package func templates(standardImage: String) -> [MemberTemplate] {
        var templates: [MemberTemplate] = []
        for pool in fleetConfiguration(image: standardImage, memoryBudgetBytes: .max).pools
        where !templates.contains(pool.template) {
            templates.append(pool.template)
        }
        return templates
    }
}

/// One pool as configured.
package struct PoolSettings: Sendable, Equatable {
    /// Nil: the runtime's standard image.
    package var image: String?
    /// The pool but for its image.
    package var pool: PoolConfiguration
    package var programs: ProgramSettings

    package init(
        image: String? = nil, pool: PoolConfiguration = PoolConfiguration(),
        programs: ProgramSettings = ProgramSettings()
    ) {
        self.image = image
        self.pool = pool
        self.programs = programs
    }

    /// Where programs are at home: the first place that can be written to, but /workspace before others.
    package var home: String { pool.template.home }

    /// Images that are the host's own files, which the embedded runtime alone has.
    package static func isHostFiles(_ image: String) -> Bool { image == "host" || image.hasPrefix("/") }
}
