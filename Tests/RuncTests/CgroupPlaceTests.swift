// SPDX-License-Identifier: Apache-2.0

import Glibc
import Testing

@testable import Embedded
@testable import Runc

/// The place of members' cgroups on cgroup v2, decided from texts of the kernel. The checks in a virtual machine
/// (Tests/VM) use the kernel itself.
@Suite("the place of members' cgroups")
struct CgroupPlaceTests {
    private static let all: Set<String> = ["cpuset", "cpu", "io", "memory", "hugetlb", "pids", "rdma"]
    private static let mounts = """
        22 28 0:20 / /sys rw,nosuid,nodev,noexec,relatime shared:7 - sysfs sysfs rw
        29 22 0:25 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate
        30 22 0:26 / /sys/fs/pstore rw,nosuid,nodev,noexec,relatime shared:10 - pstore pstore rw

        """

    private func place(
        _ own: String, mounts: String = mounts, isHostRoot: Bool = true,
        delegated: [String: Set<String>] = [:]
    ) -> CgroupPlace {
        CgroupPlace.decide(
            ownGroups: own, mounts: mounts, mount: "/sys/fs/cgroup", isHostRoot: isHostRoot
        ) { path in
            CgroupPlace.Candidate(isDelegated: delegated[path] != nil, controllers: delegated[path] ?? [])
        }
    }

    @Test("a unit with Delegate=yes has its members below it")
    func unit() {
        let found = place("0::/system.slice/berth.service\n", delegated: ["system.slice/berth.service": Self.all])
        #expect(found == CgroupPlace(owner: .delegated, path: "system.slice/berth.service", own: found.own))
        #expect(found.own == "system.slice/berth.service")
    }

    @Test("a server that is in a leaf of its unit already, by DelegateSubgroup= or an earlier start, finds the unit")
    func leaf() {
        let found = place(
            "0::/system.slice/berth.service/berth-server\n", delegated: ["system.slice/berth.service": Self.all])
        #expect(found.owner == .delegated && found.path == "system.slice/berth.service")
        #expect(found.own == "system.slice/berth.service/berth-server")
    }

    @Test("in a user's session the session's manager is the nearest that is delegated")
    func session() {
        let found = place(
            "0::/user.slice/user-1000.slice/user@1000.service/app.slice/terminal.scope\n",
            delegated: [
                "user.slice/user-1000.slice/user@1000.service": ["cpu", "memory", "pids"], "user.slice": Self.all,
            ])
        #expect(found.owner == .delegated && found.path == "user.slice/user-1000.slice/user@1000.service")
    }

    @Test("without delegation members are below the root, whatever cgroup the server is in")
    func root() {
        for own in ["0::/system.slice/berth.service\n", "0::/\n", "0::/user.slice/user-0.slice/session-3.scope\n"] {
            let found = place(own)
            #expect(found.owner == .root && found.path.isEmpty && found.unusable == nil)
            #expect(found.explanation.contains("Delegate=yes"))
        }
    }

    @Test("what is delegated without the controllers that limits need is passed over, and named")
    func partly() {
        let found = place(
            "0::/system.slice/berth.service\n", delegated: ["system.slice/berth.service": ["cpu", "pids"]])
        #expect(found.owner == .root && found.path.isEmpty)
        #expect(found.unusable == CgroupPlace.Unusable(path: "system.slice/berth.service", lacks: ["memory"]))
        #expect(found.explanation.contains("/system.slice/berth.service") && found.explanation.contains("memory"))
    }

    @Test("in a container with a cgroup namespace of its own its root is the place")
    func container() {
        let found = place("0::/\n", isHostRoot: false)
        #expect(found == CgroupPlace(owner: .container, path: "", own: ""))
        // After a first start, in whose leaf all processes are.
        #expect(place("0::/berth-server\n", isHostRoot: false).owner == .container)
    }

    @Test("in a container whose mount shows only its own cgroup that is the place")
    func partialMount() {
        let mounts = """
            812 811 0:25 /system.slice/docker-1.scope /sys/fs/cgroup rw,nosuid - cgroup2 cgroup rw

            """
        let found = place("0::/system.slice/docker-1.scope\n", mounts: mounts, isHostRoot: false)
        #expect(found == CgroupPlace(owner: .container, path: "", own: ""))
    }

    @Test("where its own cgroup is outside of what is mounted, the mount's root is the place")
    func outside() {
        let parent = "812 811 0:25 /../.. /sys/fs/cgroup rw,nosuid - cgroup2 cgroup rw\n"
        #expect(place("0::/\n", mounts: parent) == CgroupPlace(owner: .root, path: "", own: nil))
        #expect(place("0::/../other\n") == CgroupPlace(owner: .root, path: "", own: nil))
        let sibling = "812 811 0:25 /a/b /sys/fs/cgroup rw,nosuid - cgroup2 cgroup rw\n"
        #expect(place("0::/a/bc\n", mounts: sibling).own == nil)
        #expect(place("", mounts: Self.mounts).own == nil)
        #expect(place("12:memory:/x\n1:name=systemd:/y\n").own == nil)
        #expect(place("0::/a\n", mounts: "").own == nil)
    }

    @Test("of two mounts on the same place the later one counts, and what makes no sense is passed over")
    func layers() {
        let mounts = """
            nonsense
            29 22 0:25 /a /sys/fs/cgroup rw - cgroup2 cgroup2 rw
            31 22 0:26 / /sys/fs/cgroup rw master:1 - tmpfs tmpfs rw
            30 22 0:25 /b /sys/fs/cgroup rw shared:9 master:1 - cgroup2 cgroup2 rw
            32 22 0:25 / /sys/fs/cgroup rw -

            """
        #expect(CgroupPlace.relative(ownGroups: "0::/b/c\n", mounts: mounts, mount: "/sys/fs/cgroup") == "c")
        #expect(CgroupPlace.relative(ownGroups: "0::/a/c\n", mounts: mounts, mount: "/sys/fs/cgroup") == nil)
    }

    @Test("what a limit leaves is what is not used, and what only files have left in memory")
    func memory() {
        #expect(Cgroups.memoryLeft(max: "max\n", current: "1000\n", stat: "") == nil)
        #expect(Cgroups.memoryLeft(max: "1000\n", current: "300\n", stat: "anon 5\ninactive_file 100\n") == 800)
        #expect(Cgroups.memoryLeft(max: "1000\n", current: "1200\n", stat: "") == 0)
        #expect(Cgroups.memoryLeft(max: "", current: "", stat: "") == nil)
    }
}
