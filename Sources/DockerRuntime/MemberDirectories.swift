internal import Pool

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// `<stateDirectory>/members/<member>/`: one directory a member, nobody else's to enter.
struct MemberDirectories: Sendable {
    private let base: String

    init(stateDirectory: String) throws(RuntimeError) {
        base = "\(stateDirectory)/members"
        for path in [stateDirectory, base] where mkdir(path, 0o700) != 0 && errno != EEXIST {
            throw Self.failure("make", path)
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

    /// Nothing of the container's is ever in there: it is mounted read-only.
    func remove(_ member: MemberID) throws(RuntimeError) {
        let path = path(member)
        unlink("\(path)/\(AgentSocket.name)")
        guard rmdir(path) == 0 || errno == ENOENT else { throw Self.failure("remove", path) }
    }

    private static func failure(_ what: String, _ path: String) -> RuntimeError {
        let number = errno
        return RuntimeError(
            number == EACCES || number == EROFS ? .invalidConfiguration : .failed,
            "can't \(what) the directory \(path): \(String(cString: strerror(number)))")
    }
}
