// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// What the kernel counts for this process, under the names that Prometheus' own libraries use.
package struct ProcessFigures: Sendable {
    package var cpuSeconds = 0.0
    package var residentBytes = 0.0
    package var openDescriptors = 0
    package var maxDescriptors = 0.0
    /// Unix time.
    package var startSeconds = 0.0

    package init() {}

    /// Now; what can't be read stays 0.
    package static func now() -> ProcessFigures {
        var figures = ProcessFigures()
        var usage = rusage()
        if getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage) == 0 {
            figures.cpuSeconds = usage.ru_utime.inSeconds + usage.ru_stime.inSeconds
        }
        var limit = rlimit()
        if getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 {
            figures.maxDescriptors = Double(limit.rlim_cur)
        }
        figures.residentBytes = Double(residentBytesNow())
        figures.openDescriptors = count(in: "/proc/self/fd")
        figures.startSeconds = started
        return figures
    }

    /// Alone, since the number of descriptors takes longer if there are thousands.
    static func residentBytesNow() -> Int64 {
        let pages = words(of: "/proc/self/statm")
        guard pages.count > 1, let resident = Int64(pages[1]) else { return 0 }
        return resident * Int64(sysconf(Int32(_SC_PAGESIZE)))
    }

    private static let started: Double = {
        // The command's name, in parentheses, may hold blanks; 20 fields after it is the start in ticks since boot.
        let fields = words(of: "/proc/self/stat", after: ")")
        guard fields.count > 19, let ticks = Double(fields[19]) else { return 0 }
        var (now, sinceBoot) = (timespec(), timespec())
        clock_gettime(CLOCK_REALTIME, &now)
        clock_gettime(CLOCK_BOOTTIME, &sinceBoot)
        let age = sinceBoot.inSeconds - ticks / Double(sysconf(Int32(_SC_CLK_TCK)))
        return now.inSeconds - age
    }()

    private static func words(of path: String, after mark: Character? = nil) -> [Substring] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return [] }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = read(descriptor, &bytes, bytes.count)
        guard count > 0 else { return [] }
        var text = String(decoding: bytes[..<count], as: UTF8.self)[...]
        if let mark, let end = text.lastIndex(of: mark) { text = text[text.index(after: end)...] }
        return text.split(whereSeparator: \.isWhitespace)
    }

    /// The number of entries of a directory, without the one that reading it opens.
    private static func count(in path: String) -> Int {
        guard let directory = opendir(path) else { return 0 }
        defer { closedir(directory) }
        var count = 0
        while readdir(directory) != nil { count += 1 }
        return max(0, count - 3)
    }
}

extension timeval {
    fileprivate var inSeconds: Double { Double(tv_sec) + Double(tv_usec) / 1e6 }
}

extension timespec {
    fileprivate var inSeconds: Double { Double(tv_sec) + Double(tv_nsec) / 1e9 }
}
