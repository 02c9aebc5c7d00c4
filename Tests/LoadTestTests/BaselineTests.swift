// SPDX-License-Identifier: Apache-2.0

import Berth
import CurlHTTP
import Docker
import Foundation
import Hardening
import Pool
import Testing
import TestSupport

@testable import LoadTest

@Suite("docker exec, to compare with")
struct BaselineTests {
    private func engine() throws -> DockerEndpoint {
        guard let url = ProcessInfo.processInfo.environment["BERTH_TEST_DOCKER"] else {
            throw MissingPart("BERTH_TEST_DOCKER: run the tests with: dev/with-docker swift test")
        }
        return try DockerEndpoint(url)
    }

    private func plan(
        _ address: ServerAddress, _ image: String, command: [String] = ["echo", "hello"]
    ) throws -> LoadPlan {
        let engine = try engine()
        return try LoadPlan(
            scenario: .execute, arrivals: .closed(concurrency: 1), server: address, command: command, cwd: "/tmp",
            duration: .seconds(1), warmup: .zero,
            baseline: DockerExecBaseline(endpoint: engine.http, name: "\(engine)", image: image))
    }

    /// The containers that a load test has left.
    private func containers() async throws -> String {
        let http = try HTTPClient(endpoint: try engine().http)
        defer { http.shutdown() }
        let request = HTTPRequest(
            .get, "/containers/json", query: [("all", "1"), ("filters", "{\"label\":[\"\(DockerExec.label)\"]}")])
        return String(decoding: try await http.send(request).body, as: UTF8.self)
            .trimmingCharacters(in: .whitespacesAndNewlines)
    }

    @Test("runs the same program in turn with Berth on a real engine, tells the ratio, and leaves no container")
    func baseline() async throws {
        try await withLiveServer(size: 1) { address, _ in
            let report = try await LoadTester(try plan(address, "busybox:latest")).run()
            #expect(report.failures == [])
            let own = try #require(report.operations.first { $0.name == "execute" })
            let exec = try #require(report.operations.first { $0.name == "dockerExec" })
            let counts = [own, exec].map { $0[.total]?.count ?? 0 }
            #expect(counts[0] > 0 && counts[1] > 0)
            // Six bytes of output each, in both.
            #expect(own.bytes >= 6 * counts[0])
            #expect(exec.bytes == 6 * counts[1])
            // What Berth is compared with is no part of its own figures.
            #expect(report.total.count == counts[0])
            #expect(report.baselineRatio?.contains("times as long as execute") ?? false)
            #expect("\(TextReport(report))".contains("docker exec"))
            // The engine answers a removal a moment before it is done.
            try await eventually("no container is left") { try await containers() == "[]" }
        }
    }

    private struct Inspection: Decodable {
        struct Limit: Decodable {
            var Name: String
            var Soft: Int64
            var Hard: Int64
        }
        struct Host: Decodable {
            var Memory: Int64
            var MemorySwap: Int64
            var PidsLimit: Int64
            var NanoCpus: Int64
            var ShmSize: Int64
            var CapAdd: [String]?
            var CapDrop: [String]?
            var MaskedPaths: [String]
            var ReadonlyPaths: [String]
            var Ulimits: [Limit]?
            var Tmpfs: [String: String]
        }
        var HostConfig: Host
    }

