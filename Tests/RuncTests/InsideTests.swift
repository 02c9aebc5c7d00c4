// SPDX-License-Identifier: Apache-2.0

import Glibc
import Pool
import Testing

@testable import Embedded
@testable import Housekeeping
@testable import Runc

@Suite("a container seen from inside", .serialized)
struct InsideTests {
    @Test("the hardening is in force", arguments: Bench.Kind.allCases)
    func hardening(_ kind: Bench.Kind) async throws {
        try await Bench.with("hard", kind) { bench in
            let container = try await bench.container("one")
            let status = try container.run("cat /proc/1/status")
            for set in ["CapEff", "CapPrm", "CapBnd"] { #expect(status.contains("\(set):\t00000000000000e0")) }
            for set in ["CapInh", "CapAmb"] { #expect(status.contains("\(set):\t0000000000000000")) }
            #expect(status.contains("NoNewPrivs:\t1"))
            #expect(status.contains("Seccomp:\t2"))
            #expect(try container.run("touch /x /etc/x /usr/x").split(separator: "\n").count == 3)
            #expect(try container.run("touch /tmp/x /var/tmp/x /workspace/x /dev/shm/x && echo ok") == "ok")
            #expect(try container.run("echo 1 > /proc/sys/kernel/panic || echo no").contains("Read-only"))
            #expect(try container.run("wc -c < /proc/keys") == "0")
            #expect(try container.run("stat -c %a:%u:%g /tmp /var/tmp /workspace | uniq") == "1777:1000:1000")
            #expect(
                try container.run("ls /dev")
                    == "fd\nfull\nmqueue\nnull\nptmx\npts\nrandom\nshm\nstderr\nstdin\nstdout\ntty\nurandom\nzero")
            // Its stream and stderr, and the script that the shell in the agent's place reads: nothing of the server's.
            #expect(try container.run("ls /proc/1/fd") == "0\n1\n10\n2")
            #expect(try container.run("stat -f -c %b:%S /tmp") == "16384:4096")
        }
    }

    @Test(
        "namespaces, mounts, keys and vsock are refused by seccomp, threads and ptrace are not",
        arguments: Bench.Kind.allCases)
    func seccomp(_ kind: Bench.Kind) async throws {
        try await Bench.with("seccomp", kind) { bench in
            let container = try await bench.container("one")
            // The two tables of numbers are those of x86-64, and of the generic table, which arm64 has.
            let program = """
                import ctypes, errno, platform, socket, threading
                libc = ctypes.CDLL(None, use_errno=True)
                names = 'unshare mount keyctl personality setns ptrace'.split()
                numbers = [272, 165, 250, 135, 308, 101] if platform.machine() == 'x86_64' else [97, 40, 219, 92, 268, 117]
                table = dict(zip(names, numbers), io_uring_setup=425, clone3=435)
                def call(name, *a):
                    r = libc.syscall(table[name], *a)
                    return errno.errorcode[ctypes.get_errno()] if r < 0 else 'ok'
                print(call('unshare', 0x10000000), call('mount', 0, 0, 0, 0, 0), call('keyctl', 0, 0), call('io_uring_setup', 1, 0))
                print(call('clone3', 0, 0), call('personality', 0), call('personality', 0x40000), call('setns', 0, 0))
                try: socket.socket(40, socket.SOCK_STREAM); print('vsock')
                except OSError as e: print(errno.errorcode[e.errno])
                t = threading.Thread(target=lambda: print('thread')); t.start(); t.join()
                print(call('ptrace', 0, 0, 0, 0))
                """
            let lines = program.split(separator: "\n").map { $0.replacing("'", with: "\"") }.joined(separator: "\\n")
            #expect(
                try container.run("printf '%b' '\(lines)' > /tmp/p.py; /usr/bin/python3 /tmp/p.py")
                    == """
                    EPERM EPERM EPERM EPERM
                    ENOSYS ok EPERM EPERM
                    EPERM
                    thread
                    ok
                    """)
        }
    }

    @Test("the host's programs are there, and nothing of it that is secret", arguments: Bench.Kind.allCases)
    func host(_ kind: Bench.Kind) async throws {
        try await Bench.with("host", kind) { bench in
            let container = try await bench.container("one")
            #expect(try container.run("python3 -c 'print(1+1)'") == "2")
            #expect(try container.run("ls /") == rootEntries())
            #expect(try container.run("ls -d /etc/shadow /root /home /opt 2>/dev/null; echo none") == "none")
            #expect(try container.run("ls /var; ls /var/tmp | wc -l") == "tmp\n0")
            #expect(try container.run("ls /usr/local/etc | wc -l") == "0")
            #expect(try container.run("id -un 1000; readlink -f /bin/sh | grep -c usr").hasPrefix("berth"))
        }
    }

