// SPDX-License-Identifier: Apache-2.0

internal import Embedded
internal import Hardening
internal import Housekeeping
internal import Pool

extension OCIConfiguration {
    /// The container of one member: the limits of its template, and the same hardening on every runtime.
    /// - Parameters:
    ///   - files: the directory of what is the member's own, which `etc` is in.
    ///   - empty: an empty directory.
    init(
        member: MemberID, template: MemberTemplate, hardening: HardeningProfile, root: RootFilesystem, rootPath: String,
        files: String, empty: String, agentPath: String, cgroups: Cgroups
    ) {
        let capabilities = HardeningProfile.capabilities.map { "CAP_\($0)" }
        process = Process(
            args: ["/.berth/agent", "--stdio"], env: root.environment,
            capabilities: Capabilities(bounding: capabilities, effective: capabilities, permitted: capabilities),
            rlimits: hardening.limits.map { limit in
                Rlimit(type: "RLIMIT_\(limit.name.uppercased())", soft: UInt64(limit.value), hard: UInt64(limit.value))
            })
        self.root = Root(path: rootPath)
        hostname = member.description

        var mounts = MemberMount.here
        if cgroups.held.isEmpty {
            // The member is in the server's own cgroup, whose counters are not its.
            mounts = mounts.map { mount in
                guard mount.type == "cgroup" else { return mount }
                return MemberMount(
                    destination: mount.destination, type: "tmpfs", source: "tmpfs",
                    options: ["nosuid", "noexec", "nodev", "ro", "size=4k", "mode=755"])
            }
        }
        mounts += root.mounts
        mounts += root.overlays.map { .overlay([$0.source, empty], at: $0.destination) }
        if !root.isOverlaid {
            for name in root.ownFiles { mounts.append(.readOnly("\(files)/etc/\(name)", at: "/etc/\(name)")) }
        }
        mounts.append(.readOnly(agentPath, at: "/.berth/agent"))
        for place in hardening.places {
            mounts.append(MemberMount(destination: place.path, type: "tmpfs", source: "tmpfs", options: place.options))
        }
        self.mounts = mounts

        var namespaces = ["pid", "mount", "ipc", "uts"]
        // Without a path, a new network namespace: runc brings its lo up, and there is nothing else in it.
        if template.network != "host" { namespaces.append("network") }
        if cgroups.isUnified { namespaces.append("cgroup") }
        linux = Linux(
            cgroupsPath: cgroups.held.isEmpty ? nil : cgroups.relativePath(member),
            resources: Resources(
                devices: UserNamespace.isOwn ? [] : [DeviceRule(allow: false, access: "rwm")],
                memory: !cgroups.held.contains("memory")
                    ? nil
                    : Memory(limit: template.memoryBytes, swap: cgroups.limitsSwap ? template.memoryBytes : nil),
                pids: cgroups.held.contains("pids") ? Pids(limit: template.processes) : nil,
                cpu: cgroups.held.contains("cpu")
                    ? CPU(quota: max(1000, template.milliCPUs * 100), period: 100_000) : nil),
            namespaces: namespaces.map(Namespace.init),
            maskedPaths: HardeningProfile.maskedPaths + root.maskedPaths, readonlyPaths: HardeningProfile.readonlyPaths,
            seccomp: hardening.seccomp)
    }
}
