// SPDX-License-Identifier: Apache-2.0

internal import Access
internal import Pool

/// The configuration as text, for people and for reading it in again.
extension ServerConfiguration {
    /// Every setting with its value, including defaults. Reading it gives the same configuration.
    package var yaml: String {
        var lines = SettingsTable.serverTable.entries.map { "\($0.setting.key): \($0.show(self))" }
        lines.append("pools:")
        for pool in pools {
            lines.append("  \(quoted(pool.pool.name)):")
            lines += SettingsTable.poolTable.entries.map { "    \($0.setting.key): \($0.show(pool))" }
        }
        if !tenants.isEmpty { lines.append("tenants:") }
        for tenant in tenants {
            lines.append("  \(quoted(tenant.name)):")
            lines += SettingsTable.tenantTable.entries.map { "    \($0.setting.key): \($0.show(tenant))" }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    /// The settings that differ from `other` and take effect only after a restart.
    package func changesThatNeedRestart(from other: ServerConfiguration) -> [Setting] {
        SettingsTable.serverTable.entries
            .filter { $0.setting.needsRestart && $0.show(self) != $0.show(other) }.map(\.setting)
    }

    /// The configuration after a reload: `new`, except for settings that need a restart, which keep their value.
    package func reloaded(_ new: ServerConfiguration) -> ServerConfiguration {
        var result = self
        result.max = new.max
        result.memoryBudgetBytes = new.memoryBudgetBytes
        result.fleet = new.fleet
        result.pools = new.pools
        result.tenants = new.tenants
        return result
    }
}

extension SettingsTable {
    /// The tables of docs/configuration.md, in Markdown.
    package static var reference: String {
        let parts = [("## The server", server), ("## A pool", pool), ("## A tenant", tenant)].map { title, settings in
            let rows = settings.map { setting in
                let restart = setting.needsRestart ? " *Restart.*" : ""
                return
                    "| `\(setting.key)` | `\(setting.defaultValue)` | \(setting.meaning).\(restart) | \(setting.allowed) |"
            }
            return "\(title)\n\n| setting | default | meaning | allowed |\n|---|---|---|---|\n"
                + rows.joined(separator: "\n") + "\n"
        }
        return parts.joined(separator: "\n")
    }

    /// The help of a flag: the meaning of its setting, and its default.
    package static func help(_ scope: FlagValue.Scope, _ key: String) -> String {
        let settings = scope == .server ? server : pool
        guard let setting = settings.first(where: { $0.key == key }) else { preconditionFailure("no setting \(key)") }
        return "\(setting.meaning) (default: \(setting.defaultValue))."
    }
}
