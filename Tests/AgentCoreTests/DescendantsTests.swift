// SPDX-License-Identifier: Apache-2.0

import CAgent
import Glibc
import Testing

@Suite("Finding what descends from a process")
struct DescendantsTests {
    private func descendants(of root: Int32, _ source: berth_children_source) -> [Int32] {
        final class Found { var pids: [Int32] = [] }
        let found = Found()
        berth_visit_descendants(
            root, Int32(source.rawValue),
            { pid, context in
                guard let context else { return }
                Unmanaged<Found>.fromOpaque(context).takeUnretainedValue().pids.append(pid)
            }, Unmanaged.passUnretained(found).toOpaque())
        return found.pids
    }

    @Test("the kernel's lists and a scan of all processes find the same, parents first")
    func sources() throws {
        let agent = try AgentProcess()
        let script = "(setsid sh -c 'sleep 1000 & sleep 1000 & wait' &); (sleep 1000 & wait) & sleep 0.3; echo on; wait"
        let started = try agent.start(shell: script)
        _ = try agent.stdout(started, count: 3)
        let lists = descendants(of: agent.pid, BERTH_CHILDREN_LISTS)
        let scan = descendants(of: agent.pid, BERTH_CHILDREN_SCAN)
        // Supervisor, shell, detached shell with two, subshell with one.
        #expect(lists.count == 7)
        #expect(Set(lists) == Set(scan))
        for found in [lists, scan] {
            for (index, pid) in found.enumerated() {
                let parent = try #require(parentOf(pid))
                #expect(parent == agent.pid || found[..<index].contains(parent))
            }
        }
    }
}
