// SPDX-License-Identifier: Apache-2.0

/// Two members item by item.
struct SightingComparison {
    /// A line for each item that differs and is not known to; empty: none.
    private(set) var report = ""

    init(_ first: [String: String], _ second: [String: String], known: [KnownDifference]) {
        for item in Set(first.keys).union(second.keys).sorted() where first[item] != second[item] {
            guard !known.contains(where: { $0.covers(item) }) else { continue }
            report += "\(item): \(first[item] ?? "(nothing)") → \(second[item] ?? "(nothing)")\n"
        }
    }
}

/// A difference to a member of runc that is meant, or that can't be helped. docs/runtimes.md has the same table.
struct KnownDifference {
    /// Items; "*" at the end of one stands for any more. Without "agent: " or "program: " it is both.
    var items: [String]
    var reason: String

    init(_ items: String..., because reason: String) {
        self.items = items
        self.reason = reason
    }

    func covers(_ item: String) -> Bool {
        items.contains { pattern in
            let isWhole = pattern.hasPrefix("agent: ") || pattern.hasPrefix("program: ")
            let name = isWhole ? item : String(item.drop { $0 != " " }.dropFirst())
            return pattern.hasSuffix("*") ? name.hasPrefix(pattern.dropLast()) : name == pattern
        }
    }

    static func fromRunc(to runtime: Runtime) -> [KnownDifference] {
        switch runtime {
        case .runc: []
        case .native: native
        case .docker: docker
        }
    }

    private static let native = [
        KnownDifference(
            "call 457", "call 458", "call 459", "call 460", "call 461", "call 462",
            because:
                "newer than the libseccomp that runc has here, which takes them for unknown (ENOSYS); native knows the whole "
                + "profile"),
        KnownDifference(
            "namespace cgroup", "file /proc/self/cgroup",
            because: "a cgroup namespace with v1 too, so that the host's paths are not told"),
        KnownDifference(
            "entry /sys/fs/cgroup/*", "names in /sys/fs/cgroup", "mount count", "mount /sys/fs/cgroup/blkio*",
            "mount /sys/fs/cgroup/cpuacct", "mount /sys/fs/cgroup/cpuset", "mount /sys/fs/cgroup/devices",
            "mount /sys/fs/cgroup/freezer", "mount /sys/fs/cgroup/hugetlb", "mount /sys/fs/cgroup/misc",
            "mount /sys/fs/cgroup/net_*", "mount /sys/fs/cgroup/perf_event", "mount /sys/fs/cgroup/rdma",
            "mount /sys/fs/cgroup/systemd", "mount /sys/fs/cgroup/unified", "limit /sys/fs/cgroup/blkio/*",
            "limit /sys/fs/cgroup/cpuset/*", "limit /sys/fs/cgroup/devices/*", "limit /sys/fs/cgroup/freezer/*",
            "limit /sys/fs/cgroup/hugetlb/*", "limit /sys/fs/cgroup/misc/*", "limit /sys/fs/cgroup/net_cls/*",
            "limit /sys/fs/cgroup/rdma/*", "limit /sys/fs/cgroup/unified/*",
            because:
                "with v1 a member has cgroups of its own only where there is a limit; the list of devices is its parent's"
        ),
        KnownDifference(
            "mount /sys/fs/cgroup", because: "read-only and small, where runc leaves the tmpfs of v1 writable for root"),
        KnownDifference("mount /", because: "nosuid and nodev, as the other mounts"),
        KnownDifference("agent: variable HOME", because: "runc sets it; programs have the pool's in any case"),
        KnownDifference(
            "agent: status SigIgn",
            because: "runc leaves signal 32 ignored, the C library's own, as the server does; programs do not"),
    ]

    private static let docker = [
        KnownDifference(
            "agent: argument *", "agent: descriptor *", "path /.berth/run", "mount /.berth/run", "mount count",
            because: "the agent connects to a socket that is mounted, where runc's has its stream from the start"),
        KnownDifference(
            "entry /.dockerenv", "entry /bin", "entry /boot", "entry /home", "entry /lib*", "entry /media",
            "entry /mnt",
            "entry /opt", "entry /root", "entry /run", "entry /sbin", "entry /srv", "entry /usr", "entry /var",
            "path /home",
            "path /root", "path /run", "path /srv", "path /var", "path /usr/local/*", "names in /", "names in /etc",
            "mount /",
            "mount /usr*", "mount /bin", "mount /lib*", "mount /sbin", "file /etc/passwd", "file /etc/group",

            "file /etc/nsswitch.conf", because: "another image, which the engine's storage driver mounts"),
        KnownDifference(
            "mount /.berth/agent", "mount /etc/*", "file /etc/hosts", "file /etc/resolv.conf",
            because:
                "the engine writes its own files, and mounts files read-only without nosuid and nodev; no-new-privileges and "
                + "the list of devices say the same"),
        KnownDifference(
            "mount /dev", "mount /dev/pts",
            because: "the engine's /dev is larger and may hold programs; only root can write there"),
        KnownDifference(
            "connect ::1", "file /proc/net/if_inet6", "file /proc/sys/net/ipv6/conf/lo/disable_ipv6",
            because: "the engine turns IPv6 off in a network that it does not manage"),
        KnownDifference(
            "bind port 80", "file /proc/sys/net/ipv4/ip_unprivileged_port_start",
            because: "the engine lets everybody in a container listen on every port of its own network"),
        KnownDifference(
            "limit /sys/fs/cgroup/devices/devices.list", because: "the engine allows a console, which is not there"),
        KnownDifference(
            "agent: status Groups", "program: status of 1 Groups",
            because: "the engine gives root its group; programs have none"),
        KnownDifference(
            "agent: variable HOME", "variable HOSTNAME", because: "variables that the engine sets"),
        KnownDifference(
            "agent: status SigIgn", "program: status of 1 SigIgn",
            because: "runc's agent inherits from whoever started the server; programs do not"),
    ]
}
