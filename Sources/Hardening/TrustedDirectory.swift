// SPDX-License-Identifier: Apache-2.0

internal import Glibc
package import Pool

/// Directories that a server relies on: nobody but root and the server's own user may have a hand in them.
///
/// Whoever can write to a directory, or to one above it, can put another in its place, with other files, sockets or images
/// in it.
package enum TrustedDirectory {
    /// Checks a directory and all that lead to it, as far as they exist.
    /// - Parameter isOwn: the server's alone: it is no link, belongs to the server's user, and no other may write to it. Else
    ///   it may be one like /tmp, where everybody can make files and nobody can replace another's.
    /// - Throws: `invalidConfiguration` that names the directory, what is wrong with it, and what to do.
    package static func check(_ path: String, isOwn: Bool = true) throws(RuntimeError) {
        var info = stat()
        guard lstat(path, &info) == 0 else {
            if errno == ENOENT { return try checkWay(parent(path)) }
            throw refusal(path, "can't be looked at: \(String(cString: strerror(errno)))")
        }
        if isOwn {
            guard info.st_mode & S_IFMT != S_IFLNK else { throw refusal(path, "is a link") }
            guard info.st_uid == geteuid() else { throw refusal(path, "belongs to user \(info.st_uid)") }
            guard isClosed(info) else { throw refusal(path, "can be written to by others (mode \(octal(info)))") }
        }
        try checkWay(path)
    }

    /// Every name on the way: links are their owner's word, and where they lead is checked in its turn.
    private static func checkWay(_ path: String) throws(RuntimeError) {
        for end in path.indices.dropFirst() where path[end] == "/" { try checkName(String(path[..<end])) }
        try checkName(path)
        guard let resolved = realpath(path, nil) else { return }
        defer { free(resolved) }
        let real = String(cString: resolved)
        if real != path { try checkWay(real) }
    }

    private static func checkName(_ path: String) throws(RuntimeError) {
        var info = stat()
        guard !path.isEmpty, lstat(path, &info) == 0 else { return }
        guard info.st_uid == 0 || info.st_uid == geteuid() else {
            throw refusal(path, "belongs to user \(info.st_uid)")
        }
        guard info.st_mode & S_IFMT != S_IFLNK else { return }
        guard info.st_mode & S_IFMT == S_IFDIR else { throw refusal(path, "is not a directory") }
        guard isClosed(info) || info.st_mode & S_ISVTX != 0 else {
            throw refusal(path, "can be written to by others (mode \(octal(info)))")
        }
    }

    /// A group that is root's, or of the user alone, is nobody else.
    private static func isClosed(_ info: stat) -> Bool {
        let isOwnGroup = info.st_gid == 0 || (info.st_gid == getegid() && getegid() == geteuid())
        return info.st_mode & 0o002 == 0 && (info.st_mode & 0o020 == 0 || isOwnGroup)
    }

    private static func parent(_ path: String) -> String {
        guard let slash = path.lastIndex(of: "/"), slash != path.startIndex else { return "/" }
        return String(path[..<slash])
    }

    private static func octal(_ info: stat) -> String { String(info.st_mode & 0o7777, radix: 8) }

    private static func refusal(_ path: String, _ what: String) -> RuntimeError {
        RuntimeError(
            .invalidConfiguration,
            "\(path) \(what), so that another user could take its place: use a directory that only root"
                + (geteuid() == 0 ? "" : " and user \(geteuid())") + " can change")
    }
}
