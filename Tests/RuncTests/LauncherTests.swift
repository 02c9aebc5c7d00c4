// SPDX-License-Identifier: Apache-2.0

import CHost
import CLauncher
import Glibc
import Pool
import Testing
import TestSupport

@testable import Embedded
@testable import Hardening
@testable import Housekeeping
@testable import Native

/// The rules of the runtime native: what its launcher must never do.
@Suite("the launcher", .serialized)
struct LauncherTests {
    private func launcherPID(_ bench: Bench) throws -> Int32 {
        try #require((bench.runtime as? NativeRuntime)?.launcherPIDs.first)
    }

    @Test("a member sees neither the launcher nor the host: it is alone, has three descriptors, and is in its own root")
    func alone() async throws {
        try await Bench.with("alone", .native) { bench in
            let container = try await bench.container("one")
            // The shell in the agent's place, its fork, and nothing else: ls is run by exec.
            #expect(try container.run("exec ls -d /proc/[0-9]*").split(separator: "\n").count == 2)
            #expect(try container.run("exec sh -c 'echo /proc/$PPID'") == "/proc/1")
            // 10 is the script that the shell reads.
            #expect(try container.run("for f in /proc/1/fd/*; do echo ${f##*/}; done") == "0\n1\n10\n2")
            #expect(try container.run("readlink /proc/1/cwd /proc/1/root") == "/\n/")
            #expect(try container.run("readlink /proc/1/fd/0").hasPrefix("socket:"))
            // No mount of the host's, and none of the launcher's tree.
            let mounts = try container.run("cat /proc/self/mounts")
            for hidden in ["/r ", "/l ", "/e ", "/s/", bench.base, "cgroup2"] {
                #expect(!mounts.contains(" \(hidden)"), "\(hidden): \(mounts)")
            }
            #expect(try container.run("cat /proc/1/environ | tr '\\0' '\\n' | cut -d = -f 1 | sort") == "PATH")
            #expect(try container.run("cat /proc/self/cgroup | cut -d : -f 3 | sort -u") == "/")
            // Its signals are as at the start of the world, the C library's own two included.
            #expect(try container.run("grep SigIgn /proc/1/status") == "SigIgn:\t0000000000000000")
        }
    }

    @Test("each of the server's descriptors is closed in the launcher, and each of the launcher's in a member")
    func descriptors() async throws {
        // One that is not closed on exec, as a library may open it.
        let stray = open("/etc/hostname", O_RDONLY)
        defer { close(stray) }
        try await Bench.with("closed", .native) { bench in
            let container = try await bench.container("one")
            let launcher = try launcherPID(bench)
            let open = Files.list("/proc/\(launcher)/fd").compactMap { name -> String? in
                guard case .symlink(let target) = Files.kind("/proc/\(launcher)/fd/\(name)") else { return nil }
                return target
            }
            #expect(!open.contains { $0.hasPrefix("/etc") }, "\(open)")
            #expect(try container.run("ls -l /proc/1/fd | grep -c hostname") == "0")
            for number in Files.list("/proc/\(launcher)/fdinfo") where Int(number).map({ $0 > 2 }) == true {
                let flags = Files.text("/proc/\(launcher)/fdinfo/\(number)").split(separator: "\n")
                    .first { $0.hasPrefix("flags:") }?.split(separator: "\t").last.flatMap { Int32($0, radix: 8) }
                #expect((flags ?? 0) & O_CLOEXEC != 0, "\(number)")
            }
        }
    }

    @Test("a launcher that has ended is started anew, and the members that it made live on")
    func anew() async throws {
        try await Bench.with("anew", .native) { bench in
            let first = try await bench.container("one")
            let old = try launcherPID(bench)
            #expect(kill(old, SIGKILL) == 0)
            #expect(eventually(within: 5) { Files.text("/proc/\(old)/stat").contains(") Z ") })
            let second = try await bench.container("two")
            #expect(try launcherPID(bench) != old)
            #expect(try first.run("hostname") == "one")
            #expect(try second.run("hostname") == "two")
            #expect(eventually(within: 5) { !Files.exists("/proc/\(old)") }, "it is reaped")
            try await bench.runtime.remove(first.member)
            #expect(bench.cgroups() == ["two"])
        }
    }

