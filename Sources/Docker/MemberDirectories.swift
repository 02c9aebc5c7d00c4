// SPDX-License-Identifier: Apache-2.0

internal import Hardening
internal import Pool

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// `<stateDirectory>/members/<member>/`: one directory for each member, which nobody else can enter.
struct MemberDirectories: Sendable {
    let base: String

    init(stateDirectory: String) throws(RuntimeError) {
        base = "\(stateDirectory)/members"
        for path in [stateDirectory, base] {
            guard mkdir(path, 0o700) == 0 || errno == EEXIST else { throw Self.failure("make", path) }
            try TrustedDirectory.check(path)
        }
        guard chmod(base, 0o700) == 0 else { throw Self.failure("protect", base) }
    }

    func path(_ member: MemberID) -> String { "\(base)/\(member)" }

    func make(_ member: MemberID) throws(RuntimeError) -> String {
        let path = path(member)
        // Past the umask: the container's root may be another user outside.
        guard mkdir(path, 0o755) == 0, chmod(path, 0o755) == 0 else { throw Self.failure("make", path) }
        return path
    }

    /// Writes the member's /etc/passwd and /etc/group.
    func write(_ accounts: Accounts, in directory: String) throws(RuntimeError) {
        for (name, content) in [("passwd", accounts.passwd), ("group", accounts.group)] {
            try Self.write("\(directory)/\(name)", content)
        }
    }

    /// - Returns: path of the file.
    func writeProfile(_ profile: String) throws(RuntimeError) -> String {
        let path = "\(base)/.seccomp.json"
        try Self.write(path, Array(profile.utf8))
        return path
    }

    private static func write(_ path: String, _ content: [UInt8]) throws(RuntimeError) {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o644)
        guard descriptor >= 0 else { throw failure("write in", path) }
        defer { close(descriptor) }
        // Past the umask: every user in the container reads it.
        guard fchmod(descriptor, 0o644) == 0,
            Glibc.write(descriptor, content, content.count) == content.count
        else { throw failure("write in", path) }
    }

    /// Removes the directory, which never contains files of the container, since it is mounted read-only.
    func remove(_ member: MemberID) throws(RuntimeError) {
        let path = path(member)
        for name in [AgentSocket.name] + Accounts.fileNames { unlink("\(path)/\(name)") }
        guard rmdir(path) == 0 || errno == ENOENT else { throw Self.failure("remove", path) }
    }

    private static func failure(_ what: String, _ path: String) -> RuntimeError {
        let number = errno
        return RuntimeError(
            number == EACCES || number == EROFS ? .invalidConfiguration : .failed,
            "can't \(what) the directory \(path): \(String(cString: strerror(number)))")
    }
}
