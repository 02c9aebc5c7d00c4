// SPDX-License-Identifier: Apache-2.0

import Foundation
import Synchronization
import Testing
import TestSupport

/// A program of the host, which runs until it ends or is told to end.
final class Program: Sendable {
    private struct State {
        var out = Data()
        var err = Data()
        var arrivals: [ContinuousClock.Instant] = []
    }

    private let process: ChildProcess
    private let name: String
    private let state = Mutex(State())
    private let readers = DispatchGroup()

    /// - Parameter environment: variables to add to the environment of this process.
    init(_ path: String, _ arguments: [String], environment: [String: String] = [:], input: String? = nil) throws {
        name = "\(path) \(arguments)"
        let (out, err, stdin) = (Pipe(), Pipe(), Pipe())
        process = try ChildProcess(
            path, arguments, environment: environment, input: stdin.fileHandleForReading.fileDescriptor,
            output: out.fileHandleForWriting.fileDescriptor, errors: err.fileHandleForWriting.fileDescriptor)
        for pipe in [out, err] { try pipe.fileHandleForWriting.close() }
        read(out.fileHandleForReading) { state, data in
            state.out += data
            state.arrivals.append(.now)
        }
        read(err.fileHandleForReading) { $0.err += $1 }
        if let input { stdin.fileHandleForWriting.write(Data(input.utf8)) }
        try stdin.fileHandleForWriting.close()
    }

    private func read(_ handle: FileHandle, _ append: @escaping @Sendable (inout State, Data) -> Void) {
        let descriptor = handle.fileDescriptor
        readers.enter()
        Thread.detachNewThread { [self] in
            var chunk = [UInt8](repeating: 0, count: 1 << 16)
            while true {
                let count = Glibc.read(descriptor, &chunk, chunk.count)
                if count <= 0 { break }
                state.withLock { append(&$0, Data(chunk[..<count])) }
            }
            withExtendedLifetime(handle) {}
            readers.leave()
        }
    }

    var pid: Int32 { process.pid }
    var out: String { state.withLock { String(decoding: $0.out, as: UTF8.self) } }
    var err: String { state.withLock { String(decoding: $0.err, as: UTF8.self) } }
    /// When each piece of its output arrived.
    var arrivals: [ContinuousClock.Instant] { state.withLock { $0.arrivals } }
    var isRunning: Bool { process.status == nil }

    func signal(_ number: Int32) { process.signal(number) }

    /// Waits for its exit status, which is 128+n for signal n. It is killed if it takes longer than `limit`.
    func end(within limit: Duration = .seconds(60)) async throws -> Int32 {
        do {
            try await eventually("\(name) ends", within: limit) { !self.isRunning }
        } catch {
            signal(SIGKILL)
            throw NeverHappened(description: "\(error); out: \(out); err: \(err)")
        }
        await withCheckedContinuation { continuation in
            readers.notify(queue: .global()) { continuation.resume() }
        }
        return process.wait()
    }
}

/// A `berth serve` of the build under test.
final class ServerProcess: Sendable {
    let program: Program
    let address: String
    let instance: String
    let stateDirectory: String
    let endpoint: String?
    let runtime: Runtime

    private init(
        _ runtime: Runtime, program: Program, address: String, instance: String, stateDirectory: String,
        endpoint: String?
    ) {
        self.runtime = runtime
        self.program = program
        self.address = address
        self.instance = instance
        self.stateDirectory = stateDirectory
        self.endpoint = endpoint
    }

