// SPDX-License-Identifier: Apache-2.0

import Berth
import BerthSchema
import Foundation
import Testing
import TestSupport

/// F30, and ssh of F29: engines on other machines.
@Suite("An engine that is not where the server is", .serialized)
struct RemoteEngineTests {
    @Test("one that sees none of the server's files: the first create finds out, programs run, and nothing is left")
    func otherFiles() async throws {
        try await OwnDockerd.with(image: "python:3.9-slim", isElsewhere: true) { dockerd in
            let flags = ["--docker-host", dockerd.endpoint, "--size", "2", "--reuse", "reset"]
            try await ServerProcess.with(.docker, flags, engine: dockerd.endpoint) { server in
                let client = try await BerthClient.connect(to: try ServerAddress(server.address))
                defer { client.close() }
                #expect(try await client.run(Command(["echo", "hello"]), wait: .seconds(60)).text == "hello\n")
                #expect(server.program.err.contains("the engine does not see this server's files"))
                let echoed = try await server.run(["-i", "--", "cat"], input: "there and back\n")
                #expect(echoed.out == "there and back\n", "\(echoed)")
                let failed = try await server.run(["--", "sh", "-c", "echo word >&2; exit 7"])
                #expect(failed.status == 7 && failed.err == "word\n", "\(failed)")
                let written = try await server.run([
                    "--", "sh", "-c",
                    "echo x > /.berth/agent || echo refused; ls -l /.berth; cat /proc/mounts",
                ])
                #expect(written.out.contains("refused"), "\(written)")
                #expect(written.out.contains("-r-xr-xr-x 1 root root"), "\(written)")
                let mount = written.out.split(separator: "\n").first { $0.contains(" /.berth ") } ?? ""
                #expect(mount.contains(" ro,"), "mounted read-only: \(written)")

                let bytes = 256 << 20
                var (seen, last) = (0, UInt8(0))
                let start = ContinuousClock.now
                for try await event in client.execute(Command(["head", "-c", "\(bytes)", "/dev/zero"])) {
                    guard case .output(let piece) = event else { continue }
                    seen += piece.data.count
                    last |= piece.data.last ?? 0
                }
                let took = ContinuousClock.now - start
                #expect(seen == bytes && last == 0)

                let lease = try await client.acquire(wait: .seconds(60))
                var times: [Duration] = []
                for _ in 0..<100 {
                    let start = ContinuousClock.now
                    _ = try await client.execute(Command(["true"]), in: lease).collect()
                    times.append(ContinuousClock.now - start)
                }
                try await client.release(lease)
                print(
                    "through the engine: \(Double(bytes) / (took / .seconds(1)) / 1e6) MB/s, true p50 \(times.sorted()[50])"
                )

                let pool = try await client.stats().pools[0]
                #expect(pool.createFailures == 0, "it is no failed create: \(pool)")
                // A reset holds there too.
                try await eventually("a container was used again") {
                    try await client.stats().pools[0].recycled > 0
                }
            }
            let volumes = try Program(try tool("docker"), ["-H", dockerd.endpoint, "volume", "ls", "-q"])
            let status = try await volumes.end()
            #expect(status == 0 && volumes.out == "", "\(volumes.out)")
        }
    }

