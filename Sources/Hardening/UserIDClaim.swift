// SPDX-License-Identifier: Apache-2.0

internal import Glibc
package import Pool

/// A part of a range of user ids that no other server of this host has. It is held until this object is deallocated or the
/// process ends.
///
/// If two servers used the same ids, their containers would share what the kernel counts per user. So each server locks its
/// part in one file, one byte for each id.
package final class UserIDClaim: Sendable {
    package let range: ClosedRange<UInt32>
    /// Holds the locks. The program that takes this one's place goes on with it.
    package let descriptor: Int32

    // F_OFD_GETLK and F_OFD_SETLK, Linux's on every machine: locks of an open file, which Swift is not told of.
    private static let getLock: Int32 = 36
    private static let setLock: Int32 = 37

    /// How many servers share a range, if each has few enough containers.
    private static let shares = 50

    /// Default name of the file with the locks, in a directory of the server's user.
    package static let name = ".uids"

    /// - Parameters:
    ///   - range: the ids to use.
    ///   - atLeast: how many are needed.
    ///   - path: the file with the locks, the same for all servers; created if it is missing.
    /// - Throws: `invalidConfiguration` if no free part of the range is large enough; `failed` if the file cannot be used.
    package init(of range: ClosedRange<UInt32>, atLeast: Int, path: String) throws(RuntimeError) {
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else {
            let code = errno
            throw RuntimeError(.failed, "\(path): \(String(cString: strerror(code)))", errno: code)
        }
        let share = min(range.count, max(atLeast, range.count / Self.shares))
        for count in share > atLeast ? [share, atLeast] : [share] {
            if let claimed = Self.claim(range, count, descriptor) {
                self.range = claimed
                self.descriptor = descriptor
                return
            }
        }
        close(descriptor)
        throw RuntimeError(
            .invalidConfiguration,
            "other servers of this host use so many of the user ids \(range.lowerBound)-\(range.upperBound) that no "
                + "\(atLeast) in a row are left: set uids to a range of this server's own")
    }

    /// Goes on with the claim of the program whose place this one has taken.
    package init(goingOn range: ClosedRange<UInt32>, descriptor: Int32) {
        self.range = range
        self.descriptor = descriptor
    }

    deinit { close(descriptor) }

    /// Locks and returns the first free part; nil if there is none.
    private static func claim(_ range: ClosedRange<UInt32>, _ count: Int, _ descriptor: Int32) -> ClosedRange<UInt32>? {
        let end = Int(range.upperBound) + 1
        var first = Int(range.lowerBound)
        while first + count <= end {
            var wanted = lock(first, count)
            if fcntl(descriptor, setLock, &wanted) == 0 { return UInt32(first)...UInt32(first + count - 1) }
            guard errno == EAGAIN || errno == EACCES else { return nil }
            // The lock of the other server shows where to continue; if it was released meanwhile, the same part is tried again.
            var held = lock(first, count)
            guard fcntl(descriptor, getLock, &held) == 0 else { return nil }
            if held.l_type != Int16(F_UNLCK) {
                guard held.l_len > 0 else { return nil }
                first = max(first + 1, Int(held.l_start + held.l_len))
            }
        }
        return nil
    }

    private static func lock(_ first: Int, _ count: Int) -> flock {
        var lock = flock()
        lock.l_type = Int16(F_WRLCK)
        lock.l_whence = Int16(SEEK_SET)
        lock.l_start = off_t(first)
        lock.l_len = off_t(count)
        return lock
    }
}