    /// - Parameters:
    ///   - engine: the engine that has its containers; nil: with Docker, the dockerd of this test run.
    ///   - choice: replaces the flags that choose the runtime.
    ///   - under: a command and its arguments that exec `berth`.
    ///   - berth: the path of another `berth` than that of the build.
    static func start(
        _ on: Runtime, _ arguments: [String] = [], engine: String? = nil, choice: [String]? = nil,
        environment: [String: String] = [:], under: [String] = [], berth: String? = nil
    ) async throws -> ServerProcess {
        let instance = "it-\(UUID().uuidString.prefix(8).lowercased())"
        let base = "/tmp/berth-\(instance)"
        let command = under + [try berth ?? BuildProducts.program("berth")]
        let program = try Program(
            command[0],
            command.dropFirst() + [
                "serve", "--listen", "127.0.0.1:0", "--instance", instance, "--state-dir", base, "--log-level", "debug",
            ]
                + (try choice ?? on.arguments()) + arguments, environment: environment)
        let greeting = "berth: listening on "
        do {
            try await eventually("the server listens") {
                if !program.isRunning { throw NeverHappened(description: "the server ended: \(program.err)") }
                return program.out.contains("\n")
            }
        } catch {
            program.signal(SIGKILL)
            throw error
        }
        let line = program.out.split(separator: "\n")[0]
        guard line.hasPrefix(greeting) else { throw NeverHappened(description: "it said: \(line)") }
        return ServerProcess(
            on, program: program, address: String(line.dropFirst(greeting.count)), instance: instance,
            stateDirectory: base, endpoint: try engine ?? on.endpoint())
    }

    /// Runs `body` with a server, ends the server, and checks that nothing of it is left.
    static func with(
        _ on: Runtime, _ arguments: [String] = [], engine: String? = nil, choice: [String]? = nil,
        environment: [String: String] = [:], under: [String] = [], berth: String? = nil,
        _ body: (ServerProcess) async throws -> Void
    ) async throws {
        let server = try await start(
            on, arguments, engine: engine, choice: choice, environment: environment, under: under, berth: berth)
        do {
            try await body(server)
        } catch {
            server.program.signal(SIGTERM)
            _ = try? await server.program.end(within: .seconds(30))
            throw NeverHappened(description: "\(error); the server's log:\n\(server.program.err)")
        }
        server.program.signal(SIGTERM)
        let status = try await server.program.end(within: .seconds(30))
        guard status == 0 else { throw NeverHappened(description: "exit \(status):\n\(server.program.err)") }
        try await server.nothingIsLeft()
    }

    /// Runs `berth run` with this server, and waits for its end.
    func run(_ arguments: [String], input: String? = nil) async throws -> (status: Int32, out: String, err: String) {
        try await berth(["run"] + arguments, environment: ["BERTH_SERVER": address], input: input)
    }

    /// Checks that containers, cgroups, mounts and processes of this server are gone within `limit`.
    func nothingIsLeft(within limit: Duration = .seconds(10)) async throws {
        var left: [String] = []
        do {
            try await eventually("nothing of \(instance) is left", within: limit) {
                left = try await leftovers()
                return left.isEmpty
            }
        } catch is NeverHappened {
            throw NeverHappened(description: "left of \(instance) after \(limit): \(left)")
        }
        try? FileManager.default.removeItem(atPath: stateDirectory)
    }

    private func leftovers() async throws -> [String] {
        var found: [String] = []
        if let endpoint {
            let docker = try Program(
                try tool("docker"), ["-H", endpoint, "ps", "-aq", "--filter", "label=dev.berth.instance=\(instance)"],
                // The certificates of `dev/with-docker --away tls` are for TCP alone.
                environment: endpoint.hasPrefix("unix:") ? ["DOCKER_TLS_VERIFY": ""] : [:])
            _ = try await docker.end()
            found += docker.out.split(separator: "\n").map { "container \($0)" }
        }
        let mounts = try kernelFile("/proc/self/mountinfo")
        found += mounts.split(separator: "\n").filter { $0.contains(instance) }.map { "mount \($0)" }
        for root in ["/sys/fs/cgroup"] {
            let entries = FileManager.default.enumerator(atPath: root)
            while let path = entries?.nextObject() as? String {
                if path.contains(instance) { found.append("cgroup \(path)") }
            }
        }
        for pid in try FileManager.default.contentsOfDirectory(atPath: "/proc") where Int32(pid) != nil {
            let command = (try? Data(contentsOf: URL(fileURLWithPath: "/proc/\(pid)/cmdline"))) ?? Data()
            let text = String(decoding: command, as: UTF8.self).replacingOccurrences(of: "\0", with: " ")
            if text.contains(instance) { found.append("process \(pid) \(text)") }
        }
        // Of the instance there is no directory any more, which would stay for ever.
        let entries = try? FileManager.default.contentsOfDirectory(atPath: "\(stateDirectory)/\(instance)")
        return found + (entries.map { ["directory of the instance, with \($0)"] } ?? [])
    }
}

