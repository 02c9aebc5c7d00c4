// SPDX-License-Identifier: Apache-2.0

import Berth
import BerthSchema
import Foundation
import Testing
import TestSupport

@Suite("What a program can't do to the host and to other leases, on every runtime", .serialized)
struct HardeningTests {
    /// Item C17. The numbers of system calls are those of x86-64 and of the generic table, which arm64 uses.
    private static let calls = """
        import ctypes, errno, mmap, os, platform, socket
        libc = ctypes.CDLL(None, use_errno=True)
        is_x86 = platform.machine() == "x86_64"
        def call(name, number, *arguments):
            ctypes.set_errno(0)
            result = libc.syscall(number, *arguments)
            if result >= 0 and name.startswith("inotify"): os.close(result)
            print(name, errno.errorcode[ctypes.get_errno()] if result < 0 else "ok")
        def opens(name, *arguments):
            try: socket.socket(*arguments).close(); print(name, "ok")
            except OSError as error: print(name, errno.errorcode[error.errno])
        def ends(name, body):
            child = os.fork()
            if child == 0:
                body()
                os._exit(0)
            print(name, "signal", os.waitpid(child, 0)[1] & 127)
        def old_gate():
            # mov eax, 20 (getpid); int 0x80; ret
            page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
            page.write(bytes.fromhex("b814000000cd80c3"))
            ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()
        opens("unix", socket.AF_UNIX, socket.SOCK_STREAM)
        opens("tcp", socket.AF_INET, socket.SOCK_STREAM)
        opens("udp6", socket.AF_INET6, socket.SOCK_DGRAM, 17)
        opens("ping", socket.AF_INET, socket.SOCK_DGRAM, 1)
        opens("ping6", socket.AF_INET6, socket.SOCK_DGRAM, 58)
        opens("raw", socket.AF_INET, socket.SOCK_RAW, 1)
        opens("vsock", 40, socket.SOCK_STREAM)
        opens("netlink", 16, socket.SOCK_RAW, 0)
        opens("crypto", 38, socket.SOCK_SEQPACKET)
        opens("packet", 17, socket.SOCK_RAW)
        for name, x86, generic, arguments in (
            ("io_uring_setup", 425, 425, (1, 0)), ("io_uring_enter", 426, 426, (0, 0, 0, 0, 0)),
            ("io_uring_register", 427, 427, (0, 0, 0, 0)), ("io_setup", 206, 0, (1, 0)), ("clone3", 435, 435, (0, 0)),
            ("add_key", 248, 217, (0, 0, 0, 0, 0)), ("keyctl", 250, 219, (0, 0)), ("request_key", 249, 218, (0, 0, 0, 0)),
            ("bpf", 321, 280, (0, 0, 0)), ("userfaultfd", 323, 282, (0,)), ("perf_event_open", 298, 241, (0, 0, 0, 0, 0)),
            ("unshare", 272, 97, (0x10000000,)), ("mount", 165, 40, (0, 0, 0, 0, 0)), ("inotify_init1", 294, 26, (0,)),
            ("vmsplice", 278, 75, (-1, 0, 0, 0)),
        ): call(name, x86 if is_x86 else generic, *arguments)
        if is_x86:
            ends("int 0x80", old_gate)
            ends("x32", lambda: libc.syscall(0x40000000 + 39))
        status = open("/proc/self/status").read()
        print([line.split()[1] for line in status.splitlines() if line.startswith(("NoNewPrivs", "Seccomp:", "CapBnd"))])
        """

    /// The two other ways into the kernel of x86-64, each with its own table of system calls.
    private static var otherGates: String {
        #if arch(x86_64)
            "int 0x80 signal 31\nx32 signal 31\n"
        #else
            ""
        #endif
    }

    @Test("a library that looks for interfaces before it binds goes on without them")
    func binding() async throws {
        try await ServerProcess.with(.runc, ["--size", "1"]) { server in
            let code = """
                import zmq
                print(zmq.Context().socket(zmq.REP).bind_to_random_port("tcp://127.0.0.1") > 0)
                """
            let result = try await server.run(["--", "python3", "-c", code])
            #expect(result.out == "True\n" && result.status == 0, "\(result)")
        }
    }

