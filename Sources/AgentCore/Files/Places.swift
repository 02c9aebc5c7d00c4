internal import FileTree
internal import Glibc

/// The parts of the container that programs can write to: its mounts, save those that are the kernel's or the agent's.
enum Places {
    private static let reserved: [[UInt8]] = ["proc", "sys", "dev", ".berth"].map { Array($0.utf8) }
    private static let kernelTypes: Set = ["proc", "sysfs", "devpts", "devtmpfs", "mqueue", "cgroup", "cgroup2"]

    /// Walks a path within the place that it is in.
    /// - Throws: `FileError`; PERMISSION_DENIED where the path is in no place, or leads out of it.
    static func spot(
        _ path: String, followsLast: Bool = true, makesParents: Bool = false
    ) throws(FileError) -> Spot {
        guard path.utf8.first == UInt8(ascii: "/") else {
            throw FileError(.invalidArgument, "\(path): a path begins with a slash")
        }
        let shown = Array(path.utf8).shown
        let steps = PathWalk.components(path.utf8)
        guard let table = readAll(path: "/proc/self/mountinfo"), let mounts = Mount.all(in: table) else {
            throw FileError(.internal, "/proc/self/mountinfo cannot be read")
        }
        guard let (mount, prefix) = place(of: steps, in: mounts) else {
            throw FileError(
                .permissionDenied, "\(shown): is not in a place that programs can write to: \(list(mounts))")
        }
        let root = try Directory(path: Array(mount.path.utf8))
        let walk = PathWalk(root: root, prefix: prefix, outside: .permissionDenied)
        return try walk(
            Array(steps.dropFirst(prefix.count)), followsLast: followsLast, makesParents: makesParents, path: shown)
    }

    /// The mount that a path is in by its words, and that mount's own components; nil: it is none of the places. Of
    /// several at the same path, the last covers the others.
    static func place(of steps: [[UInt8]], in mounts: [Mount]) -> (Mount, [[UInt8]])? {
        var best: (Mount, [[UInt8]])?
        for mount in mounts {
            let prefix = PathWalk.components(mount.path.utf8)
            if steps.starts(with: prefix), prefix.count >= best?.1.count ?? 0 { best = (mount, prefix) }
        }
        guard let (mount, prefix) = best, isPlace(mount, prefix) else { return nil }
        // Where all of the root can be written to, these are not mounts of their own everywhere.
        if let first = steps.first, reserved.contains(first) { return nil }
        return (mount, prefix)
    }

    private static func isPlace(_ mount: Mount, _ prefix: [[UInt8]]) -> Bool {
        guard mount.isWritable, !kernelTypes.contains(mount.type) else { return false }
        if let first = prefix.first, reserved.contains(first) { return false }
        var status = stat()
        return stat(mount.path, &status) == 0 && status.isDirectory
    }

    private static func list(_ mounts: [Mount]) -> String {
        let places = mounts.filter { isPlace($0, PathWalk.components($0.path.utf8)) }.map(\.path)
        return places.isEmpty ? "there is none" : Set(places).sorted().joined(separator: ", ")
    }
}