/// The runtime of a server under test.
enum Runtime: String, CaseIterable, Sendable, CustomTestStringConvertible {
    case native
    case runc
    case docker

    /// All of them, or those that BERTH_TEST_RUNTIMES names, while one is being worked on.
    static let allCases: [Runtime] = {
        let all: [Runtime] = [.native, .runc, .docker]
        guard let names = ProcessInfo.processInfo.environment["BERTH_TEST_RUNTIMES"] else { return all }
        return all.filter { names.split(separator: " ").contains($0.rawValue[...]) }
    }()

    var testDescription: String { rawValue }

    func arguments() throws -> [String] {
        switch self {
        case .native, .runc: ["--runtime", rawValue, "--image", "host"]
        case .docker: ["--runtime", "docker", "--docker-host", try Self.docker()]
        }
    }

    func endpoint() throws -> String? {
        self == .docker ? try Self.docker() : nil
    }

    /// The address of the dockerd of this test run.
    static func docker() throws -> String {
        guard let url = ProcessInfo.processInfo.environment["BERTH_TEST_DOCKER"] else {
            throw MissingPart("BERTH_TEST_DOCKER: run the tests with: dev/with-docker swift test")
        }
        return url
    }
}

/// Runs `berth`, and waits for its end.
func berth(
    _ arguments: [String], environment: [String: String] = [:], input: String? = nil
) async throws -> (status: Int32, out: String, err: String) {
    let program = try Program(BuildProducts.program("berth"), arguments, environment: environment, input: input)
    let status = try await program.end()
    return (status, program.out, program.err)
}

extension ServerProcess {
    /// Runs a shell script with `berth` and this server, in a temporary directory.
    func shell(_ script: String) async throws -> (status: Int32, out: String, err: String) {
        let folder = "/tmp/berth-shell-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let start = "berth() { '\(try BuildProducts.program("berth"))' \"$@\"; }; cd \(folder)"
        let program = try Program(
            try tool("bash"), ["-ec", "\(start)\n\(script)"], environment: ["BERTH_SERVER": address])
        let status = try await program.end()
        return (status, program.out, program.err)
    }
}

/// Runs `body` with the path of a temporary file that has this text.
func withFile(_ text: String, _ body: (String) async throws -> Void) async throws {
    let path = "/tmp/berth-\(UUID().uuidString).yaml"
    try text.write(toFile: path, atomically: true, encoding: .utf8)
    defer { try? FileManager.default.removeItem(atPath: path) }
    try await body(path)
}

/// A whole file of the kernel's, in /proc or /sys. `String(contentsOfFile:)` ends at the first short read, here after 4 KB.
func kernelFile(_ path: String) throws -> String {
    let file = try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
    return String(decoding: try file.readToEnd() ?? Data(), as: UTF8.self)
}

/// The path of a tool that the tests need.
func tool(_ name: String) throws -> String {
    for folder in ["/usr/bin", "/usr/sbin", "/bin", "/sbin", "/usr/local/bin", "/usr/local/sbin"] {
        let path = "\(folder)/\(name)"
        if FileManager.default.isExecutableFile(atPath: path) { return path }
    }
    throw MissingPart("\(name): run dev/bootstrap --test")
}
