// SPDX-License-Identifier: Apache-2.0

import AgentLink
import Docker
import FoundationEssentials
import Glibc
import NIOPosix
import Pool
import Testing
import TestSupport

@Suite("members on a real dockerd", .serialized)
struct DockerMemberTests {
    @Test("the agent answers on the member's stream, and after remove nothing is left")
    func life() async throws {
        try await Bench.withDocker("life", agent: try BuildProducts.program("berth-agent")) { bench in
            let member = MemberID("one")
            let clock = ContinuousClock()
            let start = clock.now
            let stream = try await bench.runtime.create(member, MemberTemplate(image: "busybox:latest"))
            let connected = clock.now
            let link = try await AgentConnector(group: MultiThreadedEventLoopGroup.singleton)
                .connect(member, stream) {}
            #expect(try await bench.runtime.members() == [member])
            // Nobody else can connect any more.
            #expect(access("\(bench.base)/state/members/one/agent.sock", F_OK) != 0)
            let removing = clock.now
            try await bench.runtime.remove(member)
            print("create to connected \(connected - start), remove \(clock.now - removing)")
            #expect(try await bench.runtime.members().isEmpty)
            #expect(try Bench.ask("GET", "/containers/berth-life-one/json").contains("No such container"))
            #expect(access("\(bench.base)/state/members/one", F_OK) != 0)
            // Idempotent.
            try await bench.runtime.remove(member)
            withExtendedLifetime(link) {}
        }
    }

    @Test("the container goes away by itself when its stream ends")
    func streamEnds() async throws {
        try await Bench.withDocker("ends", agent: try BuildProducts.program("berth-agent")) { bench in
            do {
                let line = Line(
                    try await bench.runtime.create(MemberID("one"), MemberTemplate(image: "busybox:latest")))
                withExtendedLifetime(line) {}
            }
            try await eventually("gone", within: .seconds(10)) { try await bench.runtime.members().isEmpty }
        }
    }

