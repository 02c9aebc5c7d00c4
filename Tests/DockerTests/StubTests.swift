// SPDX-License-Identifier: Apache-2.0

import CurlHTTP
import Docker
import Glibc
import Logging
import Pool
import Testing
import TestSupport

@Suite("what an engine may do to us")
struct StubTests {
    let template = MemberTemplate(image: "busybox:latest")

    @Test("a whole life on the stub, with a real agent as a process")
    func life() async throws {
        try await Bench.withStub("s-life") { bench, engine in
            let line = Line(try await bench.runtime.create(MemberID("one"), template))
            #expect(try await bench.runtime.members() == [MemberID("one")])
            try await bench.runtime.remove(MemberID("one"))
            #expect(engine.now.containers.isEmpty && engine.creates == 1 && engine.count(.version) == 1)
            withExtendedLifetime(line) {}
        }
    }

    @Test("an engine that refuses a create: its own words")
    func createRefused() async throws {
        try await Bench.withStub("s-500") { bench, engine in
            engine.setFaults { $0.create = (500, "the disk of the engine is full") }
            let error = try await failure { _ = try await bench.runtime.create(MemberID("one"), template).take() }
            #expect(error == RuntimeError(.failed, "the engine says: the disk of the engine is full"))
            engine.setFaults { $0.create = (500, "runc: fork/exec: cannot allocate memory") }
            let second = try await failure { _ = try await bench.runtime.create(MemberID("two"), template).take() }
            #expect(second.cause == .outOfMemory)
            for name in ["one", "two"] { try await bench.runtime.remove(MemberID(name)) }
        }
    }

    @Test("a start that fails after its create leaves nothing after remove")
    func startFails() async throws {
        try await Bench.withStub("s-start") { bench, engine in
            engine.setFaults { $0.start = (500, "no cgroup for you") }
            let error = try await failure { _ = try await bench.runtime.create(MemberID("one"), template).take() }
            #expect(error.message.contains("no cgroup for you"))
            #expect(engine.now.containers.count == 1)
            try await bench.runtime.remove(MemberID("one"))
            #expect(engine.now.containers.isEmpty)
        }
    }

    @Test("a container that exits at once is told with its code")
    func exitsAtOnce() async throws {
        try await Bench.withStub("s-exit") { bench, engine in
            engine.setFaults { $0.exitsAtOnce = 127 }
            let error = try await failure { _ = try await bench.runtime.create(MemberID("one"), template).take() }
            #expect(error.message.contains("code 127"))
        }
    }

    /// J50: Podman gave this answer to a wait in one of 45 creates.
    @Test("an end that the engine tells of is none while the container is there")
    func falseEnd() async throws {
        try await Bench.withStub("s-false") { bench, engine in
            engine.setFaults { $0.falseEnds = 3 }
            let line = Line(try await bench.runtime.create(MemberID("one"), template))
            #expect(engine.count(.wait) >= 1 && engine.now.faults.falseEnds < 3)
            #expect(engine.now.containers["berth-s-false-one"]?.isRunning == true)
            withExtendedLifetime(line) {}
        }
    }

    @Test(
        "a user that an ordinary user's engine can't have is another, however the engine says that it is one",
        arguments: [
            #"{"Rootless":true,"SecurityOptions":["name=apparmor","name=seccomp,profile=default"]}"#,
            #"{"SecurityOptions":["name=seccomp,profile=default","name=rootless"]}"#,
            #"{"SecurityOptions":["name=userns"]}"#,
        ])
    func rootless(_ info: String) async throws {
        try await Bench.withStub("s-rootless") { bench, engine in
            engine.setFaults { $0.info = info }
            var template = template
            template.uid = 95_482
            let line = Line(try await bench.runtime.create(MemberID("one"), template))
            let body = try #require(engine.now.containers.values.first?.body)
            let user = try #require(body.firstMatch(of: /uid=([0-9]+)/).flatMap { UInt32($0.1) })
            #expect(user < 65_536)
            try await bench.runtime.remove(MemberID("one"))
            withExtendedLifetime(line) {}
        }
    }

    @Test("an ordinary user's Podman is asked for no process that the kernel would spare more than Podman itself")
    func podmanOOMScore() async throws {
        try await Bench.withStub("s-podman") { bench, engine in
            engine.setFaults {
                $0.version = #"{"Version":"4.3.1","ApiVersion":"1.41","Components":[{"Name":"Podman Engine"}]}"#
                $0.info = #"{"Rootless":true,"SecurityOptions":["name=seccomp,profile=default"]}"#
            }
            let line = Line(try await bench.runtime.create(MemberID("one"), template))
            let body = try #require(engine.now.containers.values.first?.body)
            #expect(body.contains(#""OomScoreAdj":300"#))
            // It takes no owner of a tmpfs either: the agent makes sure that programs can write there.
            let places = try #require(body.firstMatch(of: /"Entrypoint":(\[[^\]]*\])/)).1.replacing("\\/", with: "/")
            #expect(places.hasSuffix(#""--open","/tmp","--open","/var/tmp","--open","/workspace"]"#), "\(places)")
            try await bench.runtime.remove(MemberID("one"))
            withExtendedLifetime(line) {}
        }
    }

