// SPDX-License-Identifier: Apache-2.0

import Berth
import BerthSchema
import Foundation
import Testing
import TestSupport

@Suite("Who programs run as, and what they find", .serialized)
struct UserTests {
    /// Item B10. Takes, and keeps, everything that the kernel counts by user, and all terminals.
    private static let hoarder = """
        import ctypes, fcntl, os, resource, socket, struct, sys, time
        libc = ctypes.CDLL(None, use_errno=True)
        def all_of(name, take):
            count = 0
            while count < 5000 and take() >= 0: count += 1
            print(name, count, flush=True)
        def watch(): return libc.inotify_init1(0)
        def queue():
            name = b"/q%d" % len(queues); queues.append(name)
            return libc.mq_open(name, os.O_RDWR | os.O_CREAT, 0o600, struct.pack("llll32x", 0, 10, 1024, 0))
        def timer(): return libc.timer_create(1, None, ctypes.byref(ctypes.c_void_p()))
        def big_pipe():
            reader, writer = os.pipe()
            pipes.append((reader, writer))
            try: fcntl.fcntl(writer, 1031, 1 << 20)
            except OSError: return -1
            return 0
        def terminal():
            try: return os.open("/dev/ptmx", os.O_RDWR | os.O_NOCTTY)
            except OSError: return -1
        queues, pipes = [], []
        for name, take in (("inotify", watch), ("queues", queue), ("pipes", big_pipe), ("terminals", terminal)):
            all_of(name, take)
        if resource.getrlimit(resource.RLIMIT_SIGPENDING)[0] < 5000: all_of("timers", timer)
        print("hoarded", flush=True)
        time.sleep(1000)
        """

    /// Uses one of each, as a normal program does.
    private static let modest = """
        import ctypes, fcntl, os, socket, struct
        libc = ctypes.CDLL(None, use_errno=True)
        got = []
        if libc.inotify_init1(0) >= 0: got.append("inotify")
        attributes = struct.pack("llll32x", 0, 10, 1024, 0)
        if libc.mq_open(b"/modest-%d" % os.getpid(), os.O_RDWR | os.O_CREAT, 0o600, attributes) >= 0:
            got.append("queue"); libc.mq_unlink(b"/modest-%d" % os.getpid())
        reader, writer = os.pipe()
        try: fcntl.fcntl(writer, 1031, 1 << 20); got.append("pipe")
        except OSError: pass
        one, two = socket.socketpair()
        try: socket.send_fds(one, [b"x"], [0]); got.append("descriptor")
        except OSError: pass
        try: os.close(os.open("/dev/ptmx", os.O_RDWR | os.O_NOCTTY)); got.append("terminal")
        except OSError: pass
        print(*got)
        """
    private static let all = "inotify queue pipe descriptor terminal\n"