    @Test("the hardening and the limits are in force, as the engine says and as process 1 sees it")
    func hardening() async throws {
        try await Bench.withDocker("hard") { bench in
            let line = Line(try await bench.runtime.create(MemberID("one"), MemberTemplate()))
            let status = try line.ask("cat /proc/1/status")
            func field(_ name: String) -> String? {
                status.split(separator: "\n").first { $0.hasPrefix("\(name):") }?.split(separator: "\t").last.map(
                    String.init)
            }
            // SETUID, SETGID and KILL: bits 7, 6 and 5.
            #expect(field("CapBnd") == "00000000000000e0")
            #expect(field("CapEff") == "00000000000000e0")
            #expect(field("NoNewPrivs") == "1")
            #expect(field("Seccomp") == "2")
            #expect(try line.ask("touch /etc/x 2>&1").contains("Read-only file system"))
            #expect(try line.ask("touch /.berth/run/x 2>&1").contains("Read-only file system"))
            #expect(try line.ask("echo y > /.berth/agent").contains("Read-only file system"))
            #expect(try line.ask("touch /tmp/x /workspace/x && ls /workspace") == "x\n")
            let mounts = try line.ask("cat /proc/mounts")
            for path in ["/tmp", "/workspace"] {
                let mount = mounts.split(separator: "\n").first { $0.contains(" \(path) tmpfs ") } ?? ""
                #expect(mount.contains("size=65536k") && mount.contains("nosuid") && !mount.contains("noexec"))
            }
            #expect(try line.ask("stat -c %a /workspace") == "1777\n")
            // No network but its own loopback.
            #expect(try line.ask("cat /proc/net/dev").filter { $0 == ":" }.count == 1)
            #expect(try line.ask("cat /proc/sys/kernel/hostname") == "one\n")
            #expect(try line.ask("id -u; pwd") == "0\n/\n")

            struct Inspect: Decodable {
                struct Host: Decodable {
                    struct Log: Decodable { var `Type`: String }
                    var Memory: Int64, MemorySwap: Int64, PidsLimit: Int64, NanoCpus: Int64
                    var NetworkMode: String, ReadonlyRootfs: Bool, AutoRemove: Bool, Privileged: Bool, LogConfig: Log
                }
                struct Configuration: Decodable { var Labels: [String: String] }
                var HostConfig: Host
                var Config: Configuration
            }
            let json = try Bench.ask("GET", "/containers/berth-hard-one/json")
            let seen = try JSONDecoder().decode(Inspect.self, from: Data(json.utf8))
            #expect(seen.HostConfig.Memory == 128 << 20 && seen.HostConfig.MemorySwap == 128 << 20)
            #expect(seen.HostConfig.PidsLimit == 128 && seen.HostConfig.NanoCpus == 1_000_000_000)
            #expect(seen.HostConfig.NetworkMode == "none" && seen.HostConfig.ReadonlyRootfs)
            #expect(seen.HostConfig.AutoRemove && !seen.HostConfig.Privileged)
            #expect(seen.HostConfig.LogConfig.Type == "none")
            #expect(
                seen.Config.Labels["dev.berth.instance"] == "hard" && seen.Config.Labels["dev.berth.member"] == "one")
        }
    }

    @Test("a missing image is pulled, from the mirror and from a registry that the reference names")
    func pull() async throws {
        let registry = try Bench.variable("BERTH_TEST_REGISTRY")
        try await Bench.withDocker("pull", agent: try BuildProducts.program("berth-agent")) { bench in
            for (index, image) in ["berth-pull:latest", "\(registry)/library/busybox:latest"].enumerated() {
                _ = try Bench.ask("DELETE", "/images/\(image)?force=true")
                #expect(await bench.runtime.probe(image: image).image == .pullable)
                let line = Line(try await bench.runtime.create(MemberID("m\(index)"), MemberTemplate(image: image)))
                #expect(await bench.runtime.probe(image: image).image == .present)
                withExtendedLifetime(line) {}
            }
        }
    }

    @Test("an image that nobody has: its class, and the engine's own words")
    func imageMissing() async throws {
        let registry = try Bench.variable("BERTH_TEST_REGISTRY")
        try await Bench.withDocker("lacks") { bench in
            let image = "\(registry)/library/nobody-has-this:1"
            let error = try await failure {
                _ = try await bench.runtime.create(MemberID("one"), MemberTemplate(image: image)).take()
            }
            #expect(error.cause == .imageMissing)
            #expect(error.message.contains("manifest unknown") || error.message.contains("not found"), "\(error)")
            let probe = await bench.runtime.probe(image: image)
            #expect(!probe.isUsable && probe.engine?.hasPrefix("Docker ") == true)
            guard case .missing = probe.image else { throw NeverHappened(description: "\(probe.image)") }
        }
    }

    @Test("a malformed reference is an invalid configuration")
    func malformedReference() async throws {
        try await Bench.withDocker("malformed") { bench in
            let error = try await failure {
                _ = try await bench.runtime.create(MemberID("one"), MemberTemplate(image: "UPPER::x")).take()
            }
            #expect(
                error.cause == .invalidConfiguration && error.message.contains("invalid reference format"), "\(error)")
        }
    }

    @Test("a network that is not there is an invalid configuration, and the container made for it is removed")
    func unknownNetwork() async throws {
        try await Bench.withDocker("network", agent: try BuildProducts.program("berth-agent")) { bench in
            let template = MemberTemplate(image: "busybox:latest", network: "nowhere")
            let error = try await failure { _ = try await bench.runtime.create(MemberID("one"), template).take() }
            #expect(error.cause == .invalidConfiguration && error.message.contains("nowhere"), "\(error)")
            try await bench.runtime.remove(MemberID("one"))
            #expect(try await bench.runtime.members().isEmpty)
        }
    }

    @Test("a container that ends before it has connected fails its create at once, with its code")
    func endsEarly() async throws {
        try await Bench.withDocker("early", agent: "/bin/false") { bench in
            let start = ContinuousClock.now
            // busybox has no /bin/false's libraries; what is mounted there can't run: either way it ends at once.
            let error = try await failure {
                _ = try await bench.runtime.create(MemberID("one"), MemberTemplate()).take()
            }
            #expect(error.cause == .failed && error.message.contains("code 1"), "\(error)")
            #expect(ContinuousClock.now - start < .seconds(10))
            try await bench.runtime.remove(MemberID("one"))
            #expect(try await bench.runtime.members().isEmpty)
        }
    }

    /// F30: as with gVisor and Kata, whose containers have the file of the socket, but can't connect to it.
    @Test("where nothing connects to the socket out of a container, the stream goes through the engine")
    func socketsEndAtTheContainer() async throws {
        let agent = "/tmp/berth-deaf-agent-\(getpid())"
        let script = """
            #!/usr/bin/python3
            import os, sys
            if sys.argv[1] == "--connect":
                sys.exit(1)
            os.execv("/bin/sh", ["sh"])

            """
        try Data(script.utf8).write(to: URL(filePath: agent))
        chmod(agent, 0o755)
        defer { unlink(agent) }
        try await Bench.withDocker("deaf", agent: agent) { bench in
            for member in ["one", "two"] {
                let line = Line(try await bench.runtime.create(MemberID(member), MemberTemplate()))
                #expect(try line.ask("echo heard") == "heard\n")
                #expect(
                    try line.ask("echo not this one >&2; echo x 2>/dev/null > /.berth/agent || echo refused")
                        == "refused\n")
                try await bench.runtime.remove(MemberID(member))
            }
            #expect(try await bench.runtime.members().isEmpty)
        }
        #expect(try !Bench.ask("GET", "/volumes").contains("berth-deaf-agent"))
    }

    @Test("creates cancelled at any time leave nothing after their remove")
    func cancelled() async throws {
        try await Bench.withDocker("cancel", agent: try BuildProducts.program("berth-agent")) { bench in
            for (index, delay) in [0, 1, 5, 20, 50, 100, 150, 200, 300].enumerated() {
                let member = MemberID("m\(index)")
                let task = Task {
                    _ = try await bench.runtime.create(member, MemberTemplate(image: "busybox:latest")).take()
                }
                try await Task.sleep(for: .milliseconds(delay))
                let start = ContinuousClock.now
                task.cancel()
                _ = await task.result
                #expect(ContinuousClock.now - start < .seconds(1), "cancelled after \(delay) ms")
                try await bench.runtime.remove(member)
                #expect(access("\(bench.base)/state/members/\(member)", F_OK) != 0)
            }
            #expect(try await bench.runtime.members().isEmpty)
        }
    }

    @Test("reported: a sweep never touches another server: an instance sees and removes its own members only")
    func twoInstances() async throws {
        let agent = try BuildProducts.program("berth-agent")
        try await Bench.withDocker("mine", agent: agent) { mine in
            try await Bench.withDocker("theirs", agent: agent) { theirs in
                let template = MemberTemplate(image: "busybox:latest")
                let one = Line(try await mine.runtime.create(MemberID("same"), template))
                let other = Line(try await theirs.runtime.create(MemberID("same"), template))
                #expect(try await mine.runtime.members() == [MemberID("same")])
                try await mine.runtime.remove(MemberID("same"))
                #expect(try await mine.runtime.members().isEmpty)
                #expect(try await theirs.runtime.members() == [MemberID("same")])
                withExtendedLifetime((one, other)) {}
            }
        }
    }
}
