// SPDX-License-Identifier: Apache-2.0

internal import Pool

extension ServerFigures {
    /// More members than a page has room for; how many more there are is told.
    static let maxShownMembers = 600

    /// What `/events` tells each second: the newest sample, and what has no history.
    /// - Parameter start: which start of the server it is.
    func snapshot(_ sample: Sample, members: [MemberInfo], start: String) -> String {
        JSONText { text in
            text.write("start", start)
            text.write("n", sample.number)
            text.write("uptime", sample.uptime)
            text.write("version", version)
            text.write("runtime", runtime)
            text.object("verdict") { Verdict(self).write(to: &$0) }
            for (name, value) in Sample.columns { text.write(name, value(sample)) }
            text.write("max_connections", maxConnections)
            text.write("max_held_mib", maxHeldBytes >> 20)
            text.write("max_member_mib", maxMemberBytes.map { $0 >> 20 })
            let shown = Dictionary(grouping: members.prefix(Self.maxShownMembers), by: \.pool)
            text.array("pools") { text in
                for pool in pools {
                    let sampled = sample.pools.first { $0.name == pool.name }
                    text.object(nil) { pool.write(to: &$0, sampled ?? PoolSample(pool), shown[pool.name] ?? []) }
                }
            }
        }.text
    }
}

extension PoolSnapshot {
    fileprivate func write(to text: inout JSONText, _ sample: PoolSample, _ members: [MemberInfo]) {
        text.write("name", name)
        text.write("image", image)
        text.object("verdict") { Verdict(self).write(to: &$0) }
        for (name, value) in PoolSample.columns { text.write(name, value(sample)) }
        text.write("half_open", isHalfOpen)
        text.write("leases", leases)
        text.write("creates", creates)
        text.write("create_failures", createFailures)
        // Each as its name, its state, its age in seconds, and how often it was leased.
        text.array("members") { text in
            for member in members {
                text.array(nil) { text in
                    text.write(nil, member.id.description)
                    text.write(nil, member.state.rawValue)
                    text.write(nil, Int64(member.age.inSeconds))
                    text.write(nil, member.uses)
                }
            }
        }
    }

    private var isHalfOpen: Bool { if case .halfOpen = breaker { true } else { false } }
}

extension Verdict {
    fileprivate func write(to text: inout JSONText) {
        text.write("level", level.rawValue)
        text.write("text", self.text)
        text.write("why", why)
        text.write("next_ms", nextTry.map { Int64($0.inSeconds * 1000) })
        text.write("advice", advice)
        text.write("command", command)
    }
}
