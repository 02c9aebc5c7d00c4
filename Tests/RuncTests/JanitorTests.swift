// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import Pool
import Testing

@testable import Embedded
@testable import Housekeeping
@testable import Native
@testable import Runc

@Suite("what outlives a server", .serialized)
struct JanitorTests {
    @Test("within 10 s of a server's SIGKILL nothing of it is left, even when its agents don't end by themselves")
    func killed() async throws {
        let base = "/tmp/berth-runc-tests-janitor"
        try Files.removeTree(base)
        try Files.makeDirectory(base)
        // Another server on the same machine, whose member must live on.
        let other = try Bench("janitor-other")
        let bystander = try await other.container("one")

        await #expect(processExitsWith: .signal(SIGKILL)) {
            let bench = try Bench("janitor", base: "/tmp/berth-runc-tests-janitor")
            let janitor = try Janitor(state: bench.state, containers: bench.runtime.containers)
            try Files.write("\(bench.base)/pid", "\(janitor.pid)".utf8)
            let containers = [try await bench.container("one"), try await bench.container("two")]
            // An agent that doesn't see the end of its stream: it waits for something else.
            _ = try? containers[0].run("echo '=end='; sleep 1000 </dev/null")
            #expect(bench.cgroups() == ["one", "two"])
            kill(getpid(), SIGKILL)
        }
        let pid = try #require(Int32(String(decoding: Files.read("\(base)/pid") ?? [], as: UTF8.self)))
        #expect(eventually(within: 10) { kill(pid, 0) != 0 || isZombie(pid) })
        #expect(Cgroups(instance: "janitor", stateDirectory: "\(base)/janitor").members() == [])
        #expect(!Files.exists("\(base)/janitor"))
        let mounts = String(decoding: Files.read("/proc/self/mounts", limit: 1 << 24) ?? [], as: UTF8.self)
        #expect(!mounts.contains(base))

