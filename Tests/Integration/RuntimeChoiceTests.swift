// SPDX-License-Identifier: Apache-2.0

import Berth
import Foundation
import Testing
import TestSupport

/// F29, J53 and I44: which runtime a server chooses, and what it says about that.
@Suite("What a server runs on", .serialized)
struct RuntimeChoiceTests {
    enum Fault: String, CaseIterable, Sendable, CustomTestStringConvertible {
        case apiTooNew = "its API is out of reach"
        case noEngine = "what listens there is no engine"
        case nothingThere = "nothing is there"
        case unknownContext = "the context is not known"
        case sshFails = "ssh gets no connection"
        case foreignMachine = "its machine is another"

        var testDescription: String { rawValue }

        /// The text that both the server's line and doctor have.
        var words: String {
            switch self {
            case .apiTooNew: "speaks API 97.0 to 99.0, Berth 1.40 to"
            case .noEngine: "the engine's answer is not understood"
            case .nothingThere: "there is no such socket"
            case .unknownContext: "no Docker context \"nowhere\""
            case .sshFails: "Connection refused"
            case .foreignMachine: "runs on pdp11, and the berth-agent here is made for"
            }
        }

        func environment(_ engine: StubEngine) -> [String: String] {
            switch self {
            case .apiTooNew:
                engine.setFaults { $0.version = #"{"Version":"9","ApiVersion":"99.0","MinAPIVersion":"97.0"}"# }
            case .noEngine: engine.setFaults { $0.version = "hello" }
            case .foreignMachine:
                engine.setFaults { $0.version = #"{"Version":"9","ApiVersion":"1.41","Arch":"pdp11"}"# }
            case .nothingThere: return ["DOCKER_HOST": "unix:///tmp/berth-nothing-there.sock"]
            case .unknownContext: return ["DOCKER_HOST": "", "DOCKER_CONTEXT": "nowhere"]
            case .sshFails: return ["DOCKER_HOST": "ssh://nobody@127.0.0.1:1"]
            }
            return ["DOCKER_HOST": engine.endpoint]
        }
    }

    @Test(
        "auto falls back to the embedded runtime with one line, whatever is wrong with Docker, and doctor says the same",
        arguments: Fault.allCases)
    func fallsBack(_ fault: Fault) async throws {
        let socket = "/tmp/berth-stub-\(UUID().uuidString.prefix(8)).sock"
        let engine = try await StubEngine.start(socketPath: socket)
        do {
            let environment = fault.environment(engine)
            try await ServerProcess.with(.native, ["--size", "1"], choice: [], environment: environment) { server in
                let hello = try await server.run(["--wait", "60s", "--", "echo", "hello"])
                #expect(hello.out == "hello\n", "\(hello)")
                let lines = server.program.err.split(separator: "\n").filter {
                    $0.contains("using the embedded runtime, native")
                }
                #expect(lines.count == 1 && lines[0].contains(fault.words.replacing("\"", with: "\\\"")), "\(lines)")
            }
            let doctor = try await berth(["doctor"], environment: environment)
            #expect(doctor.status == 0 && doctor.out.contains(fault.words), "\(doctor)")
            #expect(doctor.out.contains("berth serve can run here, on native"))
        } catch {
            await engine.stop()
            throw error
        }
        await engine.stop()
    }

    @Test("doctor and auto find an engine of the user's own session, where nothing says where one is")
    func sessionSockets() async throws {
        for name in ["docker.sock", "podman/podman.sock"] {
            let session = "/tmp/berth-session-\(UUID().uuidString.prefix(8))"
            try FileManager.default.createDirectory(atPath: "\(session)/podman", withIntermediateDirectories: true)
            defer { try? FileManager.default.removeItem(atPath: session) }
            let engine = try await StubEngine.start(socketPath: "\(session)/\(name)")
            do {
                // Without /run there is no engine of root's, whatever this machine has.
                let program = try Program(
                    try tool("unshare"),
                    [
                        "--mount", "--propagation", "private", try tool("sh"), "-c",
                        "mount -t tmpfs tmpfs /run && exec \"$@\"", "sh", BuildProducts.program("berth"), "doctor",
                    ], environment: ["XDG_RUNTIME_DIR": session, "DOCKER_HOST": "", "DOCKER_CONTEXT": ""])
                #expect(try await program.end() == 0)
                #expect(program.out.contains("no Docker engine at unix:///var/run/docker.sock"), "\(program.out)")
                #expect(program.out.contains("at unix://\(session)/\(name), API 1.41"), "\(program.out)")
                #expect(program.out.contains("berth serve can run here, on Docker"), "\(program.out)")
            } catch {
                await engine.stop()
                throw error
            }
            await engine.stop()
        }
    }

    @Test("the runtime podman takes Podman where its own client finds it, and is called so")
    func podman() async throws {
        let session = "/tmp/berth-session-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(atPath: "\(session)/podman", withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: session) }
        let engine = try await StubEngine.start(socketPath: "\(session)/podman/podman.sock")
        engine.setFaults {
            $0.version = #"{"Version":"4.3.1","ApiVersion":"1.41","Components":[{"Name":"Podman Engine"}]}"#
        }
        do {
            // DOCKER_HOST is Docker's, so it must not matter.
            let environment = ["XDG_RUNTIME_DIR": session, "DOCKER_HOST": "unix:///tmp/berth-nothing-there.sock"]
            let choice = ["--runtime", "podman"]
            try await ServerProcess.with(.docker, ["--size", "0"], choice: choice, environment: environment) { server in
                let stats = try await berth(["stats", "--server", server.address, "--json"])
                #expect(stats.out.contains(#""runtime":"podman""#), "\(stats)")
            }
        } catch {
            await engine.stop()
            throw error
        }
        await engine.stop()
    }

    @Test(
        "where there is no Podman, the runtime podman says where it looked and how to start it, or what is there instead"
    )
    func noPodman() async throws {
        func refusal(_ environment: [String: String]) async throws -> (status: Int32, err: String) {
            let state = "/tmp/berth-state-\(UUID().uuidString.prefix(8))"
            defer { try? FileManager.default.removeItem(atPath: state) }
            let arguments = ["serve", "--runtime", "podman", "--listen", "127.0.0.1:0", "--state-dir", state]
            let result = try await berth(arguments, environment: environment)
            return (result.status, result.err)
        }
        let missing = "unix:///tmp/berth-nothing-there.sock"
        let nothing = try await refusal(["CONTAINER_HOST": missing])
        #expect(
            nothing.status == 1
                && nothing.err.contains(
                    "Podman does not answer at \(missing): start its socket with "
                        + "systemctl --user enable --now podman.socket"),
            "\(nothing)")
        let docker = try Runtime.docker()
        let other = try await refusal(["CONTAINER_HOST": docker])
        #expect(
            other.status == 2 && other.err.contains(" listens at \(docker), not Podman: set runtime to docker"),
            "\(other)")
    }

    /// I44
    @Test("a server says once at start what its reuse costs and means", arguments: ["never", "reset"])
    func reuse(_ reuse: String) async throws {
        try await ServerProcess.with(.runc, ["--size", "0", "--reuse", reuse]) { server in
            // The log is another pipe than the line that says that the server listens.
            try await eventually("the line about reuse") { server.program.err.contains("leases.per_second=") }
            let words = [
                "never": "every lease gets a new container", "reset": "containers are made as new after a lease",
            ]
            for (word, text) in words {
                let count = server.program.err.components(separatedBy: text).count - 1
                #expect(count == (word == reuse ? 1 : 0), "\(word): \(server.program.err)")
            }
        }
    }
}
