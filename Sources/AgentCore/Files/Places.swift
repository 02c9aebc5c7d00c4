// SPDX-License-Identifier: Apache-2.0

internal import BerthSchema
internal import FileTree
internal import Glibc

/// The parts of the container that programs can write to: its mounts except those of the kernel and the agent.
enum Places {
    private static let reserved: [[UInt8]] = ["proc", "sys", "dev", ".berth"].map { Array($0.utf8) }
    private static let kernelTypes: Set = ["proc", "sysfs", "devpts", "devtmpfs", "mqueue", "cgroup", "cgroup2"]

    /// Walks a path to change, within its place.
    /// - Throws: `FileError`; PERMISSION_DENIED if the path is in no place, or leads out of it.
    static func spot(
        _ path: SystemString, followsLast: Bool = true, makesParents: Bool = false
    ) throws(FileError) -> Spot {
        try requireAbsolute(path)
        let shown = path.bytes.shown
        let steps = PathWalk.components(path.bytes)
        guard let table = readAll(path: "/proc/self/mountinfo"), let mounts = Mount.all(in: table) else {
            throw FileError(.internal, "/proc/self/mountinfo cannot be read")
        }
        guard let (mount, prefix) = place(of: steps, in: mounts) else {
            throw FileError(
                .permissionDenied, "\(shown): is not in a place that programs can write to: \(list(mounts))",
                isReadOnly(steps, mounts) ? .readOnly : .outside)
        }
        let root = try Directory(path: Array(mount.path.utf8))
        let walk = PathWalk(root: root, prefix: prefix, outside: .permissionDenied)
        return try walk(
            Array(steps.dropFirst(prefix.count)), followsLast: followsLast, makesParents: makesParents, path: shown)
    }

    // MARK: Reading, which is not bound to the places: the kernel says what the user may

    /// - Throws: `FileError`.
    static func status(_ path: SystemString, followsLast: Bool = true) throws(FileError) -> stat {
        try requireAbsolute(path)
        var status = stat()
        let flags = followsLast ? 0 : AT_SYMLINK_NOFOLLOW
        guard path.bytes.withC({ fstatat(AT_FDCWD, $0, &status, flags) }) == 0 else {
            throw FileError(errno, path.bytes.shown)
        }
        return status
    }

    /// Opens a regular file for reading. It never blocks, whatever is at the path.
    static func openFile(_ path: SystemString) throws(FileError) -> (file: File, status: stat) {
        // Checked before opening, since opening a device may have effects.
        let status = try status(path)
        guard status.isRegular else { throw FileError(wrongKind: status, path.bytes.shown) }
        let raw = path.bytes.withC { open($0, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC) }
        guard raw >= 0 else { throw FileError(errno, path.bytes.shown) }
        let file = File(adopting: raw)
        // It may be another file by now.
        let opened = file.status
        guard opened.isRegular else { throw FileError(wrongKind: opened, path.bytes.shown) }
        return (file, opened)
    }

    static func openDirectory(_ path: SystemString) throws(FileError) -> Directory {
        try requireAbsolute(path)
        return try Directory(path: path.bytes)
    }

    private static func requireAbsolute(_ path: SystemString) throws(FileError) {
        guard path.hasPrefix("/") else {
            throw FileError(.invalidArgument, "\(path.bytes.shown): a path begins with a slash")
        }
    }

    /// The mount that a path is in by its name, and the mount's components; nil if that is not one of the places. Of several
    /// mounts at the same path, the last covers the others.
    static func place(of steps: [[UInt8]], in mounts: [Mount]) -> (Mount, [[UInt8]])? {
        guard let (mount, prefix) = mountPoint(of: steps, in: mounts), isPlace(mount, prefix) else { return nil }
        // If the whole root is writable, these are not always mounts of their own.
        if let first = steps.first, reserved.contains(first) { return nil }
        return (mount, prefix)
    }

    private static func mountPoint(of steps: [[UInt8]], in mounts: [Mount]) -> (Mount, [[UInt8]])? {
        var best: (Mount, [[UInt8]])?
        for mount in mounts {
            let prefix = PathWalk.components(mount.path.utf8)
            if steps.starts(with: prefix), prefix.count >= best?.1.count ?? 0 { best = (mount, prefix) }
        }
        return best
    }

    private static func isReadOnly(_ steps: [[UInt8]], _ mounts: [Mount]) -> Bool {
        if let first = steps.first, reserved.contains(first) { return false }
        return mountPoint(of: steps, in: mounts).map { !$0.0.isWritable } ?? false
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
