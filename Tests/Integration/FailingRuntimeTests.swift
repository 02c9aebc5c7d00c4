// SPDX-License-Identifier: Apache-2.0

import Berth
import BerthSchema
import Foundation
import Testing
import TestSupport

@Suite("A runtime that fails every create gets one, then none for five minutes", .serialized)
struct FailingRuntimeTests {
    enum Fault: String, CaseIterable, Sendable, CustomTestStringConvertible {
        case imageIsMissing = "image missing"
        case engineStopped = "engine stopped"
        case createAnswers500 = "create answers 500"
        case startAnswers500 = "start answers 500"
        case createNeverAnswers = "create never answers"
        case containerExitsAtOnce = "container exits at once"

        var testDescription: String { rawValue }

        var cause: String {
            switch self {
            case .imageIsMissing: "image missing"
            case .engineStopped: "runtime unreachable"
            case .createAnswers500, .startAnswers500, .containerExitsAtOnce: "failed"
            case .createNeverAnswers: "not ready in time"
            }
        }

        var words: String {
            switch self {
            case .imageIsMissing: "manifest unknown"
            case .engineStopped: "no Docker engine"
            case .createAnswers500, .startAnswers500: "the disk is on fire"
            case .createNeverAnswers: "within"
            case .containerExitsAtOnce: "ended before its agent had connected, with code 3"
            }
        }

        func set(on engine: StubEngine) async {
            switch self {
            case .imageIsMissing:
                engine.setFaults {
                    $0.imageIsMissing = true
                    $0.pull = "manifest unknown"
                }
            case .engineStopped: await engine.stop()
            case .createAnswers500: engine.setFaults { $0.create = (500, "the disk is on fire") }
            case .startAnswers500: engine.setFaults { $0.start = (500, "the disk is on fire") }
            case .createNeverAnswers: engine.setFaults { $0.neverAnswers = [.create] }
            case .containerExitsAtOnce: engine.setFaults { $0.exitsAtOnce = 3 }
            }
        }
    }

    @Test(
        "10 000 asks: one create, everyone is told cause and next try, memory and descriptors stay",
        arguments: Fault.allCases)
    func stub(_ fault: Fault) async throws {
        let socket = "/tmp/berth-stub-\(UUID().uuidString.prefix(8)).sock"
        let engine = try await StubEngine.start(socketPath: socket, agent: BuildProducts.program("berth-agent"))
        let server = try await ServerProcess.start(
            .runc,
            [
                "--runtime", "docker", "--docker-host", engine.endpoint, "--image", "stub:latest", "--size", "0",
                "--create-timeout", "2s",
            ])
        do {
            await fault.set(on: engine)
            try await Self.ask(server, cause: fault.cause, words: fault.words)
            #expect(engine.count(.create) <= 1)
            server.program.signal(SIGTERM)
            _ = try await server.program.end(within: .seconds(60))
        } catch {
            server.program.signal(SIGKILL)
            await engine.stop()
            throw NeverHappened(description: "\(error); the server's log:\n\(server.program.err)")
        }
        await engine.stop()
        try? FileManager.default.removeItem(atPath: server.stateDirectory)
    }

    @Test("the same with a real dockerd whose image is removed under the server")
    func dockerd() async throws {
        let engine = try Runtime.docker()
        let image = "berth-fault:\(UUID().uuidString.prefix(8).lowercased())"
        let docker = try tool("docker")
        func run(_ arguments: String...) async throws {
            let program = try Program(docker, ["-H", engine] + arguments)
            guard try await program.end() == 0 else { throw NeverHappened(description: program.err) }
        }
        try await run("tag", "python:3.9-slim", image)
        try await ServerProcess.with(.docker, ["--image", image, "--size", "0"]) { server in
            try await run("rmi", image)
            try await Self.ask(server, cause: "image missing", words: image)
        }
    }

    /// Makes 10 000 calls from ten connections.
    private static func ask(_ server: ServerProcess, cause: String, words: String) async throws {
        let address = try ServerAddress(server.address)
        let watcher = try await BerthClient.connect(to: address)
        var (memory, descriptors) = (0, 0)
        for round in 0..<10 {
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<10 {
                    group.addTask {
                        let client = try await BerthClient.connect(to: address)
                        defer { client.close() }
                        for _ in 0..<100 {
                            do {
                                _ = try await client.acquire()
                                throw NeverHappened(description: "an acquire succeeded")
                            } catch let error as BerthError {
                                let isRight =
                                    error.code == .unavailable && error.message.contains("\(cause): ")
                                    && error.message.contains(words) && error.message.contains("; next try in ")
                                guard isRight else { throw NeverHappened(description: "refused with \(error)") }
                            }
                        }
                    }
                }
                try await group.waitForAll()
            }
            if round == 1 { (memory, descriptors) = try usage(server.program.pid) }
        }
        let (memoryAfter, _) = try usage(server.program.pid)
        #expect(memoryAfter - memory < 4 << 20, "\(memory) → \(memoryAfter) bytes")
        // The last connections are on their way out.
        try await eventually("as many descriptors as before, which were \(descriptors)") {
            try usage(server.program.pid).1 <= descriptors
        }
        let pool = try await watcher.stats().pools[0]
        #expect(pool.creates == 1)
        #expect(pool.createFailures == 1)
        #expect(pool.breaker == .open)
        #expect(pool.cause == cause)
        #expect(pool.nextTryInMilliseconds > 200_000)
        watcher.close()
    }

    /// The anonymous memory in bytes, and the number of open descriptors of a process.
    private static func usage(_ pid: Int32) throws -> (Int, Int) {
        let status = try String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8)
        guard let line = status.split(separator: "\n").first(where: { $0.hasPrefix("RssAnon:") }),
            let kibibytes = line.split(whereSeparator: { $0 == " " || $0 == "\t" }).dropFirst().first.flatMap({
                Int($0)
            })
        else { throw MissingPart("RssAnon in /proc/\(pid)/status") }
        return (kibibytes << 10, try FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/fd").count)
    }
}
