// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestSupport
import Testing

@Suite("Interpreters that have started before a container is ready, and fork its programs", .serialized)
struct InterpreterTests {
    /// Runs `body` with a server whose one pool has these `interpreters`.
    static func with(
        _ runtime: Runtime, _ interpreters: String, settings: String = "memory: 512m", max: Int = 4,
        _ body: (ServerProcess) async throws -> Void
    ) async throws {
        let path = "/tmp/berth-interpreters-\(UUID().uuidString).yaml"
        defer { try? FileManager.default.removeItem(atPath: path) }
        let text =
            "pools:\n  default:\n    size: 1\n    max: \(max)\n    \(settings)\n    interpreters: \(interpreters)\n"
        try text.write(toFile: path, atomically: true, encoding: .utf8)
        try await ServerProcess.with(runtime, ["--config", path], body)
    }

    /// Runs a Python script that uses the client in clients/python.
    static func script(_ server: ServerProcess, _ arguments: [String]) async throws -> (status: Int32, out: String) {
        let program = try Program(
            "/usr/bin/python3", arguments,
            environment: ["BERTH_SERVER": server.address, "PYTHONPATH": "clients/python/src"])
        let status = try await program.end(within: .seconds(240))
        return (status, program.out + program.err)
    }

    private static let compare = "Tests/Integration/Interpreters/compare.py"

    @Test(
        "130 programs write the same bytes and end in the same way whether Python is executed or forked",
        arguments: Runtime.allCases)
    func table(_ runtime: Runtime) async throws {
        try await Self.with(runtime, "{python: {}}") { server in
            let result = try await Self.script(server, [Self.compare])
            #expect(result.status == 0, "\(result.out)")
            #expect(result.out.hasSuffix(" 0 that should not\n"), "\(result.out)")
            #expect(!result.out.contains("not forked") && !result.out.contains("any more"), "\(result.out)")
        }
    }

    @Test("the same with numpy and pandas imported beforehand, and programs that use them")
    func preloaded() async throws {
        try await Self.with(.runc, "{python: {preload: [numpy, pandas]}}") { server in
            let result = try await Self.script(server, [Self.compare, "numpy", "pandas"])
            #expect(result.status == 0, "\(result.out)")
            #expect(result.out.hasSuffix(" 0 that should not\n"), "\(result.out)")
            #expect(!result.out.contains("not forked") && !result.out.contains("any more"), "\(result.out)")
        }
    }

    @Test("rules of forked programs: random numbers, users, concurrency, limits, contexts, resets and attacks")
    func rules() async throws {
        try await Self.with(
            .runc, "{python: {preload: [numpy], warmup: 'import random; random.seed(1)'}}",
            settings: "reuse: reset", max: 1
        ) { server in
            let result = try await Self.script(server, ["Tests/Integration/Interpreters/rules.py"])
            #expect(result.status == 0, "\(result.out)")
        }
    }

    @Test("a module that can't be imported is an invalid configuration, with the traceback, and no container is made")
    func missing() async throws {
        try await Self.with(.runc, "{python: {preload: [numpy, no_such_module]}}") { server in
            let result = try await server.run(["--wait", "1s", "--", "true"])
            #expect(result.status == 125)
            #expect(result.err.contains("invalid configuration"), "\(result)")
            #expect(
                result.err.contains("interpreters.python: no_such_module can't be imported:")
                    && result.err.contains("ModuleNotFoundError: No module named 'no_such_module'"), "\(result)")
        }
    }

    @Test("warm-up code that fails, threads that stay and a path to nothing are said in the same way")
    func failing() async throws {
        for (setting, words) in [
            ("warmup: '1 / 0'", "its warm-up code failed:"), ("warmup: '1 / 0'", "ZeroDivisionError: division by zero"),
            (
                "warmup: 'import threading, time; threading.Thread(target=time.sleep, args=(99,), daemon=True).start()'",
                "it has 2 threads after what it was to import"
            ),
            ("warmup: 'import sys; sys.kept = open(\"/etc/hostname\")'", "it holds /etc/hostname open"),
            ("path: /usr/bin/no-python", "/usr/bin/no-python"),
            ("warmup: 'import os; os._exit(3)'", "the interpreter ended before it was ready"),
        ] {
            try await Self.with(.runc, "{python: {\(setting)}}") { server in
                let result = try await server.run(["--wait", "1s", "--", "true"])
                #expect(result.status == 125)
                #expect(result.err.contains(words), "\(setting): \(result)")
            }
        }
    }
}
