// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// Tells whoever leases a member what CPU time its processes use, as the kernel counts it for their control group: also of
/// those that nobody waits for, or that run on between executions. May be used from any thread.
public final class CPUMeter: Sendable {
    /// A count that somebody else keeps.
    public final class Count: Sendable {
        private let value = Atomic<UInt64>(0)

        public init() {}
        public func add(microseconds: UInt64) { value.add(microseconds, ordering: .relaxed) }
        var now: UInt64 { value.load(ordering: .relaxed) }
    }

    private enum Source {
        case file(String)
        case told(Count)
    }

    private struct State {
        /// Microseconds that were told, or used before anybody leased the member.
        var counted: UInt64 = 0
        var payer: (@Sendable (UInt64) -> Void)?
        /// Whether the member was given up.
        var isOver = false
    }

    private let source: Source
    private let state = Mutex(State())

    public init(told count: Count) { source = .told(count) }

    /// - Parameter path: `cpu.stat` of a control group on v2, `cpuacct.usage` on v1.
    /// - Returns: nil where it can't be read.
    public init?(file path: String) {
        guard CPUMeter.microseconds(in: ControlGroupFile.read(path)) != nil else { return nil }
        source = .file(path)
    }

    /// - Parameters:
    ///   - pid: a process of the member, as this process sees it.
    ///   - root: where control groups are mounted.
    /// - Returns: nil where there is no such process, or nothing is counted for it alone.
    public convenience init?(process pid: Int32, root: String = "/sys/fs/cgroup") {
        guard pid > 0,
            let path = CPUMeter.candidates(root: root, groups: ControlGroupFile.groups(of: pid))
                .first(where: ControlGroupFile.isReadable)
        else { return nil }
        self.init(file: path)
    }

    /// From now on, `payer` is told what is used, in microseconds, until `end`.
    public func begin(_ payer: @escaping @Sendable (UInt64) -> Void) {
        guard let now else { return }
        state.withLock { state in
            guard !state.isOver else { return }
            state.counted = max(state.counted, now)
            state.payer = payer
        }
    }

    /// Whether somebody is told what is used.
    public var isCounting: Bool { state.withLock { $0.payer != nil } }

    /// Tells what was used since the last time.
    public func settle() { settle { _ in } }

    /// Tells what was used, for the last time.
    /// - Parameter isOver: whether the member was given up, so that nobody leases it again.
    public func end(isOver: Bool) {
        settle { state in
            state.payer = nil
            if isOver { state.isOver = true }
        }
    }

    private func settle(_ change: (inout State) -> Void) {
        let now = isCounting ? now : nil
        let (payer, used) = state.withLock { state -> ((@Sendable (UInt64) -> Void)?, UInt64) in
            defer { change(&state) }
            // Another thread may have read later, and been here before.
            guard let now, now > state.counted, let payer = state.payer else { return (nil, 0) }
            defer { state.counted = now }
            return (payer, now - state.counted)
        }
        payer?(used)
    }

    /// Microseconds since the group was made; nil where that cannot be read any more.
    private var now: UInt64? {
        switch source {
        case .file(let path): CPUMeter.microseconds(in: ControlGroupFile.read(path))
        case .told(let count): count.now
        }
    }

    static func candidates(root: String, groups: String) -> [String] {
        ControlGroupFile.candidates(
            root: root, groups: groups, unified: "cpu.stat", controller: "cpuacct", legacy: "cpuacct.usage")
    }

    /// - Parameter text: of `cpu.stat`, with a line `usage_usec N`, or of `cpuacct.usage`, which is a number of nanoseconds.
    static func microseconds(in text: String) -> UInt64? {
        let lines = text.split(separator: "\n")
        for line in lines where line.hasPrefix("usage_usec ") {
            return UInt64(line.dropFirst("usage_usec ".utf8.count))
        }
        return lines.count == 1 ? UInt64(lines[0]).map { $0 / 1000 } : nil
    }
}