    /// E25 and D23 with the second carrier.
    @Test(
        "there too users have names, and memory that is used up is told as that, also when the agent is what the kernel kills"
    )
    func namesAndMemory() async throws {
        try await OwnDockerd.with(image: "python:3.9-slim", isElsewhere: true) { dockerd in
            let flags = ["--docker-host", dockerd.endpoint, "--size", "2", "--memory", "64m", "--tmpfs", "300m"]
            try await ServerProcess.with(.docker, flags, engine: dockerd.endpoint) { server in
                let client = try await BerthClient.connect(to: try ServerAddress(server.address))
                defer { client.close() }
                let names = """
                    import grp, os, pwd
                    user = pwd.getpwuid(os.getuid())
                    print(user.pw_name, user.pw_dir, grp.getgrgid(os.getgid()).gr_name, pwd.getpwuid(0).pw_name)
                    """
                for _ in 0..<2 {
                    let named = try await client.run(Command(["python3", "-c", names]), wait: .seconds(60))
                    #expect(named.text == "berth /workspace berth root\n", "\(named)")
                }
                let remove = try Program(
                    try tool("sh"),
                    [
                        "-c",
                        "docker -H \(dockerd.endpoint) volume ls -q | xargs docker -H \(dockerd.endpoint) volume rm",
                    ])
                _ = try await remove.end()
                for round in 0..<6 {
                    let shell =
                        "echo 0 > /proc/self/oom_score_adj; exec dd if=/dev/zero of=/tmp/y bs=1M count=200 2>/dev/null"
                    let told = try await client.run(Command(shell: shell), wait: .seconds(60)).ended
                    #expect(told.cause == .outOfMemory, "round \(round): \(told)")
                }
                let named = try await client.run(Command(["python3", "-c", names]), wait: .seconds(60))
                #expect(named.text == "berth /workspace berth root\n", "without the first volumes: \(named)")
                #expect(try await client.stats().pools[0].createFailures == 0)
            }
            let volumes = try Program(try tool("docker"), ["-H", dockerd.endpoint, "volume", "ls", "-q"])
            let status = try await volumes.end()
            #expect(status == 0 && volumes.out == "", "\(volumes.out)")
        }
    }

    @Test("a server that is killed leaves no container and no volume on an engine that does not see its files")
    func killed() async throws {
        try await OwnDockerd.with(image: "busybox:latest", isElsewhere: true) { dockerd in
            let flags = ["--docker-host", dockerd.endpoint, "--image", "busybox:latest", "--size", "2"]
            let server = try await ServerProcess.start(.docker, flags, engine: dockerd.endpoint)
            let hello = try await server.run(["--wait", "60s", "--", "echo", "hello"])
            server.program.signal(SIGKILL)
            _ = try await server.program.end()
            #expect(hello.out == "hello\n", "\(hello); the server's log:\n\(server.program.err)")
            try await server.nothingIsLeft(within: .seconds(20))
            try await eventually("no volume is left") {
                let volumes = try Program(try tool("docker"), ["-H", dockerd.endpoint, "volume", "ls", "-q"])
                return try await volumes.end() == 0 && volumes.out.isEmpty
            }
        }
    }

    @Test("a terminal there is as one here: size, echo, Ctrl-C")
    func terminal() async throws {
        try await OwnDockerd.with(image: "busybox:latest", isElsewhere: true) { dockerd in
            let flags = ["--docker-host", dockerd.endpoint, "--image", "busybox:latest", "--size", "1"]
            try await ServerProcess.with(.docker, flags, engine: dockerd.endpoint) { server in
                let shell = ["run", "-it", "--wait", "60s", "--", "sh", "-c", "stty size; exec cat"]
                try await TerminalProgram.with(server, shell) { terminal in
                    try await terminal.shows("30 100\r\n", within: .seconds(60))
                    terminal.type("typed\r")
                    try await terminal.shows("typed\r\ntyped\r\n")
                    terminal.resize(rows: 41, columns: 137)
                    terminal.type("\u{3}")
                    #expect(try await terminal.end() == 130)
                }
                #expect(server.program.err.contains("the engine does not see this server's files"))
            }
        }
    }

    /// The connection has no end then, and the pool asks only members that nobody has: TCP's own probes have to tell.
    @Test("a program on a machine that is gone ends long before its time-out, as lost")
    func unplugged() async throws {
        try await OwnNetwork.with { network in
            try await OwnDockerd.with(image: "busybox:latest", isElsewhere: true, place: (network, 2375)) { dockerd in
                let socket = "\(dockerd.directory)/berth.sock"
                let flags = [
                    "--docker-host", "tcp://127.0.0.1:2375", "--image", "busybox:latest", "--size", "1", "--listen",
                    "unix://\(socket)",
                ]
                let server = try await ServerProcess.start(
                    .docker, flags, engine: dockerd.endpoint, under: try network.entering())
                let program = try Program(
                    try BuildProducts.program("berth"),
                    ["run", "--wait", "60s", "--timeout", "10m", "--", "sh", "-c", "echo up; exec sleep 1000"],
                    environment: ["BERTH_SERVER": "unix://\(socket)"])
                var status: Int32?
                do {
                    try await eventually("it runs", within: .seconds(90)) {
                        guard program.isRunning else { throw NeverHappened(description: program.err) }
                        return program.out == "up\n"
                    }
                    try await network.cut()
                    status = try await program.end(within: .seconds(90))
                } catch {
                    Issue.record(error, "the server's log:\n\(server.program.err)")
                }
                try await network.mend()
                #expect(status == 125 && program.err.contains("the container went away"), "\(program.err)")
                program.signal(SIGKILL)
                server.program.signal(SIGTERM)
                _ = try await server.program.end(within: .seconds(30))
                // What was asked of the engine while it was away is the janitor's.
                try await server.nothingIsLeft(within: .seconds(60))
            }
        }
    }

