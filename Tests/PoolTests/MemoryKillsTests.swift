// SPDX-License-Identifier: Apache-2.0

import Glibc
import Testing

@testable import Pool

/// Item D23: the count that the server reads at the end, in case the kernel has killed the agent.
@Suite("D23: the kernel's count of kills for lack of memory, from outside")
struct MemoryKillsTests {
    private static let root = "/sys/fs/cgroup"

    @Test("on v2, the one line of a process leads to its group's memory.events")
    func unified() {
        let groups = "0::/system.slice/berth.service/berth-7411-abc123-7\n"
        #expect(
            MemoryKills.candidates(root: Self.root, groups: groups)
                == ["/sys/fs/cgroup/system.slice/berth.service/berth-7411-abc123-7/memory.events"])
    }

    @Test("on v1, the line of the memory controller does, whatever else is mounted with it")
    func legacy() {
        let groups = """
            12:pids:/berth-x/m1
            9:cpu,cpuacct:/berth-x/m1
            4:hugetlb,memory:/berth-x/m1
            1:name=systemd:/berth-x/m1

            """
        #expect(
            MemoryKills.candidates(root: Self.root, groups: groups)
                == ["/sys/fs/cgroup/memory/berth-x/m1/memory.oom_control"])
    }

    @Test(
        "on a hybrid host both are looked for, the unified one first; a controller whose name contains memory is not it"
    )
    func hybrid() {
        let groups =
            "5:memory:/docker/0123\n3:memory_of_others:/docker/0123\n1:name=memory:/docker/0123\n0::/docker/0123\n"
        #expect(
            MemoryKills.candidates(root: Self.root, groups: groups)
                == [
                    "/sys/fs/cgroup/docker/0123/memory.events",
                    "/sys/fs/cgroup/memory/docker/0123/memory.oom_control",
                ])
    }

    @Test(
        "a path may hold colons and blanks; the root group is nobody's in particular, and nothing leads out of the mount"
    )
    func paths() {
        #expect(
            MemoryKills.candidates(root: "/r", groups: "0::/user.slice/a:b c/x\n")
                == ["/r/user.slice/a:b c/x/memory.events"])
        for groups in [
            "", "\n", "0::/\n", "5:memory:/\n", "0::\n", "0:/x\n", "x\n", "0::relative\n",
            // What a process outside of our own cgroup namespace has.
            "0::/../../other\n", "5:memory:/../other\n",
        ] {
            #expect(MemoryKills.candidates(root: "/r", groups: groups).isEmpty, "\(groups)")
        }
    }

    @Test("memory.events of v2 counts processes in oom_kill, not in oom or oom_group_kill")
    func events() {
        let text = "low 0\nhigh 3\nmax 917\noom 5\noom_kill 2\noom_group_kill 1\nsock_throttled 0\n"
        #expect(MemoryKills.count(in: text) == 2)
    }

    @Test("memory.oom_control of v1 counts them beside two switches")
    func oomControl() {
        #expect(MemoryKills.count(in: "oom_kill_disable 0\nunder_oom 0\noom_kill 7\n") == 7)
        #expect(MemoryKills.count(in: "oom_kill_disable 0\nunder_oom 1\n") == nil, "of a kernel before 4.13")
    }

    @Test("what makes no sense is no count")
    func nonsense() {
        for text in ["", "oom_kill", "oom_kill \n", "oom_kill -1\n", "oom_kill x\n", "oom_kill 1 2\n", "xoom_kill 3\n"]
        {
            #expect(MemoryKills.count(in: text) == nil, "\(text)")
        }
        #expect(MemoryKills.count(in: "oom_kill 18446744073709551615") == .max)
    }

    @Test("a process that is not there has no counter")
    func nobody() {
        #expect(MemoryKills(process: 0) == nil)
        #expect(MemoryKills(process: .max) == nil)
        #expect(MemoryKills(process: getpid(), root: "/nowhere") == nil)
    }
}
