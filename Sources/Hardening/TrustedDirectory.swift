// SPDX-License-Identifier: Apache-2.0

internal import Glibc
package import Pool

/// Directories that a server relies on: only root and the server's own user may be able to change them.
///
/// A user who can write to a directory, or to one above it, can replace it by another with other files, sockets or images.
package enum TrustedDirectory {
    /// Checks a directory and all directories above it, as far as they exist.
    /// - Parameter isOwn: whether it must be the server's alone: not a link, owned by the server's user, and not writable for
    ///   others. If not, it may be like /tmp, where everybody can create files and nobody can replace those of others.
    /// - Throws: `invalidConfiguration` with the directory, what is wrong with it, and what to do.
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
        guard info.st_uid == 0 || info.st_uid == geteuid() || isUnnamed(info.st_uid) else {
            throw refusal(path, "belongs to user \(info.st_uid)")
        }
        guard info.st_mode & S_IFMT != S_IFLNK else { return }
        guard info.st_mode & S_IFMT == S_IFDIR else { throw refusal(path, "is not a directory") }
        guard isClosed(info) || info.st_mode & S_ISVTX != 0 else {
            throw refusal(path, "can be written to by others (mode \(octal(info)))")
        }
    }

    /// Whether it may be root's, as which no id stands in a user namespace: the server has looked at it before it entered that.
    private static func isUnnamed(_ user: uid_t) -> Bool { getenv("BERTH_OUTER_UID") != nil && user == 65_534 }

    /// Whether nobody else can write. The group of root, and one that only the user is in, do not count as others.
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