        #expect(try bystander.run("echo alive") == "alive")
        try await other.finish()
        // And the instance is free again.
        _ = try StateDirectory(base: base, instance: "janitor")
        try Files.removeTree(base)
    }

    @Test("within 10 s of a server's SIGKILL its launcher and the members are gone, and one that was being made too")
    func killedNative() async throws {
        let base = "/tmp/berth-runc-tests-janitor-native"
        try Files.removeTree(base)
        try Files.makeDirectory(base)
        await #expect(processExitsWith: .signal(SIGKILL)) {
            let bench = try Bench("janitor", .native, base: "/tmp/berth-runc-tests-janitor-native")
            let janitor = try Janitor(state: bench.state, containers: bench.runtime.containers)
            let container = try await bench.container("one")
            _ = try? container.run("echo '=end='; sleep 1000 </dev/null")
            let launcher = try #require((bench.runtime as? NativeRuntime)?.launcherPIDs.first)
            try Files.write("\(bench.base)/pids", "\(janitor.pid) \(launcher)".utf8)
            #expect(bench.cgroups() == ["one"])
            kill(getpid(), SIGKILL)
        }
        let pids = Files.text("\(base)/pids").split(separator: " ").compactMap { Int32($0) }
        try #require(pids.count == 2)
        #expect(eventually(within: 10) { pids.allSatisfy { kill($0, 0) != 0 || isZombie($0) } })
        let cgroups = Cgroups(instance: "janitor-native", stateDirectory: "\(base)/janitor-native")
        #expect(cgroups.members() == [])
        for path in cgroups.limitingMounts.map({ "\($0)/\(cgroups.parent)" }) + [cgroups.devices].compactMap(\.self) {
            #expect(!Files.exists(path))
        }
        #expect(!Files.exists("\(base)/janitor-native"))
        try Files.removeTree(base)
    }

    @Test("a server that waits for the janitor of its predecessor holds a directory that is there")
    func removedMeanwhile() async throws {
        let base = "/tmp/berth-runc-tests-removed-\(getpid())"
        try Files.makeDirectory(base)
        let janitor: Int32
        do {
            let first = try StateDirectory(base: base, instance: "a")
            // As of a server that has ended, while this process lives on: a janitor may take longer than it is waited for.
            ftruncate(first.lock, 0)
            janitor = try Janitor(state: first).pid
        }
        // The janitor may be before, at or after its work.
        for _ in 0..<20 {
            let next = try StateDirectory(base: base, instance: "a")
            var (held, there) = (stat(), stat())
            #expect(fstat(next.lock, &held) == 0 && lstat("\(next.path)/lock", &there) == 0)
            #expect(held.st_ino == there.st_ino)
            ftruncate(next.lock, 0)
            _ = try Janitor(state: next)
        }
        #expect(eventually(within: 10) { kill(janitor, 0) != 0 || isZombie(janitor) })
        #expect(eventually(within: 10) { !Files.exists("\(base)/a") })
        try Files.removeTree(base)
    }

    @Test("a second server of the same instance is told who holds it, and can start when that has ended")
    func locked() throws {
        let base = "/tmp/berth-runc-tests-lock-\(getpid())"
        try Files.makeDirectory(base)
        do {
            let first = try StateDirectory(base: base, instance: "a")
            let error = #expect(throws: RuntimeError.self) { try StateDirectory(base: base, instance: "a") }
            #expect(error?.cause == .invalidConfiguration)
            #expect(error?.message.contains("pid \(getpid())") == true)
            var info = stat()
            #expect(lstat(first.path, &info) == 0 && info.st_mode & 0o777 == 0o700)
            _ = try StateDirectory(base: base, instance: "b")
        }
        _ = try StateDirectory(base: base, instance: "a")
        for name in ["", "A", "a/b", "..", "-a"] {
            #expect(throws: RuntimeError.self) { try StateDirectory(base: base, instance: name) }
        }
        try Files.removeTree(base)
    }

    @Test("the janitor ignores the signals of a terminal, and runs the commands it was given")
    func commands() throws {
        let base = "/tmp/berth-runc-tests-commands-\(getpid())"
        try Files.makeDirectory(base)
        do {
            let state = try StateDirectory(base: base, instance: "commands")
            let janitor = try Janitor(
                state: state,
                commands: [["/bin/sh", "-c", "echo \"it's $0\" > '\(base)/out'", "a b"]])
            // The first signals may come before its trap is set: it is asleep in a read once it blocks in one.
            #expect(eventually(within: 5) { isIgnoringSignals(janitor.pid) })
            for number in [SIGINT, SIGTERM, SIGHUP] { kill(janitor.pid, number) }
            #expect(kill(janitor.pid, 0) == 0 && !isZombie(janitor.pid))
            #expect(!Files.exists("\(base)/out"))
        }
        #expect(eventually(within: 5) { Files.read("\(base)/out") == Array("it's a b\n".utf8) })
        #expect(eventually(within: 5) { (try? Files.removeTree(base)) != nil })
    }

    @Test("a janitor that was given no cgroup looks at none, and one that was at that one alone")
    func cgroups() throws {
        let script = String(decoding: PackageResources.janitor_sh, as: UTF8.self)
        let begin = try #require(script.range(of: "cgroups() {")?.lowerBound)
        let end = try #require(script.range(of: "\ni=0\n")?.lowerBound)
        // Its functions, which only look: what follows kills and removes what they find.
        let functions = script[begin..<end]
        func found(_ group: String) throws -> String {
            try Subprocess.run(
                ["/bin/sh", "-c", "group='\(group)'\n\(functions)\ncgroups; processes"], seconds: 10,
                Cancellation()
            ).output
        }
        #expect(try found("") == "")

        let group = "berth-janitor-tests-\(getpid())"
        let home = "\(Cgroups(instance: "a", stateDirectory: "/a").mounts[0])/\(group)"
        for path in [home, "\(home)/one"] { try Files.makeDirectory(path) }
        defer { for path in ["\(home)/one", home] { rmdir(path) } }
        #expect(try found(group) == "\(home)/one/\n")
    }

    private func isZombie(_ pid: Int32) -> Bool {
        String(decoding: Files.read("/proc/\(pid)/stat") ?? [], as: UTF8.self).contains(") Z ")
    }

    private func isIgnoringSignals(_ pid: Int32) -> Bool {
        let status = String(decoding: Files.read("/proc/\(pid)/status") ?? [], as: UTF8.self)
        guard let line = status.split(separator: "\n").first(where: { $0.hasPrefix("SigIgn:") }),
            let mask = line.split(separator: "\t").last.flatMap({ UInt64($0, radix: 16) })
        else { return false }
        return [SIGINT, SIGTERM, SIGHUP].allSatisfy { mask & (1 << UInt64($0 - 1)) != 0 }
    }
}