    @Test("the container that is compared with is held as Berth's own are, by one and the same value")
    func hardening() async throws {
        let engine = try engine()
        let exec = try await DockerExec(
            DockerExecBaseline(endpoint: engine.http, name: "\(engine)"), image: "busybox:latest", lifetime: 60)
        let answer: [UInt8]
        do {
            #expect(
                try await exec.run(["sh", "-c", "echo 1 > /var/tmp/file && cat /var/tmp/file"], cwd: "/workspace") == 2)
            answer = try await exec.inspect()
        } catch {
            await exec.close()
            throw error
        }
        await exec.close()
        let host = try JSONDecoder().decode(Inspection.self, from: Data(answer)).HostConfig
        let template = MemberTemplate()
        let own = HardeningProfile(template, user: MemberTemplate.standardUID)
        #expect(host.Memory == template.memoryBytes && host.MemorySwap == template.memoryBytes)
        #expect(host.PidsLimit == template.processes)
        #expect(host.NanoCpus == template.milliCPUs * 1_000_000)
        #expect(host.ShmSize == HardeningProfile.sharedMemoryBytes)
        #expect(host.CapDrop == ["ALL"])
        let capabilities = (host.CapAdd ?? []).map { $0.hasPrefix("CAP_") ? String($0.dropFirst(4)) : $0 }
        #expect(Set(capabilities) == Set(HardeningProfile.capabilities))
        #expect(host.MaskedPaths == HardeningProfile.maskedPaths)
        #expect(host.ReadonlyPaths == HardeningProfile.readonlyPaths)
        let limits = Dictionary(uniqueKeysWithValues: (host.Ulimits ?? []).map { ($0.Name, [$0.Soft, $0.Hard]) })
        #expect(limits == Dictionary(uniqueKeysWithValues: own.limits.map { ($0.name, [$0.value, $0.value]) }))
        #expect(Set(host.Tmpfs.keys) == Set(template.tmpfsPaths))
        for options in host.Tmpfs.values { #expect(options.contains("size=\(template.tmpfsBytes)")) }
    }

    @Test("a program that fails through docker exec is a failure; a missing image, or engine, is said before it begins")
    func failures() async throws {
        try await withLiveServer(size: 1) { address, _ in
            let report = try await LoadTester(try plan(address, "busybox:latest", command: ["sh", "-c", "exit 3"]))
                .run()
            #expect(report.failures.map(\.kind) == ["exit 3"])
            #expect(report.operations.map(\.failed).allSatisfy { $0 > 0 })
            let missing = await #expect(throws: LoadError.self) {
                try await LoadTester(try plan(address, "no-such-image:1")).run()
            }
            #expect(missing?.message.contains("no-such-image:1") ?? false)
            var elsewhere = try plan(address, "busybox:latest")
            elsewhere.baseline?.endpoint = .unixSocket("/nonexistent.sock")
            elsewhere.baseline?.name = "unix:///nonexistent.sock"
            let nowhere = await #expect(throws: LoadError.self) { try await LoadTester(elsewhere).run() }
            #expect(nowhere?.message.contains("unix:///nonexistent.sock") ?? false)
        }
    }

    @Test("output is counted without the engine's frames, also when the stream is cut off")
    func output() {
        let stream: [UInt8] =
            [1, 0, 0, 0, 0, 0, 0, 3, 65, 66, 67, 2, 0, 0, 0, 0, 0, 1, 0] + [UInt8](repeating: 7, count: 256)
        #expect(DockerExec.outputBytes(stream) == 259)
        #expect(DockerExec.outputBytes(Array(stream.dropLast(100))) == 159)
        #expect(DockerExec.outputBytes(Array(stream.prefix(5))) == 0)
        #expect(DockerExec.outputBytes([]) == 0)
    }

    @Test("is refused where there is no program to compare")
    func plans() throws {
        let baseline = DockerExecBaseline(endpoint: .unixSocket("/x"), name: "x")
        for scenario in [Scenario.stats, .acquire, .mix] {
            #expect(throws: LoadError.self) {
                try LoadPlan(scenario: scenario, arrivals: .closed(concurrency: 1), baseline: baseline)
            }
        }
        let plan = try LoadPlan(
            scenario: .run, arrivals: .open(rate: 1, spacing: .even, maxInFlight: 1), baseline: baseline)
        #expect((0..<4).map { plan.operation(at: $0) } == [.run, .dockerExec, .run, .dockerExec])
    }

    @Test("each has half a second in turn, or one operation that takes longer; Berth begins")
    func turns() {
        var turns = Turns(start: 1_000_000_000)
        let milliseconds: [UInt64] = [1000, 1499, 1500, 1501, 1999, 2000, 2499, 2600, 9000, 20_000, 20_499]
        let found = milliseconds.map { turns.isBaselines(at: Nanoseconds($0 * 1_000_000)) }
        #expect(found == [false, false, true, true, true, false, false, true, false, true, true])
    }
}