    @Test("a launcher that ends while it makes a member is a failed create, and the next one succeeds")
    func duringCreate() async throws {
        try await Bench.with("during", .native) { bench in
            try await bench.runtime.remove(try await bench.container("warm").member)
            let old = try launcherPID(bench)
            kill(old, SIGSTOP)
            let create = Task { try await bench.container("one") }
            // It has the request once that waits in its socket.
            #expect(eventually(within: 5) { isWaiting(bench) })
            kill(old, SIGKILL)
            let error = await #expect(throws: RuntimeError.self) { try await create.value }
            #expect(
                error?.message.contains("the launcher ended while it made a member") == true,
                "\(String(describing: error))")
            try await bench.runtime.remove(MemberID("one"))
            #expect(bench.cgroups() == [])
            #expect(try await bench.container("two").run("hostname") == "two")
        }
    }

    private func isWaiting(_ bench: Bench) -> Bool {
        (bench.runtime as? NativeRuntime)?.isCreating == true
    }

    @Test("a create that is cancelled while its launcher does not answer leaves nothing behind, not even later")
    func cancelled() async throws {
        try await Bench.with("silent", .native) { bench in
            try await bench.runtime.remove(try await bench.container("warm").member)
            let old = try launcherPID(bench)
            kill(old, SIGSTOP)
            let create = Task { try await bench.container("one") }
            #expect(eventually(within: 5) { isWaiting(bench) })
            create.cancel()
            await #expect(throws: RuntimeError.self) { try await create.value }
            try await bench.runtime.remove(MemberID("one"))
            kill(old, SIGCONT)
            #expect(
                eventually(within: 5) {
                    !Files.exists("/proc/\(old)") || Files.text("/proc/\(old)/stat").contains(") Z ")
                })
            #expect(bench.cgroups() == [])
            #expect(try await bench.container("two").run("hostname") == "two")
        }
    }

    @Test("a limit that the kernel does not take fails the create and is named, instead of being left out")
    func limits() async throws {
        try await Bench.with("limit", .native) { bench in
            let template = MemberTemplate(image: "host", processes: 1 << 40)
            let error = await #expect(throws: RuntimeError.self) { try await bench.container("one", template) }
            #expect(error?.message == "can't set the limit pids.max: Invalid argument")
            try await bench.runtime.remove(MemberID("one"))
            #expect(bench.cgroups() == [])
        }
    }

    @Test("a container that its memory limit kills while it is made is told as that")
    func outOfMemory() async throws {
        try await Bench.with("tiny", .native) { bench in
            let template = MemberTemplate(image: "host", memoryBytes: 64 << 10)
            let error = await #expect(throws: RuntimeError.self) { try await bench.container("one", template) }
            #expect(error?.cause == .outOfMemory, "\(String(describing: error))")
            try await bench.runtime.remove(MemberID("one"))
            #expect(bench.cgroups() == [])
        }
    }

    @Test(
        "the launcher itself refuses names that are paths, other kinds of requests, and a request without descriptors")
    func refuses() async throws {
        try await Bench.with("refuses", .native) { bench in
            let runtime = try #require(bench.runtime as? NativeRuntime)
            let launcher = try runtime.launcher(MemberTemplate(image: "host"), Cancellation())
            let files = Array(repeating: [UInt8](), count: 5)
            for name in ["../x", "/etc", "a/b", "", "-a", "A", String(repeating: "a", count: 33)] {
                #expect(throws: Launcher.Fault.self) {
                    try launcher.create(MemberID(name), user: 1000, files: files, stream: 1, errors: 2, Cancellation())
                }
            }
            for (stream, errors) in [(Int32(-1), Int32(-1)), (1, -1)] {
                #expect(throws: Launcher.Fault.self) {
                    try launcher.create(
                        MemberID("one"), user: 1000, files: files, stream: stream, errors: errors, Cancellation())
                }
            }
            #expect(bench.cgroups() == [])
            // It has survived all of that.
            #expect(try await bench.container("two").run("hostname") == "two")
        }
    }

    @Test("another user can't look into a launcher that runs as that user")
    func undumpable() throws {
        var ends: [Int32] = [-1, -1]
        #expect(berth_launcher_sockets(&ends) == 0)
        let pid = try Subprocess.spawn(
            [
                try #require(Subprocess.find("setpriv")), "--reuid", "4711", "--regid", "4711", "--clear-groups",
                try BuildProducts.program("berth-launcher"),
            ], stdin: -1, stdout: -1, stderr: -1, keep: ends[1])
        close(ends[1])
        func owner() -> uid_t {
            var info = stat()
            return stat("/proc/\(pid)/fd", &info) == 0 ? info.st_uid : .max
        }
        #expect(eventually(within: 5) { Files.text("/proc/\(pid)/comm") == "berth-launcher\n" && owner() == 0 })
        close(ends[0])
        var status: Int32 = -1
        #expect(
            eventually(within: 5) { waitpid(pid, &status, WNOHANG) == pid } && status == 0, "it ends with its socket")
    }

    @Test("members may use the devices that every container has, and no others, from before their first instruction")
    func devices() async throws {
        try await Bench.with("devices", .native) { bench in
            let path = try #require(bench.runtime.cgroups.devices, "the virtual machine's checks are for cgroup v2")
            let allowed = Set(Files.text("\(path)/devices.list").split(separator: "\n").map(String.init))
            #expect(
                allowed == [
                    "c 1:3 rwm", "c 1:5 rwm", "c 1:7 rwm", "c 1:8 rwm", "c 1:9 rwm", "c 5:0 rwm", "c 5:2 rwm",
                    "c 136:* rwm",
                ])
            let container = try await bench.container("one")
            #expect(Cgroups.processes(in: path).count == 1)
            #expect(try container.run("head -c 1 /dev/zero | wc -c; cat /dev/null; echo > /dev/full").hasPrefix("1"))
        }
    }

    @Test("an option of a mount becomes a flag or a part of its data")
    func options() {
        let (flags, data) = LauncherSetup.translated(["ro", "nosuid", "mode=755", "size=64k", "bind"])
        #expect(flags == Int(MS_RDONLY | MS_NOSUID | MS_BIND) && data == "mode=755,size=64k")
        let table = """
            31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw
            32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,xattr,cpu,cpuacct
            """
        #expect(Cgroups.options(of: "/sys/fs/cgroup/cpu,cpuacct", in: table) == "xattr,cpu,cpuacct")
    }
}