    @Test("an engine behind ssh serves as one that is here, through docker system dial-stdio")
    func ssh() async throws {
        try await SSHServer.with(engine: try Runtime.docker()) { ssh in
            let flags = ["--image", "busybox:latest", "--size", "1"]
            try await ServerProcess.with(
                .docker, flags, choice: ["--runtime", "docker"],
                environment: ["DOCKER_HOST": ssh.endpoint, "PATH": ssh.path]
            ) { server in
                let hello = try await server.run(["--wait", "60s", "--", "echo", "hello"])
                #expect(hello.out == "hello\n", "\(hello)")
            }
        }
    }
}

/// An sshd on a port of loopback with its own key, and a directory with an `ssh` that is configured for it.
private struct SSHServer {
    let endpoint: String
    let path: String

    static func with(engine: String, _ body: (SSHServer) async throws -> Void) async throws {
        let directory = "/tmp/berth-ssh-\(UUID().uuidString.prefix(8).lowercased())"
        let files = FileManager.default
        try files.createDirectory(atPath: "\(directory)/bin", withIntermediateDirectories: true)
        defer { try? files.removeItem(atPath: directory) }
        try? files.createDirectory(atPath: "/run/sshd", withIntermediateDirectories: true)
        let port = try LoopbackRegistry.freePort()
        for name in ["host", "key"] {
            let made = try Program(
                try tool("ssh-keygen"), ["-q", "-t", "ed25519", "-N", "", "-f", "\(directory)/\(name)"])
            guard try await made.end() == 0 else { throw NeverHappened(description: made.err) }
        }
        try files.copyItem(atPath: "\(directory)/key.pub", toPath: "\(directory)/authorized")
        let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        try """
        ListenAddress 127.0.0.1:\(port)
        HostKey \(directory)/host
        AuthorizedKeysFile \(directory)/authorized
        PidFile none
        StrictModes no
        UsePAM no
        PasswordAuthentication no
        PermitRootLogin yes
        SetEnv "DOCKER_HOST=\(engine)" "PATH=\(path)"
        """.write(toFile: "\(directory)/sshd_config", atomically: true, encoding: .utf8)
        try """
        IdentityFile \(directory)/key
        IdentitiesOnly yes
        UserKnownHostsFile \(directory)/known
        StrictHostKeyChecking accept-new
        """.write(toFile: "\(directory)/ssh_config", atomically: true, encoding: .utf8)
        let wrapper = "\(directory)/bin/ssh"
        try "#!/bin/sh\nexec \(try tool("ssh")) -F \(directory)/ssh_config \"$@\"\n"
            .write(toFile: wrapper, atomically: true, encoding: .utf8)
        chmod(wrapper, 0o755)
        // Below another program: sshd closes every descriptor that it finds, also the one by which Foundation sees a
        // program's end, and would be waited for before any other.
        let above = """
            import signal, subprocess, sys
            signal.pthread_sigmask(signal.SIG_SETMASK, [])
            sshd = subprocess.Popen(sys.argv[1:])
            signal.signal(signal.SIGTERM, lambda *_: sshd.terminate())
            sys.exit(sshd.wait())
            """
        let server = try Program(
            try tool("python3"), ["-c", above, try tool("sshd"), "-D", "-e", "-f", "\(directory)/sshd_config"])
        do {
            try await eventually("sshd listens") {
                guard server.isRunning else { throw NeverHappened(description: server.err) }
                return server.err.contains("Server listening")
            }
            try await body(SSHServer(endpoint: "ssh://root@127.0.0.1:\(port)", path: "\(directory)/bin:\(path)"))
        } catch {
            server.signal(SIGTERM)
            throw NeverHappened(description: "\(error); sshd: \(server.err)")
        }
        server.signal(SIGTERM)
        _ = try await server.end()
    }
}
