// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// Removes directories with everything in them. It never follows a link or enters another file system.
package enum TreeRemoval {
    /// How often a directory is listed again because programs add to it meanwhile.
    private static let rounds = 16

    private struct Level {
        let directory: Directory
        let name: [UInt8]
        var names: ArraySlice<[UInt8]>
        var round = 1
    }

    /// - Parameter path: for messages.
    package static func remove(_ name: [UInt8], in parent: Directory, path: String) throws(FileError) {
        guard let top = parent.directory(name) else { throw FileError(errno, path) }
        let device = top.status.st_dev
        var levels = [Level(directory: top, name: name, names: try names(top, path)[...])]
        while var level = levels.popLast() {
            guard let next = level.names.popFirst() else {
                let above = levels.last?.directory ?? parent
                if level.name.withC({ unlinkat(above.raw, $0, AT_REMOVEDIR) }) == 0 || errno == ENOENT { continue }
                guard errno == ENOTEMPTY || errno == EEXIST, level.round < rounds else {
                    throw FileError(errno, shown(path, levels + [level]))
                }
                level.round += 1
                level.names = try names(level.directory, shown(path, levels + [level]))[...]
                levels.append(level)
                continue
            }
            levels.append(level)
            if next.withC({ unlinkat(level.directory.raw, $0, 0) }) == 0 || errno == ENOENT { continue }
            let number = errno
            guard number == EISDIR || number == EPERM, let inner = level.directory.directory(next) else {
                throw FileError(number, "\(shown(path, levels))/\(next.shown)")
            }
            guard inner.status.st_dev == device else {
                throw FileError(
                    .failedPrecondition, "\(shown(path, levels))/\(next.shown): is a mount point", .isADirectory)
            }
            let inside = try names(inner, "\(shown(path, levels))/\(next.shown)")
            levels.append(Level(directory: inner, name: next, names: inside[...]))
        }
    }

    private static func names(_ directory: Directory, _ path: @autoclosure () -> String) throws(FileError) -> [[UInt8]]
    {
        guard let names = directory.names() else { throw FileError(errno, path()) }
        return names
    }

    private static func shown(_ path: String, _ levels: [Level]) -> String {
        path + levels.dropFirst().map { "/\($0.name.shown)" }.joined()
    }
}
