// SPDX-License-Identifier: Apache-2.0

import Docker
import DockerConfig
import FoundationEssentials
import Glibc
import Logging
import NIOCore
import Pool
import TestSupport

/// A runtime with its own state directory. Everything is removed at the end, whatever the test did.
final class Bench: Sendable {
    let base: String
    let runtime: DockerRuntime
    let instance: String

    private init(
        _ endpoint: String, instance: String, base: String, agent: String, config: DockerConfigFile, logger: Logger
    ) throws {
        signal(SIGPIPE, SIG_IGN)
        self.base = base
        self.instance = instance
        runtime = try DockerRuntime(
            endpoint: try DockerEndpoint(endpoint), instance: instance, agentPath: agent,
            stateDirectory: "\(base)/state", config: config, logger: logger)
    }

    /// Runs a test with the dockerd that dev/with-docker starts.
    static func withDocker(
        _ instance: String, agent: String? = nil, config: DockerConfigFile = .none,
        _ body: (Bench) async throws -> Void
    ) async throws {
        try await with(try dockerEndpoint(), instance, agent: agent, config: config, body)
    }

    /// Runs a test with a stub engine, on which real agents run as processes.
    static func withStub(
        _ instance: String, logger: Logger = Logger(label: "test"), _ body: (Bench, StubEngine) async throws -> Void
    ) async throws {
        let path = "/tmp/berth-stub-\(instance)-\(getpid()).sock"
        let agent = try BuildProducts.program("berth-agent")
        let engine = try await StubEngine.start(socketPath: path, agent: agent)
        do {
            try await with(engine.endpoint, instance, agent: agent, logger: logger) { try await body($0, engine) }
        } catch {
            await engine.stop()
            throw error
        }
        await engine.stop()
    }

    static func with(
        _ endpoint: String, _ instance: String, agent: String? = nil, config: DockerConfigFile = .none,
        logger: Logger = Logger(label: "test"),
        _ body: (Bench) async throws -> Void
    ) async throws {
        let base = "/tmp/berth-docker-tests-\(instance)-\(getpid())"
        try FileManager.default.createDirectory(atPath: base, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: base) }
        let bench = try Bench(
            endpoint, instance: instance, base: base, agent: try agent ?? standIn(base), config: config, logger: logger)
        do {
            try await body(bench)
        } catch {
            await bench.finish()
            throw error
        }
        await bench.finish()
    }

    private func finish() async {
        for member in (try? await runtime.members()) ?? [] { try? await runtime.remove(member) }
        await runtime.shutdown()
    }

    static func variable(_ name: String) throws -> String {
        guard let value = getenv(name).map({ String(cString: $0) }), !value.isEmpty else {
            throw MissingPart("\(name): run the tests with dev/with-docker swift test")
        }
        return value
    }

    static func dockerEndpoint() throws -> String { try variable("BERTH_TEST_DOCKER") }

    /// Docker's answer to a request of the program curl, as a second opinion.
    static func ask(_ arguments: String...) throws -> String {
        let path = try dockerEndpoint().dropFirst("unix://".count)
        return try run(["/usr/bin/env", "python3", "-c", question, String(path)] + arguments)
    }

    private static let question = """
        import http.client, socket, sys
        connection = http.client.HTTPConnection("localhost")
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(sys.argv[1])
        connection.request(sys.argv[2], sys.argv[3])
        print(connection.getresponse().read().decode())
        """

    static func run(_ arguments: [String]) throws -> String {
        let words = arguments.map { "'\($0.replacing("'", with: "'\\''"))'" }.joined(separator: " ")
        guard let pipe = popen(words, "r") else { throw MissingPart(arguments[0]) }
        defer { pclose(pipe) }
        var output: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = fread(&chunk, 1, chunk.count, pipe)
            if count == 0 { return String(decoding: output, as: UTF8.self) }
            output += chunk.prefix(count)
        }
    }

    /// A shell in place of the agent, which runs each line that it reads, so that tests see what process 1 sees.
    private static func standIn(_ base: String) throws -> String {
        let script = """
            #!/usr/bin/python3
            import os, socket, sys
            end = socket.socket(socket.AF_UNIX)
            end.connect(sys.argv[2])
            for descriptor in 0, 1, 2:
                os.dup2(end.fileno(), descriptor)
            os.execv("/bin/sh", ["sh"])

            """
        let path = "\(base)/agent"
        try Data(script.utf8).write(to: URL(filePath: path))
        chmod(path, 0o755)
        return path
    }
}

/// The stream to a member, with a stand-in or an agent behind it.
final class Line: Sendable {
    private let descriptor: Int32

    init(_ stream: consuming MemberStream) { descriptor = stream.take().input }
    deinit { close(descriptor) }

    /// Runs a shell command inside and returns what it prints.
    func ask(_ command: String) throws -> String {
        let mark = "--done--"
        send(Array("\(command)\necho \(mark)\n".utf8))
        var text = ""
        while !text.contains(mark) { text += String(decoding: try receive(), as: UTF8.self) }
        return text.replacing("\(mark)\n", with: "")
    }

    func send(_ bytes: [UInt8]) { _ = write(descriptor, bytes, bytes.count) }

    /// The next bytes; empty at the end.
    func receive() throws -> [UInt8] {
        var end = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard poll(&end, 1, 20_000) > 0 else { throw NeverHappened(description: "nothing came in 20 s") }
        var buffer = [UInt8](repeating: 0, count: 65536)
        let count = read(descriptor, &buffer, buffer.count)
        guard count > 0 else { throw NeverHappened(description: "the stream ended") }
        return Array(buffer.prefix(count))
    }
}

extension StubEngine {
    /// Number of calls that create something.
    var creates: Int { count(.create) }
}

/// Returns the error of `body`, which must fail.
func failure(_ body: () async throws -> Void) async throws -> RuntimeError {
    do {
        try await body()
    } catch let error as RuntimeError {
        return error
    }
    throw NeverHappened(description: "an error")
}
