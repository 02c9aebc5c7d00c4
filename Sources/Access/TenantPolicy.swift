// SPDX-License-Identifier: Apache-2.0

/// What a tenant may do, as configured. Nil limits nothing.
package struct TenantPolicy: Sendable, Equatable {
    package enum Role: String, Sendable, CaseIterable {
        case user
        /// May call Admin, and ask for others' quotas.
        case `operator`
    }

    package var name: String
    package var role = Role.user
    /// The pools that it may use, the first is its default; nil: all.
    package var pools: [String]?
    /// Leases and waiting acquires together.
    package var maxLeases: Int?
    /// Programs, connections, contexts and file operations at a time. What runs in a context does not count again.
    package var maxExecutions: Int?
    package var requestsPerSecond: Int?
    package var cpuSecondsPerDay: Int?
    package var outputBytesPerDay: Int64?
    /// Maximum of the time-outs that its requests may set.
    package var maxTimeout: Duration?
    /// User ids whose processes are this tenant when they connect to a unix socket.
    package var users: [UInt32] = []
    /// Names of certificates that are this tenant.
    package var certificates: [String] = []

    package init(name: String = "") {
        self.name = name
    }

    package func mayUse(pool: String) -> Bool { pools?.contains(pool) ?? true }
}

/// A limit of a tenant that is reached.
package struct LimitReached: Error, Sendable, Equatable {
    /// As in the configuration: "max_executions".
    package var limit: String
    package var message: String
    /// When it may be tried again; nil: when something of the tenant's has ended.
    package var retryAfter: Duration?

    package init(limit: String, message: String, retryAfter: Duration? = nil) {
        self.limit = limit
        self.message = message
        self.retryAfter = retryAfter
    }
}
