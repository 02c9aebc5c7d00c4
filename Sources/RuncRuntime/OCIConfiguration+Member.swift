internal import Glibc
internal import Pool

extension OCIConfiguration {
    /// The container of one member: the limits of its template, and the same hardening on every runtime.
    init(
        member: MemberID, template: MemberTemplate, root: RootFilesystem, agentPath: String, cgroups: Cgroups
    ) {
        // Changing the uid for programs and killing them is all that the agent needs root for.
        let capabilities = ["CAP_SETUID", "CAP_SETGID", "CAP_KILL"]
        process = Process(
            args: ["/.berth/agent", "--stdio"], env: root.environment,
            capabilities: Capabilities(bounding: capabilities, effective: capabilities, permitted: capabilities),
            rlimits: Self.rlimits)
        self.root = Root(path: root.path)
        hostname = member.description

        var mounts = Self.systemMounts
        mounts += root.mounts
        mounts.append(.readOnly(agentPath, at: "/.berth/agent"))
        for path in template.tmpfsPaths {
            mounts.append(
                Mount(
                    destination: path, type: "tmpfs", source: "tmpfs",
                    options: ["nosuid", "nodev", "mode=1777", "size=\(template.tmpfsBytes)"]))
        }
        self.mounts = mounts

        var namespaces = ["pid", "mount", "ipc", "uts"]
        // Without a path, a new network namespace: runc brings its lo up, and there is nothing else in it.
        if template.network != "host" { namespaces.append("network") }
        if cgroups.isUnified { namespaces.append("cgroup") }
        linux = Linux(
            cgroupsPath: cgroups.relativePath(member),
            resources: Resources(
                devices: [DeviceRule(allow: false, access: "rwm")],
                memory: Memory(
                    limit: template.memoryBytes, swap: cgroups.limitsSwap ? template.memoryBytes : nil),
                pids: Pids(limit: template.processes),
                cpu: CPU(quota: max(1000, template.milliCPUs * 100), period: 100_000)),
            namespaces: namespaces.map(Namespace.init),
            maskedPaths: Self.maskedPaths + root.maskedPaths, readonlyPaths: Self.readonlyPaths,
            seccomp: SeccompProfile.document)
    }

    private static let systemMounts = [
        Mount(destination: "/proc", type: "proc", source: "proc", options: ["nosuid", "noexec", "nodev"]),
        Mount(
            destination: "/dev", type: "tmpfs", source: "tmpfs",
            options: ["nosuid", "noexec", "strictatime", "mode=755", "size=64k"]),
        Mount(
            destination: "/dev/pts", type: "devpts", source: "devpts",
            options: ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]),
        Mount(
            destination: "/dev/shm", type: "tmpfs", source: "shm",
            options: ["nosuid", "noexec", "nodev", "mode=1777", "size=64m"]),
        Mount(
            destination: "/dev/mqueue", type: "mqueue", source: "mqueue", options: ["nosuid", "noexec", "nodev"]),
        Mount(destination: "/sys", type: "sysfs", source: "sysfs", options: ["nosuid", "noexec", "nodev", "ro"]),
        // The container's own cgroup and nothing above it: the agent reads its memory events there.
        Mount(
            destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup",
            options: ["nosuid", "noexec", "nodev", "relatime", "ro"]),
    ]

    private static let maskedPaths = [
        "/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
        "/proc/sched_debug", "/proc/scsi", "/proc/timer_list", "/proc/timer_stats", "/sys/devices/virtual/powercap",
        "/sys/firmware",
    ]

    private static let readonlyPaths = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]

    /// Never above the host's own hard limit, which takes CAP_SYS_RESOURCE.
    private static var rlimits: [Rlimit] {
        var host = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &host)
        let files = min(UInt64(host.rlim_max), 65_536)
        return [
            Rlimit(type: "RLIMIT_NOFILE", soft: files, hard: files), Rlimit(type: "RLIMIT_CORE", soft: 0, hard: 0),
        ]
    }
}
