// SPDX-License-Identifier: Apache-2.0

internal import Access
internal import Pool
internal import Yams

/// A value given on the command line.
package struct FlagValue: Sendable {
    package enum Scope: Sendable {
        case server
        /// The value counts for every pool.
        case pools
    }

    /// The flag as typed, with its dashes.
    package var flag: String
    package var scope: Scope
    /// The setting's name in the file.
    package var key: String
    /// The value, or several for a list.
    package var values: [String]

    package init(_ flag: String, _ scope: Scope, _ key: String, _ values: [String]) {
        self.flag = flag
        self.scope = scope
        self.key = key
        self.values = values
    }
}

/// Checks that need other modules, which this one does not import.
package struct OutsideChecks: Sendable {
    /// Says what is wrong with an address to listen on; nil if it is right.
    package var addressProblem: @Sendable (String) -> String?
    /// Whether an address can be reached only from this machine.
    package var isLocal: @Sendable (String) -> Bool
    /// Says what is wrong with a Docker engine's address; nil if it is right.
    package var dockerHostProblem: @Sendable (String) -> String?

    package init(
        addressProblem: @escaping @Sendable (String) -> String?, isLocal: @escaping @Sendable (String) -> Bool,
        dockerHostProblem: @escaping @Sendable (String) -> String?
    ) {
        self.addressProblem = addressProblem
        self.isLocal = isLocal
        self.dockerHostProblem = dockerHostProblem
    }
}

