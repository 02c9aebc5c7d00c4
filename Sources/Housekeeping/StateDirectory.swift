// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import Hardening
package import Pool

/// The directory of one server instance, `<base>/<instance>`, with mode 0700 and an exclusive lock. While the lock is
/// held, no other server and no late janitor touches the members of the instance.
///
/// The janitor shares the lock. So a server that starts while the janitor of the previous one still sweeps waits for
/// it, at most 10 s.
package final class StateDirectory: Sendable {
    package let path: String
    /// Its lock, which the program that takes this one's place goes on with.
    package let lock: Int32

    /// /run/berth for root, $XDG_RUNTIME_DIR/berth for others, or /tmp/berth-UID if that variable is not set.
    package static var defaultBase: String {
        let user = UserNamespace.outerUser ?? geteuid()
        if user == 0 { return "/run/berth" }
        if let directory = getenv("XDG_RUNTIME_DIR") { return "\(String(cString: directory))/berth" }
        return "/tmp/berth-\(user)"
    }

    /// Creates and locks the directory. May block for up to 10 s, while the janitor of an ended server is at work.
    ///
    /// - Throws: `invalidConfiguration` if another server holds the instance, or `base` or `instance` is not allowed.
    package init(base: String = StateDirectory.defaultBase, instance: String) throws(RuntimeError) {
        let isName = instance.utf8.allSatisfy { byte in
            byte == UInt8(ascii: "-") || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
                || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
        }
        guard isName, !instance.isEmpty, instance.utf8.count <= 32, !instance.hasPrefix("-") else {
            throw RuntimeError(
                .invalidConfiguration, "the instance \"\(instance)\" is not 1 to 32 characters of a-z, 0-9 and -")
        }
        guard base.hasPrefix("/") else {
            throw RuntimeError(.invalidConfiguration, "the state directory \(base) is not an absolute path")
        }
        try Self.make(base)
        let path = "\(base)/\(instance)"
        self.path = path
        let deadline = ContinuousClock.now + .seconds(10)
        while true {
            try Files.makeDirectory(path, mode: 0o700)
            try TrustedDirectory.check(path)
            let lock = open("\(path)/lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
            // The janitor of an ended server may have just removed the directory.
            if lock < 0, errno == ENOENT, ContinuousClock.now < deadline { continue }
            guard lock >= 0 else { throw Files.failure("open", "\(path)/lock") }
            do throws(RuntimeError) {
                try Self.take(lock, path, instance, until: deadline)
            } catch {
                close(lock)
                throw error
            }
            // The janitor may have removed the file between opening and locking it: then the lock is worthless.
            var (held, there) = (stat(), stat())
            if fstat(lock, &held) == 0, lstat("\(path)/lock", &there) == 0, held.st_ino == there.st_ino {
                self.lock = lock
                break
            }
            close(lock)
        }
        ftruncate(lock, 0)
        let me = Array("\(getpid())".utf8)
        _ = pwrite(lock, me, me.count, 0)
    }

    /// Goes on with the directory and lock of the program whose place this one has taken.
    package init(goingOn path: String, lock: Int32) {
        self.path = path
        self.lock = lock
    }

    /// The directory that all servers of a user share, whatever their `state_dir` is. It is created if it is missing.
    package static func common() throws(RuntimeError) -> String {
        let base = defaultBase
        try make(base)
        return base
    }

    /// Checks the directory that instances are in, and creates it if it is missing. In a user namespace, nobody can tell any more
    /// who owns the directories above it.
    package static func make(_ base: String) throws(RuntimeError) {
        for end in base.indices where base[end] == "/" && end != base.startIndex {
            try Files.ensureDirectory(String(base[..<end]))
        }
        try Files.ensureDirectory(base)
        try TrustedDirectory.check(base)
    }

    /// Takes the lock of an instance, and waits while the janitor of an ended server has it.
    private static func take(
        _ lock: Int32, _ path: String, _ instance: String, until deadline: ContinuousClock.Instant
    ) throws(RuntimeError) {
        while flock(lock, LOCK_EX | LOCK_NB) != 0 {
            let holder = pid_t(String(decoding: Files.read("\(path)/lock") ?? [], as: UTF8.self)) ?? 0
            let isAlive = holder > 0 && (kill(holder, 0) == 0 || errno == EPERM)
            if isAlive || ContinuousClock.now > deadline {
                throw RuntimeError(
                    .invalidConfiguration,
                    "instance \(instance) is in use by the server with pid \(holder): choose another --instance")
            }
            usleep(50_000)
        }
    }

    deinit { close(lock) }
}
