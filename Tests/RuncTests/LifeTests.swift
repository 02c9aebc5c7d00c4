// SPDX-License-Identifier: Apache-2.0

import Glibc
import Logging
import Pool
import Testing

@testable import Embedded
@testable import Housekeeping
@testable import Runc

@Suite("the life of a member without a daemon", .serialized)
struct LifeTests {
    @Test(
        "a container answers over its stream, is listed, and is gone after its removal", arguments: Bench.Kind.allCases)
    func life(_ kind: Bench.Kind) async throws {
        try await Bench.with("life", kind) { bench in
            let container = try await bench.container("one")
            #expect(try container.run("echo hello $$; hostname") == "hello 1\none")
            #expect(try await bench.runtime.members() == [MemberID("one")])
            #expect(bench.cgroups() == ["one"])
            try await bench.runtime.remove(container.member)
            #expect(container.ends())
            #expect(try await bench.runtime.members() == [])
            #expect(bench.cgroups() == [])
            try await bench.runtime.remove(container.member)
        }
    }

    @Test("50 creates and removes leave no mount, cgroup, zombie or descriptor", arguments: Bench.Kind.allCases)
    func churn(_ kind: Bench.Kind) async throws {
        try await Bench.with("churn", kind) { bench in
            try await bench.runtime.remove(try await bench.container("warm").member)
            // Other suites mount and unmount at the same time.
            func mounts() -> Int {
                let table = String(decoding: Files.read("/proc/self/mounts", limit: 1 << 24) ?? [], as: UTF8.self)
                return table.split(separator: "\n").count { $0.contains(bench.state.path) }
            }
            let mountsBefore = mounts()
            let descriptors = Files.list("/proc/self/fd").count
            let children = zombies()
            for round in 0..<50 {
                let container = try await bench.container("m\(round)")
                #expect(try container.run("echo up") == "up")
                try await bench.runtime.remove(container.member)
            }
            #expect(mounts() == mountsBefore)
            #expect(bench.cgroups() == [])
            // Other suites run at the same time, with a handful of containers.
            #expect(Files.list("/proc/self/fd").count < descriptors + 30)
            #expect(eventually(within: 10) { zombies() <= children + 5 })
            for name in ["members", "runc"] { #expect(Files.list("\(bench.state.path)/\(name)") == []) }
        }
    }

    @Test("a cancelled create returns soon, and a remove leaves nothing of it", arguments: Bench.Kind.allCases)
    func cancelled(_ kind: Bench.Kind) async throws {
        try await Bench.with("cancel", kind) { bench in
            for delay in [0, 1, 3, 5, 8, 12, 16, 20, 25, 30, 40, 60] {
                let member = MemberID("c\(delay)")
                let task = Task { try await bench.container(member.description) }
                usleep(useconds_t(delay * 1000))
                let start = ContinuousClock.now
                task.cancel()
                _ = await task.result
                #expect(ContinuousClock.now - start < .seconds(2))
                try await bench.runtime.remove(member)
                #expect(bench.cgroups() == [])
                #expect(try await bench.runtime.members() == [])
            }
        }
    }

    @Test("an agent that was killed ends the stream, and its member is removed", arguments: Bench.Kind.allCases)
    func killed(_ kind: Bench.Kind) async throws {
        try await Bench.with("killed", kind) { bench in
            let container = try await bench.container("one")
            bench.runtime.cgroups.kill(container.member)
            #expect(container.ends())
            try await bench.runtime.remove(container.member)
            #expect(bench.cgroups() == [])
        }
    }

    @Test("a member whose runc state is lost is removed all the same")
    func lostState() async throws {
        try await Bench.with("lost") { bench in
            let container = try await bench.container("one")
            try Files.removeTree("\(bench.state.path)/runc/one")
            try await bench.runtime.remove(container.member)
            #expect(container.ends())
            #expect(bench.cgroups() == [])
        }
    }

    @Test("what was in the way is in the error of a create that fails", arguments: Bench.Kind.allCases)
    func ownWords(_ kind: Bench.Kind) async throws {
        try await Bench.with("words", kind) { bench in
            var template = MemberTemplate(image: "host")
            template.tmpfsPaths = ["/usr/nowhere/else"]
            let error = await #expect(throws: RuntimeError.self) { try await bench.container("one", template) }
            print(error?.description ?? "")
            #expect(error?.message.contains("nowhere") == true)
            try await bench.runtime.remove(MemberID("one"))
            #expect(bench.cgroups() == [])
        }
    }

    @Test("what can't be configured is refused before anything is made", arguments: Bench.Kind.allCases)
    func refused(_ kind: Bench.Kind) async throws {
        try await Bench.with("refused", kind) { bench in
            for template in [
                MemberTemplate(image: "host", network: "bridge"),
                MemberTemplate(image: "host", tmpfsPaths: ["/proc/x"]),
                MemberTemplate(image: "host", tmpfsPaths: ["/a/../b"]), MemberTemplate(image: "host", memoryBytes: 0),
            ] {
                let error = await #expect(throws: RuntimeError.self) { try await bench.container("one", template) }
                #expect(error?.cause == .invalidConfiguration)
            }
            let error = await #expect(throws: RuntimeError.self) { try await bench.container("../x") }
            #expect(error?.cause == .invalidConfiguration)
            let missing = await #expect(throws: RuntimeError.self) {
                try await bench.container("one", MemberTemplate(image: "/no/such/directory"))
            }
            #expect(missing?.cause == .imageMissing)
            let left = try await bench.runtime.members()
            #expect(left.isEmpty)
        }
    }

    @Test("a runc that isn't there is named")
    func noRunc() throws {
        let error = #expect(throws: RuntimeError.self) {
            try RuncRuntime(
                runcPath: "/nowhere/runc", instance: "x", agentPath: "/bin/sh", stateDirectory: "/tmp",
                logger: Logger(label: "test"))
        }
        #expect(error?.cause == .runtimeUnreachable)
        #expect(error?.message.contains("/nowhere/runc") == true)
        #expect(RuncProbe().isUsable)
    }

    private func zombies() -> Int {
        Files.list("/proc").filter { name in
            guard Int(name) != nil, let text = Files.read("/proc/\(name)/stat") else { return false }
            return String(decoding: text, as: UTF8.self).contains(") Z ")
        }.count
    }
}
