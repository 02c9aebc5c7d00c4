// SPDX-License-Identifier: Apache-2.0

internal import Glibc
package import Pool

/// What holds every member, said once: each runtime writes it down in its own words.
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

    /// Changing the uid for programs and killing them is all that the agent needs root for; without `CAP_`.
    package static let capabilities = ["SETUID", "SETGID", "KILL"]

    /// Hidden from programs: what they tell is of the whole machine.
    package static let maskedPaths = [
        "/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
        "/proc/sched_debug", "/proc/scsi", "/proc/timer_list", "/proc/timer_stats", "/sys/devices/virtual/powercap",
        "/sys/firmware",
    ]

    package static let readonlyPaths = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]

    /// Terminals of a member: the machine has 4096 for all, of which the kernel keeps 1024 for the host.
    package static let maxTerminals = 64

    /// Bytes of /dev/shm.
    package static let sharedMemoryBytes: Int64 = 64 << 20

    /// The most descriptors that this host allows a process: more takes CAP_SYS_RESOURCE, and an engine without it can't
    /// give more than it has.
    package static let maxOpenFiles: Int64 = {
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        return Int64(clamping: limit.rlim_max)
    }()

    /// What a member's TCP and UDP sockets may hold beside its memory limit. For cgroup v1, which counts this apart, and not
    /// at all where no limit is set; with v2 it is in the memory limit.
    package static let socketBytes: Int64 = 16 << 20

    /// The limits that the kernel counts for a user, or a process, and not for a container.
    package var limits: [Limit]
    /// Of every place that can be written to.
    package var options: [String]
    /// The template's places, in its order.
    package var places: [Tmpfs]
    package var seccomp: SeccompProfile

    /// - Parameters:
    ///   - user: who programs run as, and whose the places are.
    ///   - sharesFiles: whether files of the image are the host's or another member's, and not seen through an overlay.
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