    @Test(
        "a lease that takes all that the kernel gives a user takes nothing from another, nor from the host's users",
        arguments: Runtime.allCases)
    func apart(_ runtime: Runtime) async throws {
        try await ServerProcess.with(runtime, ["--size", "2"]) { server in
            let client = try await BerthClient.connect(to: try ServerAddress(server.address))
            defer { client.close() }
            let (greedy, other) = (try await client.acquire(), try await client.acquire())
            let ids = [
                try await client.run(Command(shell: "id -u"), in: greedy).text,
                try await client.run(Command(shell: "id -u"), in: other).text,
            ]
            #expect(
                ids[0] != ids[1] && ids.allSatisfy { (70_000...99_999).contains(Int($0.dropLast()) ?? 0) }, "\(ids)")

            var said = ""
            for try await event in client.execute(Command(["python3", "-c", Self.hoarder]), in: greedy) {
                if case .output(let output) = event { said += String(decoding: output.data, as: UTF8.self) }
                if case .ended(let ended) = event { Issue.record("\(ended) \(said)") }
                guard said.contains("hoarded") else { continue }
                let second = try await client.run(Command(["python3", "-c", Self.modest]), in: greedy)
                #expect(second.text != Self.all, "it has taken something")
                let beside = try await client.run(Command(["python3", "-c", Self.modest]), in: other)
                #expect(beside.text == Self.all, "\(beside.text) \(said)")
                // The users that programs had before: of every host's first person, and of its web server.
                for uid in ["1000", "33"] {
                    let host = try Program(
                        try tool("setpriv"),
                        ["--reuid", uid, "--regid", uid, "--clear-groups", try tool("python3"), "-c", Self.modest])
                    _ = try await host.end()
                    #expect(host.out == Self.all, "\(uid): \(host.err)")
                }
                break
            }
        }
    }

    @Test("callers' uid is one that the pool allows, or refused", arguments: Runtime.allCases)
    func allowed(_ runtime: Runtime) async throws {
        let image = runtime == .docker ? "python:3.9-slim" : "host"
        let text =
            "pools: {strict: {image: \(image), size: 1}, open: {image: \(image), size: 1, allowed_uids: [33, 1234]}}"
        try await withFile(text) { path in
            try await ServerProcess.with(runtime, ["--config", path]) { server in
                let client = try await BerthClient.connect(to: try ServerAddress(server.address))
                defer { client.close() }
                var command = Command(
                    shell: "id -u; id -g; echo $USER; python3 -c 'import pwd, os; print(pwd.getpwuid(os.getuid())[0])'")
                for uid: UInt32 in [33, 1000] {
                    command.uid = uid
                    let asked = command
                    await #expect(throws: BerthError.self) { try await client.run(asked, pool: "strict") }
                }
                for uid: UInt32 in [33, 1234] {
                    command.uid = uid
                    let lines = try await client.run(command, pool: "open").text.split(separator: "\n").map(String.init)
                    #expect(
                        lines.prefix(2) == ["\(uid)", "\(uid)"] && lines.count == 4 && lines[2] == lines[3], "\(lines)")
                }
                command.uid = 34
                let asked = command
                let refused = await #expect(throws: BerthError.self) { try await client.run(asked, pool: "open") }
                #expect(refused.map { "\($0)" }?.contains("33, 1234") == true, "\(String(describing: refused))")
            }
        }
    }

    /// Items E25 and I43.
    private static let world = """
        import getpass, os, pwd, grp, socket, tempfile
        me = os.getuid()
        entry = pwd.getpwuid(me)
        print(getpass.getuser() == entry.pw_name == os.environ["USER"] == os.environ["LOGNAME"], grp.getgrgid(os.getgid()).gr_name == entry.pw_name)
        print(entry.pw_dir == os.environ["HOME"] == os.path.expanduser("~") == os.getcwd())
        print(socket.gethostbyname(socket.gethostname()), socket.gethostname() == os.uname().nodename)
        for place in "/tmp", "/var/tmp", "/workspace":
            status = os.stat(place)
            print(place, oct(status.st_mode & 0o7777), status.st_uid == me, status.st_gid == os.getgid())
            tempfile.NamedTemporaryFile(dir=place).close()
        os.environ.pop("USER"); os.environ.pop("LOGNAME"); print(getpass.getuser() == entry.pw_name)
        """

    @Test("user, groups, home, host name and places are as programs expect them", arguments: Runtime.allCases)
    func surroundings(_ runtime: Runtime) async throws {
        try await ServerProcess.with(runtime, ["--size", "1", "--reuse", "reset"]) { server in
            // The second time in a container that has been reset.
            for _ in 0..<2 {
                let result = try await server.run(["--", "python3", "-c", Self.world])
                #expect(
                    result.out == """
                        True True
                        True
                        127.0.0.1 True
                        /tmp 0o1777 True True
                        /var/tmp 0o1777 True True
                        /workspace 0o1777 True True
                        True

                        """, "\(result.err)")
            }
        }
    }

    @Test("git works in /workspace, whose owner is the program's user")
    func git() async throws {
        try await ServerProcess.with(.runc, ["--size", "1"]) { server in
            let result = try await server.run(["--shell", "git init -q . && git status --short && echo fine"])
            #expect(result.out == "fine\n", "\(result.err)")
        }
    }

    @Test("a reset gives a place back whose owner has changed all that he can of it", arguments: Runtime.allCases)
    func ownersChanges(_ runtime: Runtime) async throws {
        let script = """
            import fcntl, os, subprocess
            for place in "/tmp", "/workspace":
                os.mkdir(place + "/d"); open(place + "/d/f", "w").close()
                directory = os.open(place, os.O_RDONLY)
                fcntl.ioctl(directory, 0x40086602, (0x40).to_bytes(8, "little"))  # FS_IOC_SETFLAGS, nodump
                os.utime(place, (1, 1)); os.chmod(place, 0)
            print("changed")
            """
        let look = """
            import fcntl, os
            for place in "/tmp", "/workspace":
                flags = fcntl.ioctl(os.open(place, os.O_RDONLY), 0x80086601, bytes(8))
                print(oct(os.stat(place).st_mode), os.listdir(place), os.listxattr(place), flags[0] & 0x40, os.stat(place).st_mtime > 1000)
            """
        try await ServerProcess.with(runtime, ["--size", "1", "--max", "1", "--reuse", "reset"]) { server in
            let client = try await BerthClient.connect(to: try ServerAddress(server.address))
            defer { client.close() }
            let first = try await client.acquire()
            let changed = try await client.run(Command(["python3", "-c", script], cwd: "/"), in: first)
            #expect(changed.text == "changed\n", "\(String(decoding: changed.stderr, as: UTF8.self))")
            try await client.release(first)
            let second = try await client.acquire()
            #expect(second.member == first.member, "the reset is proven")
            let seen = try await client.run(Command(["python3", "-c", look], cwd: "/"), in: second)
            #expect(seen.text == "0o41777 [] [] 0 True\n0o41777 [] [] 0 True\n", "\(seen.text)")
        }
    }

    /// Item E26.
    @Test(
        "where /workspace is no place to write to, programs start in another and are at home there",
        arguments: Runtime.allCases)
    func otherPlaces(_ runtime: Runtime) async throws {
        let image = runtime == .docker ? "python:3.9-slim" : "host"
        try await withFile("pools: {p: {image: \(image), size: 1, tmpfs_paths: [/tmp, /data]}}") { path in
            try await ServerProcess.with(runtime, ["--config", path]) { server in
                let result = try await server.run(["--shell", "pwd; echo $HOME; touch x /data/y && ls /data"])
                #expect(result.out == "/tmp\n/tmp\ny\n", "\(result.err)")
            }
        }
    }

    @Test("an image with /workspace and /tmp of mode 0755 gives them to the pool's user", arguments: Runtime.allCases)
    func modes(_ runtime: Runtime) async throws {
        let tree = "/tmp/berth-modes-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: tree) }
        for name in ["bin", "tmp", "workspace", "var/tmp"] {
            try FileManager.default.createDirectory(
                atPath: "\(tree)/\(name)", withIntermediateDirectories: true, attributes: [.posixPermissions: 0o755])
        }
        try FileManager.default.copyItem(atPath: try tool("busybox"), toPath: "\(tree)/bin/busybox")
        for name in ["sh", "stat", "id"] {
            try FileManager.default.createSymbolicLink(atPath: "\(tree)/bin/\(name)", withDestinationPath: "busybox")
        }
        var image = tree
        if let endpoint = try runtime.endpoint() {
            image = "berth-modes:latest"
            let pack = try Program(
                try tool("sh"), ["-c", "tar -C \(tree) -c . | docker -H \(endpoint) import - \(image)"])
            #expect(try await pack.end() == 0, "\(pack.err)")
        }
        try await withFile("pools: {p: {image: \"\(image)\", size: 1, reuse: reset}}") { path in
            // The flag of all tests on runc counts before the file; the last one before the first.
            let flags = ["--config", path] + (runtime == .docker ? [] : ["--image", image])
            try await ServerProcess.with(runtime, flags) { server in
                let line =
                    "for p in /tmp /workspace /var/tmp; do stat -c '%a %u' $p; : > $p/x && echo written; done; id -u; id -un"
                let result = try await server.run(["--shell", line])
                let lines = result.out.split(separator: "\n").map(String.init)
                let uid = lines.dropLast().last ?? ""
                #expect(
                    lines == [
                        "1777 \(uid)", "written", "1777 \(uid)", "written", "1777 \(uid)", "written", uid, "berth",
                    ], "\(result)")
            }
        }
    }

    /// Item C16.
    @Test("a unix socket is its owner's alone, or its group's, from the moment that it is there")
    func sockets() async throws {
        let folder = "/tmp/berth-sockets-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        func look(_ more: [String], _ mode: String, _ text: String = "") async throws {
            try await withFile(text + "listen: unix:\(folder)/s\npools: {p: {image: host, size: 0}}") { path in
                let server = try Program(
                    BuildProducts.program("berth"),
                    ["serve", "--runtime", "runc", "--config", path, "--state-dir", "\(folder)/state"] + more)
                defer { server.signal(SIGKILL) }
                var seen: Set<String> = []
                try await eventually("it listens") {
                    // What is seen before it is ready counts too.
                    let status = try? FileManager.default.attributesOfItem(atPath: "\(folder)/s")
                    if let status, let mode = status[.posixPermissions] as? Int,
                        let group = status[.groupOwnerAccountID]
                    {
                        seen.insert(String(mode, radix: 8) + " \(group)")
                    }
                    return server.out.contains("listening") || !server.isRunning
                }
                #expect(
                    seen.contains(mode) && seen.isSubset(of: [mode, "600 0", "600 \(mode.dropFirst(4))"]),
                    "\(seen) \(server.err)")
                server.signal(SIGTERM)
                #expect(try await server.end() == 0)
            }
        }
        try await look([], "600 0")
        try await look([], "660 33", "socket_group: 33\n")
        try await look([], "666 0", "socket_mode: 0666\n")
        chmod(folder, 0o777)
        try await withFile("listen: unix:\(folder)/s\nsocket_group: no-such-group\npools: {p: {image: host, size: 0}}")
        { path in
            let none = try await berth([
                "serve", "--runtime", "runc", "--config", path, "--state-dir", "/tmp/berth-s-\(getpid())",
            ])
            #expect(none.status == 2 && none.err.contains("no such group"), "\(none)")
        }
        let open = try await berth([
            "serve", "--runtime", "runc", "--image", "host", "--listen", "unix:\(folder)/s", "--state-dir",
            "/tmp/berth-s-\(getpid())",
        ])
        #expect(open.status != 0 && open.err.contains("can be written to by others"), "\(open)")
        try? FileManager.default.removeItem(atPath: "/tmp/berth-s-\(getpid())")
    }
}
