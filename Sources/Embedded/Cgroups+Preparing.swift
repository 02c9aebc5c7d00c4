// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import Housekeeping
internal import Pool

extension Cgroups {
    /// Name of the cgroup for the server's own processes, below the delegated one: a cgroup can have either processes of its
    /// own or controllers for cgroups below it.
    static let ownLeaf = "berth-server"

    /// Creates the members' parent, and on v2 everything needed to set limits below it.
    func prepare() throws(RuntimeError) {
        if held.isEmpty { return }
        if let place, place.owner != .root {
            let cgroup = place.path.isEmpty ? mounts[0] : "\(mounts[0])/\(place.path)"
            try empty(cgroup)
            try enableControllers(in: cgroup)
        }
        for mount in limitingMounts {
            let path = "\(mount)/\(parent)"
            if mkdir(path, 0o755) != 0, errno != EEXIST { throw failure("mkdir", path) }
        }
        guard isUnified else { return }
        // Of the host's root, systemd has enabled them, where there is one.
        if place?.owner == .root { try enableControllers(in: mounts[0]) }
        try enableControllers(in: "\(mounts[0])/\(parent)")
    }

    /// Moves the processes of a cgroup, this one's and those of its unit or container, into a leaf below it.
    private func empty(_ cgroup: String) throws(RuntimeError) {
        let leaf = "\(cgroup)/\(Self.ownLeaf)"
        // Some may fork while they are moved.
        for _ in 0..<100 {
            let processes = Files.text("\(cgroup)/cgroup.procs").split(separator: "\n")
            if processes.isEmpty { return }
            if mkdir(leaf, 0o755) != 0, errno != EEXIST { throw failure("mkdir", leaf) }
            for process in processes {
                // "0" is a process outside this pid namespace.
                guard process != "0" else { continue }
                guard Self.write(process.utf8, to: "\(leaf)/cgroup.procs") || errno == ESRCH else {
                    throw failure("move process \(process) to", leaf)
                }
            }
        }
        throw RuntimeError(
            .runtimeUnreachable,
            "processes of others stay in \(cgroup), so that no limits can be set below it: give the server a cgroup "
                + "of its own, with Delegate=yes in a unit or a container's own cgroup namespace")
    }

    private func enableControllers(in cgroup: String) throws(RuntimeError) {
        let enabled = Files.text("\(cgroup)/cgroup.subtree_control").split(whereSeparator: \.isWhitespace)
        for controller in held where !enabled.contains(Substring(controller)) {
            guard Self.write("+\(controller)".utf8, to: "\(cgroup)/cgroup.subtree_control") else {
                throw failure("enable the controller \(controller) in", cgroup)
            }
        }
    }

    func failure(_ what: String, _ path: String) -> RuntimeError {
        let code = errno
        // An ordinary user's advice is about delegation, and comes with what asked.
        let advice = UserNamespace.isOwn ? "" : Surroundings.current.advice(onCgroups: code)
        return RuntimeError(.runtimeUnreachable, "\(what) \(path): \(String(cString: strerror(code)))\(advice)")
    }

    static func write(_ text: some Sequence<UInt8>, to path: String) -> Bool {
        let descriptor = open(path, O_WRONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        let bytes = Array(text)
        return Glibc.write(descriptor, bytes, bytes.count) == bytes.count
    }
}
