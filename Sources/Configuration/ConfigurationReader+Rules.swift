// SPDX-License-Identifier: Apache-2.0

internal import Access
internal import Console
internal import Pool

/// Rules that concern more than one setting.
extension ConfigurationReader {
    mutating func checkRules() {
        checkAddresses()
        checkRuntime()
        checkTLS()
        checkTenants()
        let fleet = configuration.fleet
        checkOrder("default_wait", fleet.defaultWait, "max_wait", fleet.maxWait, Notation.text)
        let longest = configuration.maxExecutionTimeout
        checkOrder("execution_timeout", configuration.executionTimeout, "max_execution_timeout", longest, Notation.text)
        checkOrder("execution_grace", configuration.executionGrace, "max_execution_timeout", longest, Notation.text)
        for settings in configuration.pools { checkPool(settings) }
        let idle = configuration.pools.map(\.pool.size).reduce(0, +)
        if let max = configuration.max, idle > max {
            warning("max", "\(max) is less than the sizes of all pools together, \(idle): they are never all filled")
        }
        checkUsers()
        if !configuration.pools.contains(where: { $0.pool.reuse == .reset }) {
            warning("max_resets", "it has no effect: no pool has reuse: reset")
        }
    }

    /// Each member has a user id of its own, also while it is being removed.
    private mutating func checkUsers() {
        let most = configuration.fleetConfiguration(image: "", memoryBudgetBytes: .max).max
        if configuration.uids.count < most {
            mistake("uids", "the range has \(configuration.uids.count) ids, but there may be \(most) containers")
        }
    }

    private mutating func checkAddresses() {
        for (key, address) in configuration.listen.map({ ("listen", $0) })
            + (configuration.http.map { [("http", $0)] } ?? [])
        {
            if let problem = checks.addressProblem(address) {
                mistake(key, problem)
            } else if key == "http", address.hasPrefix("unix:") || address.hasPrefix("tls:") {
                mistake(key, "monitors come over plain TCP: set HOST:PORT, such as 127.0.0.1:7412")
            } else if !configuration.insecure, !checks.isLocal(address), key == "http" || !configuration.isGuarded {
                mistake(
                    key,
                    "\(address) is not loopback: whoever reaches it could "
                        + (key == "http"
                            ? "read this server's figures; listen on 127.0.0.1, or set "
                            : "run programs here; set tls.certificate, tls.key, and tokens with tenants or tls.client_ca; listen on 127.0.0.1; or set ")
                        + "\(isFlag(key) ? "--insecure" : "insecure: true") if you want that"
                )
            }
        }
        if configuration.insecure,
            (configuration.listen + (configuration.http.map { [$0] } ?? [])).allSatisfy(checks.isLocal)
        {
            warning("insecure", "it has no effect: every address is local")
        }
    }

    /// Settings of a runtime that is not chosen.
    private mutating func checkRuntime() {
        let runtime = configuration.runtime
        if runtime != .kubernetes {
            for setting in SettingsTable.server where setting.key.hasPrefix("kubernetes.") {
                warning(setting.key, "it has no effect: the runtime is \(runtime.rawValue)")
            }
        }
        guard let host = configuration.dockerHost else { return }
        if let problem = checks.dockerHostProblem(host) { mistake("docker_host", problem) }
        if ![.auto, .docker, .podman].contains(runtime) {
            warning("docker_host", "it has no effect: the runtime is \(runtime.rawValue)")
        }
    }

    private mutating func checkTenants() {
        if configuration.tenants.isEmpty {
            for key in ["tokens", "quota_file", "hello_timeout"]
            where key != "hello_timeout" || configuration.tlsCertificate == nil {
                warning(key, "it has no effect: there are no tenants")
            }
        }
        if configuration.audit == nil {
            for key in ["audit_size", "audit_arguments"] { warning(key, "it has no effect: audit is off") }
        }
        let pools = configuration.pools.map(\.pool.name)
        var owners: [String: String] = [:]
        for tenant in configuration.tenants {
            let path = "tenants.\(tenant.name)."
            for name in tenant.pools ?? [] where !pools.contains(name) {
                mistake(path + "pools", "there is no pool \(quoted(name)); there is: \(pools.joined(separator: ", "))")
            }
            let claims =
                tenant.users.map { ("users", "the user id \($0)") }
                + tenant.certificates.map { ("certificates", "the certificate \(quoted($0))") }
            for (key, claim) in claims {
                guard let other = owners.updateValue(tenant.name, forKey: claim) else { continue }
                mistake(path + key, "\(claim) is the tenant \(quoted(other)) already")
            }
            if !tenant.certificates.isEmpty, configuration.tlsClientAuthorities == nil {
                mistake(path + "certificates", "clients show certificates only if tls.client_ca is set")
            }
        }
    }

