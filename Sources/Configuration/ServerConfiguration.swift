// SPDX-License-Identifier: Apache-2.0

package import Access
package import Pool

/// All settings of a server, with their defaults. `SettingsTable` describes each of them and names it in the file.
package struct ServerConfiguration: Sendable, Equatable {
    package enum Runtime: String, Sendable, CaseIterable {
        case auto
        case docker
        case podman
        case native
        case runc
        case kubernetes
    }

    /// What the server does where limits can't be held.
    package enum Limits: String, Sendable, CaseIterable {
        case required
        case bestEffort = "best-effort"
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

    package enum AuditArguments: String, Sendable, CaseIterable {
        case hash
        case whole
    }

    package var listen = ["127.0.0.1:7411"]
    package var insecure = false
    /// HOST:PORT for metrics and health over HTTP; nil: off.
    package var http: String?
    /// PEM files; with a certificate, TCP addresses speak TLS.
    package var tlsCertificate: String?
    package var tlsKey: String?
    /// Authorities of clients' certificates; nil: clients need none.
    package var tlsClientAuthorities: String?
    /// The file of tokens' hashes; nil: there are none.
    package var tokens: String?
    /// Nil: a file of this instance in /var/lib/berth.
    package var quotaFile: String?
    package var helloTimeout = Duration.seconds(10)
    package var audit: String?
    package var auditBytes: Int64 = 64 << 20
    package var auditArguments = AuditArguments.hash
    package var runtime = Runtime.auto
    package var limits = Limits.required
    package var dockerHost: String?
    package var kubernetesConfig: String?
    package var kubernetesNamespace: String?
    package var kubernetesAgent = "image:/usr/libexec/berth/berth-agent"
    /// Each LABEL=VALUE.
    package var kubernetesNodeSelector: [String]?
    package var kubernetesImagePullSecrets: [String]?
    package var kubernetesRequestsPerSecond = 20
    package var kubernetesDrainTime = Duration.seconds(30)
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
    /// Nil: half of `heldMemoryBytes`.
    package var heldMemoryPerClientBytes: Int64?
    package var maxExecutions = 64
    package var maxConnects = 256
    package var maxWatchers = 64
    package var maxContexts = 32
    package var maxDisplayBytes: Int64 = 3 << 20
    package var unreadTime = Duration.seconds(600)
    /// Nil: each container has a user id of its own, from `uids`.
    package var uid: UInt32?
    package var uids: ClosedRange<UInt32> = 70_000...99_999
    /// Permissions of the unix sockets to listen on; nil: 0600, or 0660 if `socketGroup` is set.
    package var socketMode: UInt32?
    /// Name or number of the group of those sockets; nil: the server's own group.
    package var socketGroup: String?
    /// Nil: 300, or the max of the largest pool if that is more.
    package var max: Int?
    /// Nil: 80 % of the memory that is available at start.
    package var memoryBudgetBytes: Int64?
    /// Settings that all pools share. Its `pools`, `max` and `memoryBudgetBytes` are not used.
    package var fleet = FleetConfiguration(pools: [])
    /// The pools in the order of the file: the first is the default pool.
    package var pools = [PoolSettings()]
    /// Who may call; empty: whoever can connect.
    package var tenants: [TenantPolicy] = []

    package init() {}

    /// Whether only callers that the server knows can reach it over TCP, and nobody can listen on the way.
    package var isGuarded: Bool {
        let isKnown = tokens != nil && !tenants.isEmpty
        return tlsCertificate != nil && (isKnown || tlsClientAuthorities != nil)
    }

    /// The configuration of the fleet.
    /// - Parameters:
    ///   - image: the image of pools that set none.
    ///   - memoryBudgetBytes: the memory budget, used when none is set.
    package func fleetConfiguration(image: String, memoryBudgetBytes standard: Int64) -> FleetConfiguration {
        var fleet = fleet
        fleet.pools = pools.map { settings in
            var pool = settings.pool
            pool.template.image = settings.image ?? image
            pool.template.uid = settings.programs.uid ?? uid
            pool.template.allowedUIDs = settings.programs.allowedUIDs
            pool.template.interpreters = settings.programs.warmInterpreters
            return pool
        }
        fleet.uids = uids
        fleet.max = max ?? Swift.max(300, fleet.pools.map(\.max).max() ?? 0)
        fleet.memoryBudgetBytes = memoryBudgetBytes ?? standard
        return fleet
    }

    /// The templates of the members of all pools, without duplicates.
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
    /// The pool without its image.
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

    /// The home directory of programs: /workspace if it is writable, otherwise the first of the writable directories.
    package var home: String { pool.template.home }

    /// Whether an image stands for the host's own files, which Docker does not support.
    package static func isHostFiles(_ image: String) -> Bool { image == "host" || image.hasPrefix("/") }
}