/// Reads a configuration from its file and from flags, which override the file, and collects all mistakes.
package struct ConfigurationReader {
    var configuration = ServerConfiguration()
    var issues: [ConfigurationIssue] = []
    /// Where each setting was set, by its path; settings that were not set are missing.
    var places: [String: ConfigurationIssue.Place] = [:]
    let file: String
    let checks: OutsideChecks

    private init(file: String, checks: OutsideChecks) {
        self.file = file
        self.checks = checks
    }

    /// - Parameters:
    ///   - text: the content of the file; nil without a file.
    ///   - file: the name of the file, for messages.
    /// - Returns: the configuration, and warnings about settings that have no effect.
    /// - Throws: all mistakes at once, those of the file in the order of its lines.
    package static func read(
        text: String?, file: String = "", flags: [FlagValue] = [], checks: OutsideChecks
    ) throws(ConfigurationMistakes) -> (ServerConfiguration, warnings: [ConfigurationIssue]) {
        var reader = ConfigurationReader(file: file, checks: checks)
        if let text { reader.readFile(text) }
        for flag in flags { reader.readFlag(flag) }
        reader.checkRules()
        let (mistakes, warnings) = (reader.sorted(.mistake), reader.sorted(.warning))
        guard mistakes.isEmpty else { throw ConfigurationMistakes(issues: mistakes) }
        return (reader.configuration, warnings)
    }

    private func sorted(_ severity: ConfigurationIssue.Severity) -> [ConfigurationIssue] {
        func line(_ issue: ConfigurationIssue) -> Int {
            if case .file(_, let line) = issue.place { line } else { .max }
        }
        let chosen = issues.filter { $0.severity == severity }.enumerated()
        return chosen.sorted { (line($0.element), $0.offset) < (line($1.element), $1.offset) }.map(\.element)
    }

    // MARK: The file

    private mutating func readFile(_ text: String) {
        let root: Node?
        do {
            root = try Yams.compose(yaml: text)
        } catch {
            let (line, problem) = ConfigurationReader.explain(error, in: text)
            return issues.append(
                ConfigurationIssue(severity: .mistake, place: .file(file, line: line), key: "", message: problem))
        }
        // An empty file is allowed: it sets nothing.
        guard let root, root.scalar?.string.isEmpty != true else { return }
        guard let map = root.mapping else {
            return mistake(root, "", "this is not a map of settings", allowed: "KEY: VALUE, one per line")
        }
        readMap(map, "", SettingsTable.serverTable, \.configuration, besides: ["pools", "tenants"])
        if let pools = map["pools"] { readPools(pools) }
        if let tenants = map["tenants"] { readTenants(tenants) }
    }

    private mutating func readPools(_ node: Node) {
        let shape = "NAME: {SETTINGS} for each pool"
        guard let pools = node.mapping else { return mistake(node, "pools", "this is not a map", allowed: shape) }
        guard !pools.isEmpty else { return mistake(node, "pools", "no pool is defined", allowed: shape) }
        configuration.pools = []
        for (key, value) in pools {
            let name: String
            do {
                name = try SettingsTable.poolName.read(key)
            } catch {
                mistake(key, "pools", "the name \(error.message)", allowed: SettingsTable.poolName.allowed)
                continue
            }
            let index = configuration.pools.count
            var settings = PoolSettings()
            settings.pool.name = name
            configuration.pools.append(settings)
            places["pools.\(name)"] = place(key)
            // "NAME:" without settings is a pool that has all defaults.
            if case .scalar(let scalar) = value, scalar.string.isEmpty, scalar.style != .doubleQuoted { continue }
            guard let map = value.mapping else {
                mistake(value, "pools.\(name)", "this is not a map of settings", allowed: "KEY: VALUE, one per line")
                continue
            }
            readMap(map, "pools.\(name).", SettingsTable.poolTable, \.configuration.pools[index])
        }
    }

    private mutating func readTenants(_ node: Node) {
        guard let tenants = node.mapping, !tenants.isEmpty else {
            return mistake(node, "tenants", "this is not a map", allowed: "NAME: {SETTINGS} for each tenant")
        }
        for (key, value) in tenants {
            let name: String
            do {
                name = try SettingsTable.poolName.read(key)
            } catch {
                mistake(key, "tenants", "the name \(error.message)", allowed: SettingsTable.poolName.allowed)
                continue
            }
            let index = configuration.tenants.count
            configuration.tenants.append(TenantPolicy(name: name))
            places["tenants.\(name)"] = place(key)
            if case .scalar(let scalar) = value, scalar.string.isEmpty, scalar.style != .doubleQuoted { continue }
            guard let map = value.mapping else {
                mistake(value, "tenants.\(name)", "this is not a map of settings", allowed: "KEY: VALUE, one per line")
                continue
            }
            readMap(map, "tenants.\(name).", SettingsTable.tenantTable, \.configuration.tenants[index])
        }
    }

    /// - Parameter group: the settings whose keys begin with it, "tls." for example, are what the map has, without it.
    private mutating func readMap<Target>(
        _ map: Node.Mapping, _ path: String, _ table: SettingTable<Target>, _ target: WritableKeyPath<Self, Target>,
        besides others: [String] = [], in group: String = ""
    ) {
        let keys = table.entries.map(\.setting.key) + others
        for (key, value) in map {
            guard let word = key.scalar?.string, !others.contains(word) else {
                if key.scalar == nil { mistake(key, path + "?", "this is not the name of a setting", allowed: nil) }
                continue
            }
            let name = group + word
            if let inner = value.mapping, table[name] == nil, keys.contains(where: { $0.hasPrefix("\(name).") }) {
                readMap(inner, path, table, target, in: "\(name).")
                continue
            }
            guard let entry = table[name] else {
                let near = Spelling.nearest(to: name, in: keys).map { ", did you mean \($0)?" } ?? ""
                mistake(
                    key, path + name, "there is no such setting\(near)", allowed: keys.joined(separator: ", "))
                continue
            }
            places[path + name] = place(key)
            if case .scalar(let scalar) = value, scalar.style == .plain || scalar.style == .any,
                ["", "~", "null"].contains(scalar.string)
            {
                mistake(key, path + name, "it has no value", allowed: entry.setting.allowed)
                continue
            }
            do {
                try entry.read(value, &self[keyPath: target])
            } catch {
                mistake(
                    value, path + name, error.message, allowed: error.showsAllowed ? entry.setting.allowed : nil)
            }
        }
    }

    // MARK: Flags

    private mutating func readFlag(_ flag: FlagValue) {
        let place = ConfigurationIssue.Place.flag(flag.flag)
        let node = ConfigurationReader.node(flag.values)
        var allowed: String?
        do {
            switch flag.scope {
            case .server:
                guard let entry = SettingsTable.serverTable[flag.key] else { preconditionFailure("no \(flag.key)") }
                allowed = entry.setting.allowed
                places[flag.key] = place
                try entry.read(node, &configuration)
            case .pools:
                guard let entry = SettingsTable.poolTable[flag.key] else { preconditionFailure("no \(flag.key)") }
                allowed = entry.setting.allowed
                for index in configuration.pools.indices {
                    places["pools.\(configuration.pools[index].pool.name).\(flag.key)"] = place
                    try entry.read(node, &configuration.pools[index])
                }
            }
        } catch {
            // Reported once, even if the flag counts for several pools.
            issues.append(
                ConfigurationIssue(
                    severity: .mistake, place: place, key: flag.key, message: error.message,
                    allowed: error.showsAllowed ? allowed : nil))
        }
    }

    /// Takes a value of the command line as plain text, unless it is a map, which is parsed as YAML.
    private static func node(_ values: [String]) -> Node {
        guard values.count == 1, let value = values.first else { return Node(values.map { Node($0) }) }
        guard value.hasPrefix("{"), let map = try? Yams.compose(yaml: value) else { return Node(value) }
        return map
    }

    // MARK: Issues

    private func place(_ node: Node) -> ConfigurationIssue.Place { .file(file, line: node.mark?.line ?? 1) }

    private mutating func mistake(_ node: Node, _ key: String, _ message: String, allowed: String?) {
        issues.append(
            ConfigurationIssue(severity: .mistake, place: place(node), key: key, message: message, allowed: allowed))
    }

    /// Returns the line and the description of an error of the YAML parser.
    private static func explain(_ error: any Error, in text: String) -> (Int, String) {
        switch error as? YamlError {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
            .composer(_, let problem, let mark, _):
            return (mark.line, "this is not valid YAML: \(problem)")
        case .duplicatedKeysInMapping(let duplicates, let context):
            return (context.mark.line, "defined twice in this map: \(duplicates.joined(separator: ", "))")
        case .reader(let problem, let offset, _, _):
            let line = text.prefix(offset ?? 0).reduce(1) { $1.isNewline ? $0 + 1 : $0 }
            return (line, "this is not valid YAML: \(problem)")
        default:
            return (1, "this is not valid YAML: \(error)")
        }
    }
}
