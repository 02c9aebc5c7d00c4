// SPDX-License-Identifier: Apache-2.0

internal import CHost

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// The CPU time that this process and its machine have used so far.
struct MachineUse: Sendable {
    /// CPU time of this process.
    var process: Nanoseconds
    /// CPU time of all processes; nil if /proc/stat can't be read.
    var machine: Nanoseconds?

    static func now() -> MachineUse {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return MachineUse(
            process: Nanoseconds(time.tv_sec) * 1_000_000_000 + Nanoseconds(time.tv_nsec),
            machine: busy(readFile("/proc/stat"), ticksPerSecond: sysconf(Int32(_SC_CLK_TCK))))
    }

    /// The time for which all CPUs together were busy, from the text of /proc/stat.
    static func busy(_ stat: String, ticksPerSecond: Int) -> Nanoseconds? {
        let fields = stat.prefix { $0 != "\n" }.split(separator: " ")
        guard fields.first == "cpu", fields.count >= 8, ticksPerSecond > 0 else { return nil }
        // user, nice, system, irq, softirq, without idle and iowait; user already includes guests.
        let ticks = [1, 2, 3, 6, 7].compactMap { UInt64(fields[$0]) }.reduce(0, +)
        return ticks * (1_000_000_000 / UInt64(ticksPerSecond))
    }

    /// Maximum memory of this process so far, in bytes.
    static var peakMemory: UInt64 {
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        return UInt64(usage.ru_maxrss) << 10
    }

    /// Number of CPUs that this process may use.
    static var cpus: Int {
        let mask = readFile("/proc/self/status").split(separator: "\n").first { $0.hasPrefix("Cpus_allowed:") }
        let allowed = (mask ?? "").dropFirst("Cpus_allowed:".count).compactMap(\.hexDigitValue)
        return max(1, allowed.reduce(0) { $0 + $1.nonzeroBitCount })
    }

    static var cpuModel: String {
        for line in readFile("/proc/cpuinfo").split(separator: "\n") where line.hasPrefix("model name") {
            guard let colon = line.firstIndex(of: ":") else { continue }
            return String(line[line.index(after: colon)...].drop { $0 == " " })
        }
        return ""
    }

    static var kernel: String {
        String(readFile("/proc/sys/kernel/osrelease").prefix { $0 != "\n" })
    }

    /// The first 8 KiB of a file of /proc; empty if it can't be read.
    private static func readFile(_ path: String) -> String {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return "" }
        defer { close(descriptor) }
        var buffer = [UInt8](repeating: 0, count: 8192)
        let count = read(descriptor, &buffer, buffer.count)
        return count > 0 ? String(decoding: buffer[..<count], as: UTF8.self) : ""
    }
}
