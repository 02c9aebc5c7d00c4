// SPDX-License-Identifier: Apache-2.0

import CHost
import Glibc
import Pool
import Testing

@testable import Embedded
@testable import Housekeeping
@testable import Runc

/// A server reports at its start what keeps it from creating members. The checks in a virtual machine (Tests/VM) use
/// units that forbid something.
@Suite("the probe at the start", .serialized)
struct StartTests {
    private let status = "Name:\tberth\nCapEff:\t000001ffffffffff\nSeccomp:\t0\n"

    private func surroundings(_ status: String? = nil, isService: Bool = true, isContainer: Bool = false)
        -> Surroundings
    {
        Surroundings(
            cgroups: "12:memory:/x\n0::/system.slice/berth.service\n", status: status ?? self.status,
            isService: isService, isContainer: isContainer)
    }

    @Test("the unit is named, from cgroup v2 and from v1's hierarchy of systemd")
    func unit() {
        #expect(surroundings().kind == .unit("berth.service"))
        #expect(surroundings(isService: false).kind == .plain)
        #expect(surroundings(isContainer: true).kind == .container)
        let old = Surroundings(
            cgroups: "4:memory:/system.slice/other.service\n1:name=systemd:/system.slice/berth.service\n",
            status: status, isService: true, isContainer: false)
        #expect(old.kind == .unit("berth.service"))
        let leaf = Surroundings(
            cgroups: "0::/system.slice/berth.service/berth-server\n", status: status, isService: true,
            isContainer: false)
        #expect(leaf.kind == .unit("berth.service"))
    }

    @Test("capabilities are read from the kernel's mask")
    func capabilities() {
        #expect(surroundings().missingCapabilities == [])
        #expect(surroundings("CapEff:\t000001ffffdfffff\n").missingCapabilities == [.sysAdmin])
        #expect(surroundings("CapEff:\t0000000000000000\n").missingCapabilities.count == Capability.allCases.count)
        // What the kernel does not tell is tried.
        #expect(surroundings("").missingCapabilities == [])
    }

    @Test("each obstacle is told with the setting that is in the way, in a unit and in a container")
    func words() {
        func words(_ step: berth_probe_step, _ error: Int32 = EPERM, signal: Int32 = 0, refused: Int32 = 0) -> (
            unit: String, container: String
        ) {
            let failure = berth_probe_failure(
                step: Int32(step.rawValue), error: error, signal: signal, refused: refused)
            return (
                StartProbe.words(failure, surroundings()),
                StartProbe.words(failure, surroundings(isContainer: true))
            )
        }
        let namespaces = words(BERTH_PROBE_NAMESPACES, refused: CLONE_NEWNET | CLONE_NEWPID)
        #expect(namespaces.unit.contains("RestrictNamespaces= of berth.service is in the way: it must allow net pid"))
        #expect(namespaces.container.contains("--privileged"))
        #expect(words(BERTH_PROBE_NAMESPACES, ENOSPC).unit.contains("/proc/sys/user"))
        #expect(words(BERTH_PROBE_CGROUP, EROFS).unit.contains("ProtectControlGroups=yes of berth.service"))
        #expect(words(BERTH_PROBE_CGROUP, EROFS).container.contains("--privileged"))
        #expect(words(BERTH_PROBE_MOUNT).unit.contains("SystemCallFilter= of berth.service"))
        #expect(
            words(BERTH_PROBE_MOUNT, 0, signal: SIGSYS).unit.contains("ended by signal \(SIGSYS); SystemCallFilter="))
        #expect(words(BERTH_PROBE_NETLINK, EAFNOSUPPORT).unit.contains("RestrictAddressFamilies="))
        #expect(words(BERTH_PROBE_HOSTNAME).unit.contains("ProtectHostname=yes"))
        #expect(words(BERTH_PROBE_DEVICES).unit.contains("must allow bpf"))
        let unit = surroundings()
        #expect(unit.advice(onReadOnly: "/run/berth/7411").contains("RuntimeDirectory=berth"))
        #expect(unit.advice(onReadOnly: "/srv/x").contains("ReadWritePaths=/srv/x"))
        #expect(surroundings(isService: false).advice(onReadOnly: "/run/berth") == "")
    }

    @Test("where members can be made the probe succeeds, and leaves no process, mount or cgroup of its own")
    func succeeds() throws {
        let base = "/tmp/berth-runc-tests-start-\(getpid())"
        try Files.makeDirectory(base)
        let cgroups = Cgroups(instance: "start", stateDirectory: base)
        let probe = StartProbe(cgroups: cgroups)
        try probe.run(directory: base)
        try probe.look()
        #expect(cgroups.members() == [])
        cgroups.removeParent()
        #expect(!Files.exists("\(cgroups.limitingMounts[0])/\(cgroups.parent)"))
        let mounts = String(decoding: Files.read("/proc/self/mounts", limit: 1 << 24) ?? [], as: UTF8.self)
        #expect(!mounts.contains(base))
        // Nothing was mounted here either, nor is it a mount point that a removal would stop at.
        try Files.removeTree(base)
    }

    @Test("an obstacle in the child's way is told with its step")
    func fails() {
        var failure = berth_probe_failure()
        var none: [UnsafeMutablePointer<CChar>?] = [nil]
        #expect(berth_try_container(0, 1, "/nowhere", &none, &failure) == -ENOENT)
        #expect(failure.step == Int32(BERTH_PROBE_MOUNT.rawValue) && failure.error == ENOENT)
        var procs: [UnsafeMutablePointer<CChar>?] = [strdup("/nowhere/cgroup.procs"), nil]
        defer { free(procs[0]) }
        #expect(berth_try_container(0, 1, nil, &procs, &failure) == -ENOENT)
        #expect(failure.step == Int32(BERTH_PROBE_CGROUP.rawValue) && failure.error == ENOENT)
        #expect(failure.signal == 0)
    }
}
