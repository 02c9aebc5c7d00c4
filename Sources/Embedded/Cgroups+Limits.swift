// SPDX-License-Identifier: Apache-2.0

internal import Hardening
internal import Housekeeping
package import Pool

extension Cgroups {
    /// A hierarchy in which members have cgroups with limits.
    package struct Hierarchy: Sendable, Equatable {
        /// The members' parent in it.
        package var parent: String
        /// Its name below /sys/fs/cgroup; empty with v2.
        package var name: String
        /// The options to mount it with; empty with v2.
        package var options: String
    }

    /// A file of a member's cgroup, and what is written to it.
    package struct Limit: Sendable, Equatable {
        /// Index in `hierarchies`.
        package var hierarchy: Int
        package var file: String
        package var value: String
        /// Not every kernel has the file, and those without have nothing to limit.
        package var isOptional = false
    }

    package var hierarchies: [Hierarchy] {
        let table = Files.text("/proc/self/mountinfo", limit: 1 << 24)
        return limitingMounts.map { mount in
            Hierarchy(
                parent: "\(mount)/\(parent)", name: isUnified ? "" : String(mount.split(separator: "/").last ?? ""),
                options: isUnified ? "" : Self.options(of: mount, in: table))
        }
    }

    /// The options of the file system at `mount`, without `rw` and `ro`: mounted again with others, the kernel would complain
    /// in its log.
    static func options(of mount: String, in table: String) -> String {
        let line = table.split(separator: "\n").last { line in
            let words = line.split(separator: " ", maxSplits: 5)
            return words.count > 4 && words[4] == mount[...]
        }
        guard let options = line?.split(separator: " ").last else { return "" }
        return options.split(separator: ",").filter { $0 != "rw" && $0 != "ro" }.joined(separator: ",")
    }

    /// The limits of a template's members, in the order in which they must be set.
    package func limits(_ template: MemberTemplate) -> [Limit] {
        let quota = max(1000, template.milliCPUs * 100)
        if isUnified {
            let limits = [
                Limit(hierarchy: 0, file: "memory.max", value: "\(template.memoryBytes)"),
                // Not every kernel swaps.
                Limit(hierarchy: 0, file: "memory.swap.max", value: "0", isOptional: true),
                Limit(hierarchy: 0, file: "pids.max", value: "\(template.processes)"),
                Limit(hierarchy: 0, file: "cpu.max", value: "\(quota) 100000"),
            ]
            return limits.filter { limit in held.contains { limit.file.hasPrefix("\($0).") } }
        }
        var limits: [Limit] = []
        for (index, hierarchy) in hierarchies.enumerated() {
            let controllers = hierarchy.name.split(separator: ",")
            if controllers.contains("memory"), held.contains("memory") {
                let memory = "\(template.memoryBytes)"
                limits.append(Limit(hierarchy: index, file: "memory.limit_in_bytes", value: memory))
                if limitsSwap {
                    limits.append(Limit(hierarchy: index, file: "memory.memsw.limit_in_bytes", value: memory))
                }
                limits.append(
                    Limit(
                        hierarchy: index, file: "memory.kmem.tcp.limit_in_bytes",
                        value: "\(HardeningProfile.socketBytes)", isOptional: true))
            }
            if controllers.contains("pids"), held.contains("pids") {
                limits.append(Limit(hierarchy: index, file: "pids.max", value: "\(template.processes)"))
            }
            if controllers.contains("cpu"), held.contains("cpu") {
                limits.append(Limit(hierarchy: index, file: "cpu.cfs_period_us", value: "100000"))
                limits.append(Limit(hierarchy: index, file: "cpu.cfs_quota_us", value: "\(quota)"))
            }
        }
        return limits
    }
}
