// SPDX-License-Identifier: Apache-2.0

internal import CHost
internal import Glibc
internal import Housekeeping
internal import Pool

/// Tries at the server's start, within a few milliseconds, whether members can be created at all: what a unit or an outer
/// container forbids would otherwise show only in the first create, and close the pool for five minutes.
struct StartProbe {
    let cgroups: Cgroups
    var surroundings = Surroundings.current

    /// A name that no member can have, since those begin with six random characters.
    private static let probe = "start"

    /// Creates the members' parent, tries a cgroup, namespaces and mounts, and leaves only the parent.
    ///
    /// - Parameter directory: is mounted on, in a namespace that ends.
    func run(directory: String) throws(RuntimeError) {
        if let capability = surroundings.missingCapabilities.first {
            throw RuntimeError(
                .runtimeUnreachable,
                "no container can be made without \(capability.name)\(surroundings.adviceOnCapability(capability))")
        }
        try cgroups.prepare()
        let paths = cgroups.limitingMounts.map { "\($0)/\(cgroups.parent)/\(Self.probe)" }
        // What has just ended in a cgroup may keep it for a moment.
        defer { for path in paths { for _ in 0..<100 where rmdir(path) != 0 && errno == EBUSY { usleep(1000) } } }
        for path in paths where mkdir(path, 0o755) != 0 && errno != EEXIST { throw cgroups.failure("mkdir", path) }
        if cgroups.isUnified, let path = paths.first {
            for file in cgroups.held.map({ "\($0).max" }) where !Files.exists("\(path)/\(file)") {
                throw RuntimeError(.runtimeUnreachable, "\(path) has no \(file), so that no limit can be set")
            }
        }
        try tryContainer(directory: directory, join: paths)
    }

    /// Checks what can be checked without creating anything, for `berth doctor`.
    func look() throws(RuntimeError) {
        if let capability = surroundings.missingCapabilities.first {
            throw RuntimeError(
                .runtimeUnreachable,
                "no container can be made without \(capability.name)\(surroundings.adviceOnCapability(capability))")
        }
        for mount in cgroups.limitingMounts {
            var info = statvfs()
            guard statvfs(mount, &info) == 0, info.f_flag & UInt(ST_RDONLY) == 0 else {
                throw RuntimeError(
                    .runtimeUnreachable, "\(mount) is read-only\(surroundings.advice(onCgroups: EROFS))")
            }
        }
        try tryContainer(directory: nil, join: [])
    }

    private func tryContainer(directory: String?, join cgroups: [String]) throws(RuntimeError) {
        let files = cgroups.map { "\($0)/cgroup.procs" }
        var arguments: [UnsafeMutablePointer<CChar>?] = files.map { strdup($0) } + [nil]
        defer { for pointer in arguments { free(pointer) } }
        var failure = berth_probe_failure()
        guard
            berth_try_container(
                self.cgroups.isUnified ? 1 : 0, UserNamespace.isOwn ? 0 : 1, directory, &arguments, &failure) != 0
        else {
            return
        }
        throw RuntimeError(.runtimeUnreachable, Self.words(failure, surroundings))
    }

    /// What failed, and what to do about it.
    static func words(_ failure: berth_probe_failure, _ surroundings: Surroundings) -> String {
        let what: String
        let advice: String
        switch UInt32(bitPattern: failure.step) {
        case BERTH_PROBE_NAMESPACES.rawValue:
            let names = namespaceNames(failure.refused)
            what = "make new namespaces (\(names.joined(separator: " ")))"
            advice = surroundings.advice(onNamespaces: names, failure.error)
        case BERTH_PROBE_CGROUP.rawValue:
            (what, advice) = ("enter a new cgroup", surroundings.advice(onCgroups: failure.error))
        case BERTH_PROBE_MOUNT.rawValue:
            (what, advice) = ("mount in a namespace of its own", surroundings.adviceOnCalls("@mount"))
        case BERTH_PROBE_HOSTNAME.rawValue:
            (what, advice) = ("set a host name in a namespace of its own", surroundings.adviceOnHostname)
        case BERTH_PROBE_NETLINK.rawValue:
            (what, advice) = ("open a netlink socket", surroundings.adviceOnFamilies("AF_NETLINK"))
        case BERTH_PROBE_DEVICES.rawValue:
            (what, advice) = ("load a program that guards devices", surroundings.adviceOnCalls("bpf"))
        default: (what, advice) = ("start a process", "")
        }
        let why =
            failure.signal != 0
            ? "ended by signal \(failure.signal)" : String(cString: strerror(failure.error))
        return "no container can be made: can't \(what): \(why)\(advice)"
    }

    /// The names in systemd's RestrictNamespaces=.
    private static func namespaceNames(_ flags: Int32) -> [String] {
        let names: [(Int32, String)] = [
            (CLONE_NEWCGROUP, "cgroup"), (CLONE_NEWIPC, "ipc"), (CLONE_NEWNET, "net"), (CLONE_NEWNS, "mnt"),
            (CLONE_NEWPID, "pid"), (CLONE_NEWUTS, "uts"),
        ]
        return names.filter { flags & $0.0 != 0 }.map(\.1)
    }
}
