// SPDX-License-Identifier: Apache-2.0

internal import Access
internal import Yams

/// Settings of who may call, and how much.
extension SettingsTable {
    /// Settings of each tenant.
    package static var tenant: [Setting] { tenantTable.entries.map(\.setting) }

    static let tenantTable: SettingTable<TenantPolicy> = {
        var table = SettingTable(standard: TenantPolicy())
        table.add("role", \.role, .word, "An operator may also call berth admin, and see the quotas of all")
        table.add(
            "pools", \.pools, ValueKind<[String]>.list(poolName).or("all"),
            "Pools that it may use; the first is its default")
        table.add(
            "max_leases", \.maxLeases, ValueKind<Int>.integer(1...1_000_000).or("unlimited"),
            "Maximum number of its leases and waiting acquires, together")
        table.add(
            "max_executions", \.maxExecutions, ValueKind<Int>.integer(1...1_000_000).or("unlimited"),
            "Maximum number of its programs, connections, contexts and operations on files at a time")
        table.add(
            "requests_per_second", \.requestsPerSecond, ValueKind<Int>.integer(1...1_000_000).or("unlimited"),
            "Maximum number of its requests in a second")
        table.add(
            "cpu_seconds_per_day", \.cpuSecondsPerDay, ValueKind<Int>.integer(1...1_000_000_000).or("unlimited"),
            "CPU time of its programs in a day (UTC); when it is used up, none begins until the next")
        table.add(
            "output_per_day", \.outputBytesPerDay, ValueKind<Int64>.size(atLeast: 1).or("unlimited"),
            "Output of its programs in a day (UTC); when it is used up, none begins until the next")
        table.add(
            "max_timeout", \.maxTimeout, ValueKind<Duration>.durationOverZero.or("unlimited"),
            "Maximum time-out of its programs, if less than max_execution_timeout")
        table.add(
            "users", \.users, .users, "User ids whose processes are this tenant when they connect to a unix socket")
        table.add(
            "certificates", \.certificates, .names, "Names of client certificates (tls.client_ca) that are this tenant")
        return table
    }()

    static func addAccess(_ table: inout SettingTable<ServerConfiguration>) {
        table.add(
            "tokens", \.tokens, ValueKind<String>.string("a file").or("off"),
            "The hashes of the tokens with which tenants call, written by berth token; read again when it changes",
            needsRestart: true)
        table.add(
            "quota_file", \.quotaFile, ValueKind<String>.string("a file").or("auto"),
            "Where the use of tenants in this day survives a restart; auto is /var/lib/berth/INSTANCE.quota",
            needsRestart: true)
        table.add(
            "hello_timeout", \.helloTimeout, .durationOverZero,
            "Time that a client has to show who it is, and for the TLS handshake; then its connection is closed",
            needsRestart: true)
        table.add(
            "audit", \.audit, ValueKind<String>.string("a file").or("off"),
            "Log of who called: one JSON line for each acquire, execution, admin call and refusal", needsRestart: true)
        table.add(
            "audit_size", \.auditBytes, .size(atLeast: 64 << 10),
            "Size at which the audit log is rotated; the last four are kept", needsRestart: true)
        table.add(
            "audit_arguments", \.auditArguments, .word,
            "Whether the audit log has the arguments of programs as a hash or whole", needsRestart: true)
    }
}

extension ValueKind<[String]> {
    /// A list of names, which may be empty.
    static var names: Self {
        Self(allowed: "a name, or a list of them") { node throws(ValueProblem) in
            guard let items = node.sequence else { return [try text(node)] }
            var values: [String] = []
            for node in items { values.append(try text(node)) }
            guard Set(values).count == values.count else { throw ValueProblem(message: "a value is listed twice") }
            guard !values.contains("") else { throw ValueProblem(message: "a name is empty") }
            return values
        } show: {
            "[\($0.map(quoted).joined(separator: ", "))]"
        }
    }
}
