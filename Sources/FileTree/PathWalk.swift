// SPDX-License-Identifier: Apache-2.0

internal import CLinux
package import Glibc

/// The result of a walk: a directory that is held open, and a name in it.
package struct Spot {
    package let directory: Directory
    /// Nil if the path led to the directory itself: to the start of the walk, or by "..".
    package let name: [UInt8]?
    /// The status of the entry with that name, nil if there is none. It is a link only if links were not to be
    /// followed.
    package let status: stat?
}

/// Directories that walks have created, by inode.
package final class MadeDirectories {
    private var inodes: Set<UInt64> = []

    package init() {}

    package func insert(_ status: stat) { inodes.insert(UInt64(status.st_ino)) }

    package func contains(_ status: stat) -> Bool { inodes.contains(UInt64(status.st_ino)) }
}

/// Follows paths from a directory, and never leaves the directory or its file system.
///
/// Each component is opened first and examined afterwards, so nobody can replace it with a link in between. ".." goes
/// back to the directory that the walk came from, even if that was moved meanwhile. openat2(2) with RESOLVE_BENEATH
/// does the same, but this works on every kernel and under every seccomp profile, and follows absolute links that stay
/// inside.
package struct PathWalk {
    /// The maximum number of links to follow; the kernel has the same.
    private static let maxLinks = 40

    private let root: Directory
    private let device: UInt64
    /// The components of the root's own path, used to follow absolute links. If nil, absolute links lead outside.
    private let prefix: [[UInt8]]?
    private let outside: FileError.Code
    private let reason: FileError.Reason

    /// - Parameters:
    ///   - prefix: the components of the root's path; nil: every absolute link leads outside.
    ///   - outside: the error code for a path that leads outside.
    package init(root: Directory, prefix: [[UInt8]]? = nil, outside: FileError.Code) {
        self.root = root
        self.prefix = prefix
        self.outside = outside
        reason = outside == .invalidArgument ? .badArchive : .outside
        device = UInt64(root.status.st_dev)
    }

    package static func components(_ path: some Sequence<UInt8>) -> [[UInt8]] {
        Array(path).split(separator: UInt8(ascii: "/")).map(Array.init).filter { $0 != [0x2e] }
    }

    /// - Parameters:
    ///   - followsLast: whether to follow a link at the end of the path.
    ///   - makesParents: whether to create missing directories on the way.
    ///   - made: records the directories that were created.
    ///   - path: the path for messages.
    /// - Throws: `FileError` if a directory on the way is missing, is not a directory or may not be entered, or if the
    ///   path leads outside.
    package func callAsFunction(
        _ components: [[UInt8]], followsLast: Bool = true, makesParents: Bool = false, made: MadeDirectories? = nil,
        path: String
    ) throws(FileError) -> Spot {
        var stack = [root]
        var pending = Array(components.reversed())
        var links = 0
        while let component = pending.popLast() {
            guard let directory = stack.last else { preconditionFailure("the walk has left its root") }
            if component == [0x2e, 0x2e] {
                stack.removeLast()
                guard !stack.isEmpty else { throw leaves(path) }
                continue
            }
            let raw = directory.open(component, berth_o_path | O_NOFOLLOW)
            guard raw >= 0 else {
                guard errno == ENOENT else { throw FileError(errno, path) }
                if pending.isEmpty { return Spot(directory: directory, name: component, status: nil) }
                guard makesParents else { throw FileError(ENOENT, path) }
                let result = component.withC { mkdirat(directory.raw, $0, 0o755) }
                guard result == 0 || errno == EEXIST else { throw FileError(errno, path) }
                if result == 0, let made, let status = directory.status(component) { made.insert(status) }
                links += 1
                guard links <= PathWalk.maxLinks + components.count else { throw FileError(ELOOP, path) }
                pending.append(component)
                continue
            }
            let entry = Directory(adopting: raw)
            let status = entry.status
            guard UInt64(status.st_dev) == device else { throw leaves(path) }
            if status.isLink, followsLast || !pending.isEmpty {
                links += 1
                guard links <= PathWalk.maxLinks, let target = entry.link([]) else { throw FileError(ELOOP, path) }
                var steps = PathWalk.components(target)[...]
                if target.first == UInt8(ascii: "/") {
                    guard let prefix, steps.starts(with: prefix) else { throw leaves(path) }
                    steps = steps.dropFirst(prefix.count)
                    stack = [root]
                }
                pending += steps.reversed()
            } else if pending.isEmpty {
                return Spot(directory: directory, name: component, status: status)
            } else {
                guard status.isDirectory else { throw FileError(ENOTDIR, path) }
                stack.append(entry)
            }
        }
        guard let last = stack.last else { preconditionFailure("the walk has left its root") }
        return Spot(directory: last, name: nil, status: last.status)
    }

    private func leaves(_ path: String) -> FileError {
        FileError(outside, "\(path): leads outside", reason)
    }
}

extension Spot {
    /// Opens the directory.
    /// - Throws: `FileError` if it is not a directory.
    package func openDirectory(path: String) throws(FileError) -> Directory {
        guard let name else { return directory }
        guard status != nil else { throw FileError(ENOENT, path) }
        guard let opened = directory.directory(name) else {
            throw errno == ENOTDIR
                ? FileError(.failedPrecondition, "\(path): not a directory", .notADirectory) : FileError(errno, path)
        }
        return opened
    }

    /// Opens the regular file for reading. Never blocks, even if it is a pipe by now.
    /// - Throws: `FileError` if it is not a regular file.
    package func openFile(path: String) throws(FileError) -> (file: File, status: stat) {
        guard let status else { throw FileError(ENOENT, path) }
        guard let name, status.isRegular else { throw FileError(wrongKind: status, path) }
        let raw = directory.open(name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY)
        guard raw >= 0 else { throw FileError(errno, path) }
        let file = File(adopting: raw)
        // It may have been replaced since it was examined.
        let opened = file.status
        guard opened.isRegular else { throw FileError(wrongKind: opened, path) }
        return (file, opened)
    }
}

extension FileError {
    package init(wrongKind status: stat, _ path: String) {
        let kind =
            switch status.kind {
            case S_IFDIR: "a directory"
            case S_IFIFO: "a pipe"
            case S_IFSOCK: "a socket"
            case S_IFLNK: "a link"
            default: "a device"
            }
        self.init(
            .failedPrecondition, "\(path): is \(kind), not a file", status.isDirectory ? .isADirectory : .notAFile)
    }
}
