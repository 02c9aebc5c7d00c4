// SPDX-License-Identifier: Apache-2.0

internal import CHost
internal import Glibc
package import Housekeeping
package import Pool

/// The cgroups of an instance's members: `/<parent>/<member>`, in each hierarchy on v1 and hybrid hosts, and once on v2, there
/// below the cgroup that was delegated to the server, if any (`CgroupPlace`).
package struct Cgroups: Sendable {
    package let isUnified: Bool
    package let limitsSwap: Bool
    /// Nil on v1 and hybrid hosts, where nothing is delegated.
    package let place: CgroupPlace?
    package let mounts: [String]
    /// Path below each mount, without a slash at either end.
    package let parent: String
    /// The controllers whose limits are set.
    package internal(set) var held = CgroupPlace.neededControllers
    /// Where to look for members: also below the root, where an earlier server without delegation has put them.
    private let parents: [String]

    /// `berth-<instance>`, with a hash of the state directory's path if that is not the usual one: the lock is in that
    /// directory, so another server may have the same instance elsewhere.
    static func parent(instance: String, stateDirectory: String) -> String {
        if stateDirectory == "/run/berth/\(instance)" { return "berth-\(instance)" }
        // FNV-1a
        let hash = stateDirectory.utf8.reduce(0x811C_9DC5 as UInt32) { ($0 ^ UInt32($1)) &* 0x0100_0193 }
        return "berth-\(instance)-\(String(hash, radix: 16))"
    }

    package init(instance: String, stateDirectory: String, mount: String = "/sys/fs/cgroup") {
        isUnified = berth_is_cgroup2(mount) != 0
        let name = Self.parent(instance: instance, stateDirectory: stateDirectory)
        if isUnified {
            var place = Self.place(mount)
            // An ordinary user has this one or none.
            if UserNamespace.isOwn, place.owner == .root, let partial = place.unusable {
                (place.owner, place.path) = (.delegated, partial.path)
            }
            self.place = place
            parent = place.path.isEmpty ? name : "\(place.path)/\(name)"
            parents = place.path.isEmpty ? [name] : [parent, name]
            mounts = [mount]
            limitsSwap = true
        } else {
            place = nil
            parent = name
            parents = [name]
            // Links such as cpu → cpu,cpuacct would list a hierarchy twice.
            mounts = Files.list(mount).map { "\(mount)/\($0)" }.filter {
                if case .directory = Files.kind($0) { return true }
                return false
            }
            limitsSwap = Files.exists("\(mount)/memory/memory.memsw.limit_in_bytes")
        }
    }

    private static func place(_ mount: String) -> CgroupPlace {
        CgroupPlace.decide(
            ownGroups: Files.text("/proc/self/cgroup"), mounts: Files.text("/proc/self/mountinfo", limit: 1 << 24),
            mount: mount,
            // Every cgroup except the host's root has this file.
            isHostRoot: !Files.exists("\(mount)/cgroup.type")
        ) { path in
            CgroupPlace.Candidate(
                isDelegated: berth_is_delegated("\(mount)/\(path)") != 0,
                controllers: controllers("\(mount)/\(path)"))
        }
    }

    private static func controllers(_ path: String) -> Set<String> {
        Set(Files.text("\(path)/cgroup.controllers").split(whereSeparator: \.isWhitespace).map(String.init))
    }

    /// The controllers that limits need and that this host, or the delegated cgroup, does not offer.
    package var missingControllers: [String] {
        let needed = CgroupPlace.neededControllers
        guard let place else {
            let names = mounts.flatMap { $0.split(separator: "/").last?.split(separator: ",") ?? [] }
            return needed.filter { !names.contains(Substring($0)) }
        }
        let offered = Self.controllers("\(mounts[0])/\(place.path)")
        return needed.filter { !offered.contains($0) }
    }

    /// The mounts in which limits are set, or CPU time is counted.
    package var limitingMounts: [String] {
        guard !isUnified, !held.isEmpty else { return held.isEmpty ? [] : mounts }
        return mounts.filter { mount in
            Self.controllers(at: mount).contains { held.contains($0) || $0 == "cpuacct" }
        }
    }

    /// The controllers of a mount of v1, which has their names.
    static func controllers(at mount: String) -> [String] {
        mount.split(separator: "/").last?.split(separator: ",").map(String.init) ?? []
    }

    /// Where members' cgroups are and why, for the log and `berth doctor`.
    package var location: (path: String, reason: String) {
        guard let place else {
            return ("/sys/fs/cgroup/*/\(parent)", "the host's root: cgroup v1 can't be delegated")
        }
        return ("\(mounts[0])/\(parent)", place.explanation)
    }

    package func relativePath(_ member: MemberID) -> String { "/\(parent)/\(member)" }

    package func paths(_ member: MemberID) -> [String] { directories.map { "\($0)/\(member)" } }

    private var directories: [String] { mounts.flatMap { mount in parents.map { "\(mount)/\($0)" } } }

    /// All members that have a cgroup.
    package func members() -> Set<String> {
        var names: Set<String> = []
        for directory in directories {
            for name in Files.list(directory) {
                if case .directory = Files.kind("\(directory)/\(name)") { names.insert(name) }
            }
        }
        return names
    }

    /// Kills all processes in a member's cgroups and removes the cgroups.
    package func remove(_ member: MemberID, deadline: ContinuousClock.Instant, _ cancellation: Cancellation)
        throws(RuntimeError)
    {
        var pause: Int32 = 1
        while true {
            let left = paths(member).filter { rmdirTree($0) == false }
            if left.isEmpty { break }
            for path in left { kill(in: path) }
            if ContinuousClock.now > deadline {
                throw RuntimeError(.failed, "the cgroup \(left[0]) can't be removed: \(lastError())")
            }
            if cancellation.wait(milliseconds: pause) { throw RuntimeError(.failed, "remove was cancelled") }
            pause = min(pause * 2, 20)
        }
    }

    /// Removes the instance's own cgroups once they are empty.
    package func removeParent() {
        for directory in directories { rmdir(directory) }
    }

    /// Whether no process is in a member's cgroups.
    package func isEmpty(_ member: MemberID) -> Bool {
        paths(member).allSatisfy { Self.processes(in: $0).isEmpty }
    }

    /// Kills every process in a member's cgroups; returns whether there was one.
    @discardableResult
    package func kill(_ member: MemberID) -> Bool {
        var found = false
        for path in paths(member) where kill(in: path) { found = true }
        return found
    }

    @discardableResult
    private func kill(in path: String) -> Bool {
        var found = false
        for child in Files.list(path) {
            if case .directory = Files.kind("\(path)/\(child)"), kill(in: "\(path)/\(child)") { found = true }
        }
        for pid in Self.processes(in: path) {
            found = true
            let descriptor = berth_pidfd_open(pid)
            guard descriptor >= 0 else { continue }
            defer { close(descriptor) }
            // Checked again, since the number may have been reused before the descriptor was opened.
            if Self.processes(in: path).contains(pid) { _ = berth_pidfd_kill(descriptor) }
        }
        return found
    }

    static func processes(in path: String) -> [pid_t] {
        Files.text("\(path)/cgroup.procs").split(separator: "\n").compactMap { pid_t($0) }.filter { $0 > 0 }
    }

    private func rmdirTree(_ path: String) -> Bool {
        if rmdir(path) == 0 || errno == ENOENT { return true }
        for child in Files.list(path) {
            if case .directory = Files.kind("\(path)/\(child)") { _ = rmdirTree("\(path)/\(child)") }
        }
        return rmdir(path) == 0 || errno == ENOENT
    }
}
