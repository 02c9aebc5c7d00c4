// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import Housekeeping

extension Cgroups {
    /// Bytes that the limits above the members leave: those of the unit or container, and of each visible slice above. nil if
    /// there are none.
    package func memoryLeft() -> Int64? {
        guard let place, place.owner != .root else { return nil }
        var components = place.path.split(separator: "/")
        var least: Int64?
        while true {
            let cgroup = ([Substring(mounts[0])] + components).joined(separator: "/")
            let left = Self.memoryLeft(
                max: Files.text("\(cgroup)/memory.max"), current: Files.text("\(cgroup)/memory.current"),
                stat: Files.text("\(cgroup)/memory.stat"))
            if let left { least = min(least ?? left, left) }
            if components.isEmpty { return least }
            components.removeLast()
        }
    }

    /// Bytes that one cgroup leaves, from the content of its files. Page cache does not count, since the kernel reclaims it.
    static func memoryLeft(max: String, current: String, stat: String) -> Int64? {
        func number(_ text: Substring) -> Int64? { Int64(text.prefix { $0 != "\n" }) }
        guard let limit = number(max[...]), let used = number(current[...]) else { return nil }
        let cached = stat.split(separator: "\n").lazy.filter { $0.hasPrefix("inactive_file ") }
            .compactMap { number($0.dropFirst("inactive_file ".count)) }.first
        return Swift.max(0, limit - used + (cached ?? 0))
    }
}
