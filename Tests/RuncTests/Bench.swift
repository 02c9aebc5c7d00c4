// SPDX-License-Identifier: Apache-2.0

import Glibc
import Logging
import Pool
import Testing
import TestSupport

@testable import Embedded
@testable import Housekeeping
@testable import Native
@testable import Runc

/// A runtime with its own state directory, and a shell in place of the agent, which runs each line that it reads, so
/// that tests see the container as process 1 sees it. If something is missing on this machine, the test fails and names
/// it.
final class Bench: Sendable {
    /// The runtimes without a daemon.
    enum Kind: String, CaseIterable, Sendable, CustomTestStringConvertible {
        case native
        case runc

        var testDescription: String { rawValue }
    }

    let instance: String
    let base: String
    let state: StateDirectory
    let runtime: any EmbeddedRuntime

    init(
        _ name: String, _ kind: Kind = .runc, base: String? = nil, agent: String? = nil, usesOverlays: Bool = true,
        logger: Logger = Logger(label: "test")
    ) throws {
        signal(SIGPIPE, SIG_IGN)
        let instance = kind == .runc ? name : "\(name)-\(kind)"
        self.instance = instance
        let root = base ?? "/tmp/berth-runc-tests-\(instance)-\(getpid())"
        self.base = root
        if base == nil { try Files.makeDirectory(root) }
        state = try StateDirectory(base: root, instance: instance)
        let agent = try agent ?? Self.agent(root)
        switch kind {
        case .runc:
            runtime = try RuncRuntime(
                runcPath: nil, instance: instance, agentPath: agent, stateDirectory: state.path,
                imageDirectory: "\(root)/images", usesOverlays: usesOverlays, logger: logger)
        case .native:
            runtime = try NativeRuntime(
                launcherPath: try BuildProducts.program("berth-launcher"), instance: instance, agentPath: agent,
                stateDirectory: state.path, imageDirectory: "\(root)/images", usesOverlays: usesOverlays,
                logger: logger)
        }
    }

    static func agent(_ root: String) throws -> String {
        let script = """
            #!/bin/sh
            while read -r line; do eval "$line"; done

            """
        try Files.write("\(root)/agent", script.utf8, mode: 0o755)
        return "\(root)/agent"
    }

    /// Removes every member and all files, whatever the test did.
    func finish() async throws {
        for member in try await runtime.members() { try await runtime.remove(member) }
        await runtime.shutdown()
        try Files.removeTree(base)
    }

    func container(_ name: String, _ template: MemberTemplate = .init(image: "host")) async throws -> Container {
        let member = MemberID(name)
        return Container(member, try await runtime.create(member, template))
    }

    func cgroups() -> [String] {
        runtime.cgroups.members().sorted()
    }

    static func with(
        _ instance: String, _ kind: Kind = .runc, agent: String? = nil, usesOverlays: Bool = true,
        logger: Logger = Logger(label: "test"), _ body: (Bench) async throws -> Void
    ) async throws {
        let bench = try Bench(instance, kind, agent: agent, usesOverlays: usesOverlays, logger: logger)
        do {
            try await body(bench)
        } catch {
            try? await bench.finish()
            throw error
        }
        try await bench.finish()
    }
}

/// A container and the descriptors of its stream.
final class Container: Sendable {
    let member: MemberID
    private let input: Int32
    private let output: Int32

    init(_ member: MemberID, _ stream: consuming MemberStream) {
        self.member = member
        (input, output) = stream.take()
    }

    /// Runs a shell command as process 1, and returns its output and standard error. It may take 20 s.
    func run(_ command: String) throws -> String {
        // The loop reads line by line, so the command must be one.
        #expect(!command.contains("\n"))
        let text = Array("( \(command) ) 2>&1; echo '=end='\n".utf8)
        guard write(output, text, text.count) == text.count else { throw Ended() }
        var answer: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            var end = pollfd(fd: input, events: Int16(POLLIN), revents: 0)
            guard poll(&end, 1, 20_000) > 0 else { throw Ended() }
            let count = read(input, &buffer, buffer.count)
            guard count > 0 else { throw Ended() }
            answer += buffer.prefix(count)
            let string = String(decoding: answer, as: UTF8.self)
            if string.hasSuffix("=end=\n") {
                let body = string.dropLast("=end=\n".count)
                return String(body.hasSuffix("\n") ? body.dropLast() : body)
            }
        }
    }

    /// Whether the stream ends within 10 s.
    func ends() -> Bool {
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            var end = pollfd(fd: input, events: Int16(POLLIN), revents: 0)
            guard poll(&end, 1, 10_000) > 0 else { return false }
            if read(input, &buffer, buffer.count) <= 0 { return true }
        }
    }

    deinit {
        close(input)
        close(output)
    }

    struct Ended: Error {}
}

/// Polls until `condition` holds, or fails after `seconds`.
func eventually(within seconds: Int, _ condition: () -> Bool) -> Bool {
    let deadline = ContinuousClock.now + .seconds(seconds)
    while !condition() {
        if ContinuousClock.now > deadline { return false }
        usleep(20_000)
    }
    return true
}
