// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// How many processes of a member the kernel has killed at the member's memory limit, as its control group counts them, seen
/// from outside: also when the agent was one of them, and can tell nothing.
public struct MemoryKills: Sendable {
    /// A count that somebody else keeps.
    public final class Count: Sendable {
        private let value = Atomic<UInt64>(0)

        public init() {}
        public func add() { value.add(1, ordering: .relaxed) }
        var now: UInt64 { value.load(ordering: .relaxed) }
    }

    private enum Source {
        case file(String)
        case told(Count)
    }
    private let source: Source

    /// How long after the agent's end its kill may still have to be counted.
    public var delay: Duration {
        switch source {
        case .file: .zero
        case .told: .milliseconds(1500)
        }
    }

    public init(told count: Count) { source = .told(count) }

    /// - Parameters:
    ///   - pid: a process of the member, as this process sees it.
    ///   - root: where control groups are mounted.
    /// - Returns: nil where there is no such process, or no counter is found for it.
    public init?(process pid: Int32, root: String = "/sys/fs/cgroup") {
        guard pid > 0,
            let path = MemoryKills.candidates(root: root, groups: ControlGroupFile.groups(of: pid))
                .first(where: ControlGroupFile.isReadable)
        else { return nil }
        source = .file(path)
    }

    /// Kills since the group was made; nil where that cannot be read any more.
    public var count: UInt64? {
        switch source {
        case .file(let path): MemoryKills.count(in: ControlGroupFile.read(path))
        case .told(let count): count.now
        }
    }

    /// - Parameter groups: a process's list of its control groups.
    static func candidates(root: String, groups: String) -> [String] {
        ControlGroupFile.candidates(
            root: root, groups: groups, unified: "memory.events", controller: "memory", legacy: "memory.oom_control")
    }

    static func count(in text: String) -> UInt64? {
        for line in text.split(separator: "\n") where line.hasPrefix("oom_kill ") {
            return UInt64(line.dropFirst("oom_kill ".utf8.count))
        }
        return nil
    }
}
