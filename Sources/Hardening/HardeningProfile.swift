// SPDX-License-Identifier: Apache-2.0

internal import Glibc
package import Pool

/// The hardening of every member, defined once; each runtime translates it.
package struct HardeningProfile: Sendable {
    /// A resource limit of all processes, soft and hard alike; named as engines name it: `nofile`.
    package struct Limit: Sendable, Equatable {
        package var name: String
        package var value: Int64
    }

    /// A file system in memory.
    package struct Tmpfs: Sendable, Equatable {
        package var path: String
        package var options: [String]
    }

    /// Capabilities of the agent, without `CAP_`: it needs root only to change the uid for programs and to kill them.
    package static let capabilities = ["SETUID", "SETGID", "KILL"]

    /// Paths hidden from programs, since they are about the whole machine.
    package static let maskedPaths = [
        "/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
        "/proc/sched_debug", "/proc/scsi", "/proc/timer_list", "/proc/timer_stats", "/sys/devices/virtual/powercap",
        "/sys/firmware",
    ]

    package static let readonlyPaths = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]

    /// Maximum terminals of a member: the machine has 4096, of which the kernel reserves 1024 for the host.
    package static let maxTerminals = 64

    /// Bytes of /dev/shm.
    package static let sharedMemoryBytes: Int64 = 64 << 20

    /// Maximum descriptors of a process on this host: more requires CAP_SYS_RESOURCE, and an engine without it cannot give more
    /// than it has.
    package static let maxOpenFiles: Int64 = {
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        return Int64(clamping: limit.rlim_max)
    }()

    /// Maximum bytes in a member's TCP and UDP sockets, in addition to its memory limit. For cgroup v1, which counts them
    /// separately, and only if there is a limit; with v2 they count in the memory limit.
    package static let socketBytes: Int64 = 16 << 20

    /// Limits for what the kernel counts per user or process, and not per container.
    package var limits: [Limit]
    /// Of every place that can be written to.
    package var options: [String]
    /// The template's places, in its order.
    package var places: [Tmpfs]
    package var seccomp: SeccompProfile

    /// - Parameters:
    ///   - user: the user that programs run as, and that owns the writable places.
    ///   - sharesFiles: whether files of the image are shared with the host or other members, and not seen through an overlay.
    package init(_ template: MemberTemplate, user: UInt32, sharesFiles: Bool = false) {
        limits = [
            Limit(name: "nofile", value: min(template.openFiles, Self.maxOpenFiles)), Limit(name: "core", value: 0),
            // Three POSIX message queues of the usual size.
            Limit(name: "msgqueue", value: 256 << 10), Limit(name: "memlock", value: 64 << 10),
        ]
        let options = [
            "nosuid", "nodev", "mode=1777", "uid=\(user)", "gid=\(user)", "size=\(template.tmpfsBytes)",
        ]
        self.options = options
        places = template.tmpfsPaths.map { Tmpfs(path: $0, options: options) }
        seccomp = SeccompProfile(allowsInotify: !sharesFiles)
    }
}
