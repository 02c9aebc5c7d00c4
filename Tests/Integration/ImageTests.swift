// SPDX-License-Identifier: Apache-2.0

import Berth
import Foundation
import Testing
import TestSupport

/// F31: the image of a pool over time.
@Suite("A pool's image", .serialized)
struct ImageTests {
    private func withPool(
        _ runtime: Runtime, _ image: String, _ pull: String, _ body: (ServerProcess) async throws -> Void
    ) async throws {
        let path = "/tmp/berth-image-\(UUID().uuidString.prefix(8)).yaml"
        try "pools: {p: {image: '\(image)', pull: \(pull), size: 1}}\n"
            .write(toFile: path, atomically: true, encoding: .utf8)
        defer { try? FileManager.default.removeItem(atPath: path) }
        let choice = runtime == .docker ? try runtime.arguments() : ["--runtime", runtime.rawValue]
        try await ServerProcess.with(runtime, ["--config", path], choice: choice, body)
    }

    /// Removes images of a registry from wherever they are stored.
    private func forget(_ runtime: Runtime, _ registry: LoopbackRegistry, _ images: [String]) async throws {
        switch runtime {
        case .docker:
            _ = try await Program(try tool("docker"), ["-H", try Runtime.docker(), "rmi", "-f"] + images).end()
        case .native, .runc:
            let cache = "/var/cache/berth/images"
            let prefix = registry.address.replacing(":", with: "_3a")
            for name in try FileManager.default.contentsOfDirectory(atPath: cache) where name.hasPrefix(prefix) {
                try FileManager.default.removeItem(atPath: "\(cache)/\(name)")
            }
        }
    }

    private func version(_ server: ServerProcess) async throws -> String {
        let result = try await server.run(["--wait", "60s", "--", "sh", "-c", "echo $VERSION"])
        guard result.status == 0 else { throw NeverHappened(description: "\(result)") }
        return result.out.trimmingCharacters(in: .whitespacesAndNewlines)
    }

    @Test(
        "a tag that moved: always takes the new image at start and at SIGHUP, missing keeps the old one and says so",
        arguments: Runtime.allCases)
    func moved(_ runtime: Runtime) async throws {
        try await LoopbackRegistry.with { registry in
            let image = try registry.push("team/tool:1", version: "one")
            try await withPool(runtime, image, "always") { server in
                #expect(try await version(server) == "one")
                try registry.push("team/tool:1", version: "two")
                server.program.signal(SIGHUP)
                try await eventually("the new image is used", within: .seconds(60)) {
                    try await version(server) == "two"
                }
                #expect(server.program.err.contains("an image's tag means another image now"))
                // The old members are gone for good.
                for _ in 0..<3 { #expect(try await version(server) == "two") }
            }
            try registry.push("team/tool:1", version: "three")
            try await withPool(runtime, image, "missing") { server in
                #expect(try await version(server) == "two")
                let words = "the registry has another image under this tag"
                try await eventually("it is said at start") { server.program.err.contains(words) }
                server.program.signal(SIGHUP)
                try await eventually("and at SIGHUP") {
                    server.program.err.components(separatedBy: words).count > 2
                }
                #expect(try await version(server) == "two")
            }
            try await withPool(runtime, image, "always") { server in
                let seen = try await version(server)
                #expect(seen == "three")
            }
            try await forget(runtime, registry, [image])
        }
    }

    @Test(
        "a tag that moved is taken at SIGHUP by a server that has flags and no configuration file, too",
        arguments: Runtime.allCases)
    func movedWithoutFile(_ runtime: Runtime) async throws {
        try await LoopbackRegistry.with { registry in
            let image = try registry.push("team/flags:1", version: "one")
            let choice = runtime == .docker ? try runtime.arguments() : ["--runtime", runtime.rawValue]
            let flags = ["--image", image, "--pull", "always", "--size", "1"]
            try await ServerProcess.with(runtime, flags, choice: choice) { server in
                #expect(try await version(server) == "one")
                try registry.push("team/flags:1", version: "two")
                server.program.signal(SIGHUP)
                try await eventually("the new image is used", within: .seconds(60)) {
                    try await version(server) == "two"
                }
                #expect(server.program.err.contains("an image's tag means another image now"))
            }
            try await forget(runtime, registry, [image])
        }
    }

    @Test("an image of another architecture is told of at start", arguments: Runtime.allCases)
    func architecture(_ runtime: Runtime) async throws {
        try await LoopbackRegistry.with { registry in
            let image = try registry.push("team/foreign:1", version: "arm", architecture: "arm64")
            try await withPool(runtime, image, "missing") { server in
                #expect(server.program.err.contains("the image is made for another kind of machine"))
                #expect(server.program.err.contains("image.architecture=arm64"))
            }
            try await forget(runtime, registry, [image])
        }
    }

    @Test("pull: never and no image: the server says so and ends with 1", arguments: Runtime.allCases)
    func never(_ runtime: Runtime) async throws {
        let image = "127.0.0.1:1/nobody/has:this"
        let choice = runtime == .docker ? try runtime.arguments() : ["--runtime", runtime.rawValue]
        let result = try await berth(
            ["serve", "--listen", "127.0.0.1:0", "--image", image, "--pull", "never"] + choice)
        #expect(result.status == 1 && result.err.contains("pull: never"), "\(result)")
    }
}
