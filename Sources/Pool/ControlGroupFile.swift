// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// Finds and reads what the kernel counts for a process's control group.
enum ControlGroupFile {
    /// Where a file may be, the best guess first.
    ///
    /// - Parameters:
    ///   - root: where control groups are mounted.
    ///   - groups: a process's list of its control groups. The root group is shared, so it is not used.
    ///   - unified: name of the file on v2.
    ///   - controller: name of the controller whose hierarchy on v1 has the file `legacy`.
    static func candidates(
        root: String, groups: String, unified: String, controller: Substring, legacy: String
    ) -> [String] {
        var first: [String] = []
        var second: [String] = []
        for line in groups.split(separator: "\n") {
            let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard parts.count == 3, parts[2].hasPrefix("/"), parts[2] != "/", !parts[2].contains("/..") else {
                continue
            }
            if parts[0] == "0" { first.append("\(root)\(parts[2])/\(unified)") }
            if parts[1].split(separator: ",").contains(controller) {
                second.append("\(root)/\(controller)\(parts[2])/\(legacy)")
            }
        }
        return first + second
    }

    /// The list of a process's control groups.
    /// - Parameter pid: as this process sees it.
    static func groups(of pid: Int32) -> String { read("/proc/\(pid)/cgroup") }

    static func isReadable(_ path: String) -> Bool { access(path, R_OK) == 0 }

    /// The first 4 KiB of a file; empty where it cannot be read.
    static func read(_ path: String) -> String {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return "" }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = pread(descriptor, &bytes, bytes.count, 0)
        return count > 0 ? String(decoding: bytes[..<count], as: UTF8.self) : ""
    }
}