    private mutating func checkTLS() {
        let (certificate, key) = (configuration.tlsCertificate, configuration.tlsKey)
        if certificate != nil, key == nil { mistake("tls.certificate", "it needs tls.key, its private key") }
        if key != nil, certificate == nil {
            mistake("tls.key", "it needs tls.certificate, the certificate of this key")
        }
        if configuration.tlsClientAuthorities != nil, certificate == nil {
            mistake("tls.client_ca", "it needs tls.certificate and tls.key: clients show certificates over TLS only")
        }
        if certificate == nil, let address = configuration.listen.first(where: { $0.hasPrefix("tls://") }) {
            mistake("listen", "\(address) needs tls.certificate and tls.key")
        }
        if certificate != nil, configuration.listen.allSatisfy({ $0.hasPrefix("unix:") }) {
            warning("tls.certificate", "it has no effect: unix sockets do not speak TLS")
        }
    }

    private mutating func checkPool(_ settings: PoolSettings) {
        let pool = settings.pool
        let path = "pools.\(pool.name)."
        switch pool.sizing {
        case .fixed(let size):
            checkOrder(path + "size", size, path + "max", pool.max) { "\($0)" }
            warning(path + "surplus_interval", of: settings, "it has no effect: the size is fixed")
        case .adaptive(_, let highest):
            checkOrder(path + "size", highest, path + "max", pool.max) { "\($0)" }
        }
        if let max = configuration.max, pool.max > max {
            warning(path + "max", of: settings, "\(pool.max) is more than the max of all pools, \(max), which wins")
        }
        if let budget = configuration.memoryBudgetBytes {
            // Otherwise not even one container would fit.
            checkOrder(path + "memory", pool.template.memoryBytes, "memory_budget", budget) { Notation.text(bytes: $0) }
        }
        if let image = settings.image, PoolSettings.isHostFiles(image) {
            let who: [ServerConfiguration.Runtime: String] = [
                .docker: "Docker", .podman: "Podman", .kubernetes: "pods",
            ]
            if let who = who[configuration.runtime] {
                mistake(path + "image", "\(quoted(image)) means the host's own files, which \(who) can't use")
            }
        }
        if let name = pool.template.runtimeName, [.native, .runc].contains(configuration.runtime) {
            mistake(
                path + "runtime_name",
                "\(quoted(name)) is for docker and kubernetes: the runtime is "
                    + configuration.runtime.rawValue)
        }
        if configuration.runtime == .kubernetes, !["none", "cluster"].contains(pool.template.network) {
            mistake(path + "network", "pods have none (what the cluster's policies deny) or cluster")
        }
        for language in settings.programs.interpreters.keys.sorted() {
            if let problem = settings.programs.problem(of: language) { mistake(path + "interpreters", problem) }
        }
        if pool.reuse == .never {
            for key in ["max_uses", "reset_timeout"] {
                warning(path + key, of: settings, "it has no effect: reuse is never")
            }
        }
        if pool.maxAge == nil { warning(path + "age_jitter", of: settings, "it has no effect: max_age is never") }
        if pool.healthInterval == nil, pool.reuse == .never {
            warning(path + "ping_timeout", of: settings, "it has no effect: health_interval is never")
        }
    }

    private func isFlag(_ key: String) -> Bool {
        if case .flag = places[key] { true } else { false }
    }

    /// The setting's name as the user wrote it: the flag, or the key in the file.
    private func label(_ key: String) -> String {
        if case .flag(let flag) = places[key] { flag } else { key.split(separator: ".").last.map(String.init) ?? key }
    }

    /// Reports a mistake if the value of `low` is more than that of `high`: at `low` if that was set, else at `high`.
    private mutating func checkOrder<Value: Comparable>(
        _ low: String, _ lower: Value, _ high: String, _ higher: Value, _ show: (Value) -> String
    ) {
        guard lower > higher else { return }
        if places[low] != nil {
            mistake(low, "\(show(lower)) is more than \(label(high)) \(show(higher))")
        } else {
            mistake(high, "\(show(higher)) is less than \(label(low)) \(show(lower))")
        }
    }

    private mutating func mistake(_ key: String, _ message: String) {
        let place = places[key] ?? .file(file, line: 1)
        issues.append(ConfigurationIssue(severity: .mistake, place: place, key: key, message: message, allowed: nil))
    }

    /// Warns about a setting, if it was set and not to its default: `berth config` prints all defaults.
    private mutating func warning(_ key: String, of pool: PoolSettings? = nil, _ message: String) {
        guard let place = places[key] else { return }
        let name = pool == nil ? key : key.split(separator: ".").last.map(String.init) ?? key
        let isDefault =
            pool.map { SettingsTable.poolTable[name]?.isDefault($0) }
            ?? SettingsTable.serverTable[name]?.isDefault(configuration)
        guard isDefault != true else { return }
        issues.append(ConfigurationIssue(severity: .warning, place: place, key: key, message: message, allowed: nil))
    }
}
