// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// The memory limit of a container's TCP and UDP sockets, on cgroup v1. It is set here, since runc 1.1 ignores it.
package enum SocketMemory {
    /// Limits the memory cgroup of a container's first process. It must be called before a program runs there, since sockets
    /// that are open already are not counted. With cgroup v2 there is nothing to do.
    /// - Returns: whether it is limited; if not, errno says why.
    package static func limit(_ process: Int32, mount: String = "/sys/fs/cgroup/memory") -> Bool {
        guard let path = memoryCgroup(of: process) else { return true }
        let file = open("\(mount)\(path)/memory.kmem.tcp.limit_in_bytes", O_WRONLY | O_CLOEXEC)
        // Not every kernel counts it.
        guard file >= 0 else { return errno == ENOENT && access(mount + path, F_OK) == 0 }
        defer { close(file) }
        let text = Array("\(HardeningProfile.socketBytes)".utf8)
        return write(file, text, text.count) == text.count
    }

    /// "9:memory:/berth-7411/x", a line of /proc/PID/cgroup, gives "/berth-7411/x"; nil with v2, or where it is not seen.
    private static func memoryCgroup(of process: Int32) -> String? {
        guard let file = fopen("/proc/\(process)/cgroup", "re") else { return nil }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 4096)
        while fgets(&line, Int32(line.count), file) != nil {
            let text = String(decoding: line.prefix { $0 != 0 && $0 != 10 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
            let parts = text.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            if parts.count == 3, parts[1].split(separator: ",").contains("memory") { return String(parts[2]) }
        }
        return nil
    }
}