    @Test("the same system calls and sockets are refused on every runtime", arguments: Runtime.allCases)
    func systemCalls(_ runtime: Runtime) async throws {
        try await ServerProcess.with(runtime, ["--size", "1"]) { server in
            let result = try await server.run(["--", "python3", "-c", Self.calls])
            #expect(
                result.out == """
                    unix ok
                    tcp ok
                    udp6 ok
                    ping EPERM
                    ping6 EPERM
                    raw EPERM
                    vsock EPERM
                    netlink ENOTSUP
                    crypto EPERM
                    packet EPERM
                    io_uring_setup EPERM
                    io_uring_enter EPERM
                    io_uring_register EPERM
                    io_setup ENOSYS
                    clone3 ENOSYS
                    add_key EPERM
                    keyctl EPERM
                    request_key EPERM
                    bpf EPERM
                    userfaultfd EPERM
                    perf_event_open EPERM
                    unshare EPERM
                    mount EPERM
                    inotify_init1 ok
                    vmsplice EPERM
                    \(Self.otherGates)['00000000000000e0', '1', '2']

                    """, "\(result.err)")
            // What the whole machine would tell is hidden on every runtime alike.
            let hidden = try await server.run(["--shell", "cat /proc/keys /proc/interrupts /proc/timer_list | wc -c"])
            #expect(hidden.out == "0\n", "\(hidden.err)")
            let limits = try await server.run(["--shell", "ulimit -n; ulimit -l; ulimit -c; cat /proc/self/limits"])
            #expect(limits.out.hasPrefix("4096\n64\n0\n"), "\(limits.out)")
            let queues = limits.out.split(separator: "\n").first { $0.hasPrefix("Max msgqueue size") } ?? ""
            #expect(queues.split(separator: " ").dropFirst(3).first == "262144")
        }
    }

    /// Item B9. Bytes that TCP and UDP hold on the whole machine, which cgroup v1 counts separately from a container's
    /// memory.
    private static func socketBytes() throws -> Int {
        let text = try String(contentsOfFile: "/proc/net/sockstat", encoding: .utf8)
        var pages = 0
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ")
            if let at = words.firstIndex(of: "mem"), at + 1 < words.count { pages += Int(words[at + 1]) ?? 0 }
        }
        return pages * 4096
    }

    private static let filler = """
        import os, resource, socket, sys, time
        block = bytes(60000)
        def udp():
            target = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            target.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 30)
            target.bind(("127.0.0.1", 0))
            source = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); source.setblocking(False)
            for _ in range(8): source.sendto(block, target.getsockname())
            source.close()
            return [target]
        listener = socket.socket(); listener.bind(("127.0.0.1", 0)); listener.listen(128)
        def tcp():
            one = socket.socket()
            for option in (socket.SO_SNDBUF, socket.SO_RCVBUF): one.setsockopt(socket.SOL_SOCKET, option, 1 << 30)
            one.settimeout(1); one.connect(listener.getsockname()); two, _ = listener.accept()
            one.setblocking(False)
            for _ in range(100): one.send(block)
            return [one, two]
        for _ in range(3): os.fork()
        kept = []
        for make in (udp, tcp):
            until = time.monotonic() + 3
            while time.monotonic() < until and len(kept) < 3000:
                try: kept += make()
                except OSError: pass
        print(len(kept), flush=True)
        time.sleep(1000)
        """

    @Test(
        "a program that opens sockets and fills them takes at most 16 MiB of the host beside its memory limit",
        arguments: Runtime.allCases)
    func socketMemory(_ runtime: Runtime) async throws {
        try await ServerProcess.with(runtime, ["--size", "1"]) { server in
            let client = try await BerthClient.connect(to: try ServerAddress(server.address))
            defer { client.close() }
            let before = try Self.socketBytes()
            var most = 0
            var filled = 0
            for try await event in client.execute(Command(["python3", "-c", Self.filler])) {
                if case .output(let output) = event { filled += output.data.count { $0 == 10 } }
                most = max(most, try Self.socketBytes() - before)
                if case .ended(let ended) = event { #expect(ended.cause == .outOfMemory, "\(ended)") }
                if filled == 8 { break }
            }
            // A page for each processor and protocol is taken before it is asked whether it may be.
            #expect(most <= 20 << 20, "\(most) bytes are held by sockets")
            print("sockets of a \(runtime) container held \(most) bytes, \(filled) of 8 processes came to their end")
        }
    }
}