    private func rootEntries() -> String {
        let host = ["bin", "lib", "lib32", "lib64", "libx32", "sbin", "usr"].filter { Files.exists("/\($0)") }
        return (host + ["dev", "etc", "proc", "sys", "tmp", "var", "workspace"]).sorted().joined(separator: "\n")
    }

    @Test("there is no network but lo, which is up; on request there is the host's", arguments: Bench.Kind.allCases)
    func network(_ kind: Bench.Kind) async throws {
        try await Bench.with("net", kind) { bench in
            let container = try await bench.container("one")
            #expect(try container.run("ls /sys/class/net") == "lo")
            #expect(try container.run("cat /sys/class/net/lo/carrier") == "1")
            #expect(try container.run("cat /etc/resolv.conf | wc -c") == "0")
            let other = try await bench.container("two", MemberTemplate(image: "host", network: "host"))
            var name = [CChar](repeating: 0, count: 256)
            let count = readlink("/proc/self/ns/net", &name, 255)
            #expect(
                try other.run("readlink /proc/self/ns/net")
                    == String(decoding: name.prefix(count).map(UInt8.init(bitPattern:)), as: UTF8.self))
        }
    }

    @Test(
        "a program over the memory limit is killed, and the container's own cgroup says so",
        arguments: Bench.Kind.allCases)
    func memory(_ kind: Bench.Kind) async throws {
        try await Bench.with("mem", kind) { bench in
            let container = try await bench.container("one", MemberTemplate(image: "host", memoryBytes: 32 << 20))
            #expect(try container.run("python3 -c 'x = b\"x\" * (200 << 20)'; echo $?").hasSuffix("137"))
            let events = try container.run("cat /sys/fs/cgroup/memory/memory.oom_control /sys/fs/cgroup/memory.events")
            #expect(events.contains("oom_kill 1"))
        }
    }

    @Test("processes over the limit are refused", arguments: Bench.Kind.allCases)
    func processes(_ kind: Bench.Kind) async throws {
        try await Bench.with("pids", kind) { bench in
            let container = try await bench.container("one", MemberTemplate(image: "host", processes: 16))
            let program = """
                python3 -c 'import os,time;[os.fork() or time.sleep(5) or os._exit(0) for _ in range(64)]'
                """
            #expect(try container.run(program).contains("Resource temporarily unavailable"))
        }
    }

    @Test("the CPU quota is set", arguments: Bench.Kind.allCases)
    func cpu(_ kind: Bench.Kind) async throws {
        try await Bench.with("cpu", kind) { bench in
            let container = try await bench.container("one", MemberTemplate(image: "host", milliCPUs: 500))
            let quota = "cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us /sys/fs/cgroup/cpu.max 2>/dev/null | cut -d ' ' -f 1"
            #expect(try container.run(quota) == "50000")
        }
    }

    @Test(
        "a directory is a root filesystem, and nothing is created in it, not even mount points",
        arguments: Bench.Kind.allCases)
    func directory(_ kind: Bench.Kind) async throws {
        let busybox = try #require(Subprocess.find("busybox"), "busybox-static is not installed")
        try await Bench.with("dir", kind) { bench in
            let image = "\(bench.base)/image"
            try Files.makeDirectory(image)
            try Files.makeDirectories(image, "bin")
            try Files.makeDirectories(image, "data/old")
            try Files.write("\(image)/bin/busybox", try #require(Files.read(busybox, limit: 1 << 24)), mode: 0o755)
            for name in ["sh", "cat", "ls", "touch"] { symlink("busybox", "\(image)/bin/\(name)") }
            try Files.write("\(image)/top", "top".utf8)
            let template = MemberTemplate(image: image, tmpfsPaths: ["/tmp", "/data/new/deep"])
            let container = try await bench.container("one", template)
            #expect(try container.run("cat /top; ls /data") == "topnew\nold")
            #expect(try container.run("touch /data/new/deep/x && ls /data/new/deep") == "x")
            #expect(try container.run("ls -ld /data/new/deep").hasPrefix("drwxrwxrwt"))
            #expect(try container.run("touch /data/old/x").contains("Read-only"))
            #expect(Files.list(image) == ["bin", "data", "top"])
            #expect(Files.list("\(image)/data") == ["old"])
        }
    }
}
