// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// How many processes of the container the kernel has killed for lack of memory, as the container's own cgroup counts
/// them.
final class OutOfMemoryCounter {
    private let descriptor: Int32

    /// - Parameter root: where control groups are mounted.
    init(root: String = "/sys/fs/cgroup", own: String = "/proc/self/cgroup") {
        descriptor =
            OutOfMemoryCounter.candidates(root: root, own: read(path: own)).lazy
            .map { open($0, O_RDONLY | O_CLOEXEC) }
            .first { $0 >= 0 } ?? -1
    }

    deinit {
        if descriptor >= 0 { close(descriptor) }
    }

    /// Number of kills since the cgroup was created; nil if no counter can be read.
    var count: UInt64? {
        guard descriptor >= 0 else { return nil }
        return OutOfMemoryCounter.count(in: readText { pread(descriptor, $0, $1, 0) })
    }

    /// Files that may have the counter. In a container, usually the cgroup's own directory is mounted; otherwise it is below,
    /// at the path in the process's list of cgroups.
    static func candidates(root: String, own: String) -> [String] {
        var unified = ""
        var memory = ""
        for line in own.split(separator: "\n") {
            let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard parts.count == 3 else { continue }
            if parts[0] == "0" { unified = parts[2] == "/" ? "" : String(parts[2]) }
            if parts[1].split(separator: ",").contains("memory") { memory = parts[2] == "/" ? "" : String(parts[2]) }
        }
        return [
            "\(root)\(unified)/memory.events", "\(root)/memory.events",
            "\(root)/memory\(memory)/memory.oom_control", "\(root)/memory/memory.oom_control",
        ]
    }

    static func count(in text: String) -> UInt64? {
        for line in text.split(separator: "\n") where line.hasPrefix("oom_kill ") {
            return UInt64(line.dropFirst("oom_kill ".utf8.count))
        }
        return nil
    }
}

/// The first 4 KiB of a file; empty if it cannot be read.
func read(path: String) -> String {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return "" }
    defer { close(descriptor) }
    return readText { read(descriptor, $0, $1) }
}

private func readText(_ read: (UnsafeMutableRawPointer, Int) -> Int) -> String {
    withUnsafeTemporaryAllocation(byteCount: 4096, alignment: 1) { buffer in
        guard let base = buffer.baseAddress else { return "" }
        let count = read(base, buffer.count)
        return count > 0 ? String(decoding: buffer[..<count], as: UTF8.self) : ""
    }
}
