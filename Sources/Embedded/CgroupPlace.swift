// SPDX-License-Identifier: Apache-2.0

/// Decides where the members' cgroups belong on a host with cgroup v2: below the cgroup that was delegated to the server, so
/// that the limits of its unit, container or session apply to members too; else below the root, where only their own apply.
package struct CgroupPlace: Equatable, Sendable {
    package enum Owner: Equatable, Sendable {
        /// A cgroup that systemd has delegated to a unit or a user's session.
        case delegated
        /// The root of the cgroups that this container sees.
        case container
        /// The host's root: nothing is delegated to this server.
        case root
    }

    /// A cgroup below the mount.
    struct Candidate: Equatable {
        var isDelegated: Bool
        var controllers: Set<String>
    }

    package var owner: Owner
    /// Path below the mount, without a slash at either end: "" or "system.slice/berth.service".
    package var path: String
    /// The server's own cgroup, in the same form; nil if it is not below the mount.
    var own: String?
    /// A delegated cgroup that cannot be used because it lacks controllers, and which ones.
    var unusable: Unusable?

    struct Unusable: Equatable, Sendable {
        var path: String
        var lacks: [String]
    }

    static let neededControllers = ["memory", "pids", "cpu"]

    /// - Parameters:
    ///   - ownGroups: the text of /proc/self/cgroup.
    ///   - mounts: the text of /proc/self/mountinfo.
    ///   - mount: where cgroup v2 is mounted.
    ///   - isHostRoot: whether the mount shows the host's root; a container's own root is a cgroup like others.
    ///   - look: what there is at a path below the mount.
    static func decide(
        ownGroups: String, mounts: String, mount: String, isHostRoot: Bool, look: (String) -> Candidate
    ) -> CgroupPlace {
        let own = relative(ownGroups: ownGroups, mounts: mounts, mount: mount)
        var place = CgroupPlace(owner: isHostRoot ? .root : .container, path: "", own: own)
        var components = own?.split(separator: "/") ?? []
        while !components.isEmpty {
            let path = components.joined(separator: "/")
            let candidate = look(path)
            if candidate.isDelegated {
                let lacks = neededControllers.filter { !candidate.controllers.contains($0) }
                if lacks.isEmpty {
                    (place.owner, place.path) = (.delegated, path)
                    return place
                }
                if place.unusable == nil { place.unusable = Unusable(path: path, lacks: lacks) }
            }
            components.removeLast()
        }
        return place
    }

    /// The server's own cgroup below the mount. The kernel gives both paths as seen from the root of the cgroup
    /// namespace, and a mount may show a part of the tree only.
    static func relative(ownGroups: String, mounts: String, mount: String) -> String? {
        guard let line = ownGroups.split(separator: "\n").first(where: { $0.hasPrefix("0::/") }) else { return nil }
        let own = line.dropFirst(3).split(separator: "/")
        // Of several mounts at the same place, the last one is visible.
        guard let root = mounts.split(separator: "\n").compactMap({ root(of: $0, at: mount) }).last else { return nil }
        // "/.." is outside the namespace.
        guard !own.contains(".."), own.starts(with: root) else { return nil }
        return own.dropFirst(root.count).joined(separator: "/")
    }

    /// Which part of the hierarchy a line of mountinfo mounts at `mount`: `36 35 0:30 /root /mount rw - cgroup2 cgroup2 rw`.
    private static func root(of line: Substring, at mount: String) -> [Substring]? {
        let words = line.split(separator: " ")
        guard words.count > 6, words[4] == mount[...], let hyphen = words[5...].firstIndex(of: "-"),
            hyphen + 1 < words.count, words[hyphen + 1] == "cgroup2"
        else { return nil }
        return words[3].split(separator: "/")
    }

    /// For the log and for `berth doctor`.
    var explanation: String {
        switch owner {
        case .delegated: "delegated to this server, so that the limits of its unit or session hold for members too"
        case .container: "this container's own, so that its limits hold for members too"
        case .root:
            if let unusable {
                "the host's root: /\(unusable.path) is delegated to this server, but without the controllers "
                    + "\(unusable.lacks.joined(separator: ", ")); Delegate=yes in its unit gives them all"
            } else {
                "the host's root: nothing is delegated to this server, so that a limit of its unit does not hold for "
                    + "members; Delegate=yes in its unit changes that"
            }
        }
    }
}
