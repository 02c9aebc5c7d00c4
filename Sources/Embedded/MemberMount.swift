// SPDX-License-Identifier: Apache-2.0

internal import Hardening
internal import Housekeeping

/// A mount of a member, in the words of the OCI runtime specification.
package struct MemberMount: Encodable, Sendable, Equatable {
    package var destination: String
    package var type: String
    package var source: String
    package var options: [String]

    package init(destination: String, type: String, source: String, options: [String]) {
        self.destination = destination
        self.type = type
        self.source = source
        self.options = options
    }

    /// A file or directory of the host: read-only, its setuid bits and devices without effect.
    package static func readOnly(_ source: String, at destination: String) -> MemberMount {
        MemberMount(destination: destination, type: "bind", source: source, options: ["bind", "ro", "nosuid", "nodev"])
    }

    /// Directories of the host, seen through an overlay, the uppermost first.
    package static func overlay(_ layers: [String], at destination: String) -> MemberMount {
        MemberMount(
            destination: destination, type: "overlay", source: "overlay",
            options: ["ro", "nosuid", "nodev", Overlay.options(layers)])
    }

    /// The same as far as this server's user namespace has it: terminals belong to the group of terminals if there is one.
    package static var here: [MemberMount] {
        guard !UserNamespace.hasGroup(5) else { return system }
        return system.map { mount in
            var mount = mount
            mount.options.removeAll { $0 == "gid=5" }
            return mount
        }
    }

    /// What every member has of the kernel. Nested ones come after what they are in.
    package static let system = [
        MemberMount(destination: "/proc", type: "proc", source: "proc", options: ["nosuid", "noexec", "nodev"]),
        MemberMount(
            destination: "/dev", type: "tmpfs", source: "tmpfs",
            options: ["nosuid", "noexec", "strictatime", "mode=755", "size=64k"]),
        MemberMount(
            destination: "/dev/pts", type: "devpts", source: "devpts",
            options: [
                "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5",
                "max=\(HardeningProfile.maxTerminals)",
            ]),
        MemberMount(
            destination: "/dev/shm", type: "tmpfs", source: "shm",
            options: ["nosuid", "noexec", "nodev", "mode=1777", "size=\(HardeningProfile.sharedMemoryBytes)"]),
        MemberMount(
            destination: "/dev/mqueue", type: "mqueue", source: "mqueue", options: ["nosuid", "noexec", "nodev"]),
        MemberMount(destination: "/sys", type: "sysfs", source: "sysfs", options: ["nosuid", "noexec", "nodev", "ro"]),
        // The container's own cgroup and nothing above it: the agent reads its memory events there.
        MemberMount(
            destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup",
            options: ["nosuid", "noexec", "nodev", "relatime", "ro"]),
    ]
}
