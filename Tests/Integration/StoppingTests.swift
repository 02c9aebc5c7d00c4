// SPDX-License-Identifier: Apache-2.0

import BerthSchema
import Foundation
import Testing
import TestSupport

@Suite("What ends the server, how long that takes, and what does not end it", .serialized)
struct StoppingTests {
    @Test(
        "D20: an engine that hangs in a create keeps a server that is told to end no longer than 5 s and the drain time"
    )
    func hungCreate() async throws {
        let socket = "/tmp/berth-stub-\(UUID().uuidString.prefix(8)).sock"
        let engine = try await StubEngine.start(socketPath: socket, agent: BuildProducts.program("berth-agent"))
        engine.setFaults { $0.neverAnswers = [.create] }
        let server = try await ServerProcess.start(
            .runc,
            [
                "--runtime", "docker", "--docker-host", engine.endpoint, "--image", "stub:latest", "--size", "1",
                "--create-timeout", "60s", "--drain-time", "1s",
            ])
        try await eventually("a create is under way") { engine.count(.create) == 1 }
        let began = ContinuousClock.now
        server.program.signal(SIGTERM)
        _ = try await server.program.end(within: .seconds(30))
        let took = ContinuousClock.now - began
        await engine.stop()
        #expect(took < .seconds(6.5), "\(took)")
        #expect(server.program.err.contains("containers could not be removed in time"), "\(server.program.err)")
        #expect(server.program.err.contains("members.ids="), "they are named")
        try? FileManager.default.removeItem(atPath: server.stateDirectory)
    }

    @Test(
        "D21: SIGHUP without a configuration file is a line in the log, looks at images again, and the server serves on"
    )
    func hangup() async throws {
        let server = try await ServerProcess.start(.runc, ["--size", "0"])
        server.program.signal(SIGHUP)
        try await eventually("a word in the log") {
            server.program.err.contains("told to reload, but the server was started without a configuration file")
        }
        try await eventually("it is done") { server.program.err.contains("the configuration is reloaded") }
        #expect(server.program.isRunning)
        #expect(try await server.run(["--", "echo", "on"]).out == "on\n")
        server.program.signal(SIGTERM)
        #expect(try await server.program.end(within: .seconds(30)) == 0)
        try? FileManager.default.removeItem(atPath: server.stateDirectory)
    }
}