    @Test("an engine that never answers: cancelling returns at once, and the create is known to be under way")
    func neverAnswers() async throws {
        try await Bench.withStub("s-never") { bench, engine in
            engine.setFaults { $0.neverAnswers = [.create] }
            let task = Task { _ = try await bench.runtime.create(MemberID("one"), template).take() }
            try await engine.waitFor("the create") { $0.calls[.create] == 1 }
            let start = ContinuousClock.now
            task.cancel()
            let error = try await failure { try await task.value }
            #expect(error.cause == .notReadyInTime && ContinuousClock.now - start < .seconds(1))
            // A remove does not believe in "not there" while the engine still owes its answer.
            let remove = Task { try await bench.runtime.remove(MemberID("one")) }
            try await Task.sleep(for: .milliseconds(100))
            #expect(engine.count(.remove) == 0)
            remove.cancel()
            _ = await remove.result
        }
    }

    @Test("a create answered late, after its caller left, is removed")
    func lateCreate() async throws {
        try await Bench.withStub("s-late") { bench, engine in
            engine.setFaults { $0.delay = .milliseconds(300) }
            let task = Task { _ = try await bench.runtime.create(MemberID("one"), template).take() }
            try await engine.waitFor("the create") { $0.calls[.create] == 1 }
            task.cancel()
            _ = await task.result
            #expect(engine.now.containers.isEmpty)
            try await bench.runtime.remove(MemberID("one"))
            #expect(engine.now.mostContainers == 1 && engine.now.containers.isEmpty)
        }
    }

    @Test("a removal that is already in progress is waited for")
    func removeConflicts() async throws {
        try await Bench.withStub("s-409") { bench, engine in
            let line = Line(try await bench.runtime.create(MemberID("one"), template))
            engine.setFaults { $0.removeConflicts = 3 }
            try await bench.runtime.remove(MemberID("one"))
            #expect(engine.now.containers.isEmpty && engine.count(.remove) == 4)
            withExtendedLifetime(line) {}
        }
    }

    @Test("two members that want the same missing image share one pull, which a cancelled one does not end")
    func onePull() async throws {
        try await Bench.withStub("s-pull") { bench, engine in
            engine.setFaults {
                $0.imageIsMissing = true
                $0.pullDuration = .milliseconds(500)
            }
            let first = Task { Line(try await bench.runtime.create(MemberID("one"), template)) }
            let second = Task { Line(try await bench.runtime.create(MemberID("two"), template)) }
            try await engine.waitFor("both look") { $0.calls[.imageInspect] == 2 && $0.calls[.pull] == 1 }
            first.cancel()
            let error = try await failure { _ = try await first.value }
            #expect(error.cause == .notReadyInTime && error.message.contains("still being pulled"))
            _ = try await second.value
            #expect(engine.count(.pull) == 1)
        }
    }

    @Test("a pull that fails midway is a missing image, in the engine's words")
    func pullFails() async throws {
        try await Bench.withStub("s-nopull") { bench, engine in
            engine.setFaults {
                $0.imageIsMissing = true
                $0.pull = "toomanyrequests: you have reached your limit"
            }
            let error = try await failure { _ = try await bench.runtime.create(MemberID("one"), template).take() }
            #expect(error.cause == .imageMissing && error.message.contains("toomanyrequests"))
            #expect(engine.creates == 0)
            #expect(await !bench.runtime.probe(image: "x").isUsable)
        }
    }

    @Test("no engine there: unreachable, with what to do")
    func noEngine() async throws {
        try await Bench.with("unix:///tmp/berth-no-such.sock", "s-none", agent: "/bin/true") { bench in
            let error = try await failure { _ = try await bench.runtime.create(MemberID("one"), template).take() }
            #expect(error.cause == .runtimeUnreachable && error.message.contains("DOCKER_HOST"), "\(error)")
            let probe = await bench.runtime.probe(image: "x")
            #expect(probe.engine == nil && probe.problem?.cause == .runtimeUnreachable && probe.image == .notAsked)
        }
    }

    @Test(
        "a malformed endpoint is told as one",
        arguments: [
            "", "docker", "http://x", "unix://", "unix://relative", "tcp://", "tcp://host", "tcp://host:0", "tcp://:80",
            "ssh://", "ssh://me@", "ssh://-oProxyCommand=x", "ssh://me:secret@host", "ssh://host:x", "ssh://host/path",
            "ssh://-l@host",
        ])
    func malformed(_ text: String) throws {
        #expect { try DockerEndpoint(text) } throws: { error in
            (error as? RuntimeError)?.cause == .invalidConfiguration
        }
    }

    @Test("the variables of Docker's own client are understood")
    func environment() throws {
        #expect(try DockerEndpoint.fromEnvironment([:]).http == .unixSocket("/var/run/docker.sock"))
        let tls = try DockerEndpoint.fromEnvironment([
            "DOCKER_HOST": "tcp://[::1]:2376", "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": "/c",
        ])
        guard case .tcp(host: "::1", port: 2376, tls: let settings?) = tls.http else {
            throw NeverHappened(description: "\(tls.http)")
        }
        #expect(settings.key == "/c/key.pem" && settings.verifies)
    }
}
