// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing
import TestSupport

@Suite("berth load, as its users start it, against a real server", .serialized)
struct LoadTests {
    private static let scenarios = ["stats", "acquire", "execute", "cycle", "run", "stream", "mix"]

    private struct Run {
        var status: Int32
        var out: String
        var err: String
        var report: [String: Any]
        var page: String
    }

    /// Runs a load test, and returns both reports.
    private func load(_ server: ServerProcess, _ arguments: [String]) async throws -> Run {
        let folder = "/tmp/berth-load-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let files = ["--json", "\(folder)/report.json", "--html", "\(folder)/report.html"]
        let result = try await berth(["load", "--server", server.address] + files + arguments)
        let report = try JSONSerialization.jsonObject(with: try contents("\(folder)/report.json")) as? [String: Any]
        return Run(
            status: result.status, out: result.out, err: result.err, report: report ?? [:],
            page: String(decoding: try contents("\(folder)/report.html"), as: UTF8.self))
    }

    private func contents(_ path: String) throws -> Data { try Data(contentsOf: URL(fileURLWithPath: path)) }

    @Test("every scenario measures a server on runc without a failure, in a closed and in an open loop")
    func scenarios() async throws {
        try await ServerProcess.with(.runc, ["--reuse", "reset", "--size", "3", "--max", "8"]) { server in
            for scenario in LoadTests.scenarios {
                for arrivals in [["--concurrency", "2"], ["--rate", "20"]] {
                    // 64 MiB each would be more than a debug build does in time.
                    let program = scenario == "stream" ? ["--", "head", "-c", "2000000", "/dev/zero"] : []
                    let run = try await load(
                        server,
                        ["--scenario", scenario, "--connections", "2", "--warmup", "200ms", "-d", "2s"] + arrivals
                            + program)
                    let told = "\(scenario) \(arrivals): \(run.out)\(run.err)"
                    #expect(run.status == 0, "\(told)")
                    #expect(run.report["completed"] as? Int ?? 0 > 0, "\(told)")
                    #expect(run.report["failed"] as? Int == 0, "\(told)")
                    #expect((run.report["failures"] as? [Any])?.isEmpty == true, "\(told)")
                    let pool = run.report["pool"] as? [[String: Any]] ?? []
                    #expect(pool.count > 1 && pool.allSatisfy { $0["target"] as? Int == 3 }, "\(told)")
                    #expect(run.out.contains("p99.99"), "\(told)")
                    #expect(!run.err.contains("\u{1B}"), "\(told)")
                    #expect(run.page.contains("prefers-color-scheme: dark"))
                    for outside in ["http:", "https:", "//", "src=", "url(", "@import", "<script", "<link"] {
                        #expect(!run.page.contains(outside), "\(scenario): the page has \(outside)")
                    }
                }
            }
        }
    }

    @Test("Ctrl-C ends it early, with a report of what there is")
    func interrupt() async throws {
        try await ServerProcess.with(.runc) { server in
            let program = try Program(
                BuildProducts.program("berth"),
                ["load", "--server", server.address, "--scenario", "stats", "-d", "10m", "--warmup", "0s"])
            // The first plain line comes after a second.
            try await eventually("it measures", within: .seconds(30)) { program.err.contains("/s") }
            program.signal(SIGINT)
            #expect(try await program.end(within: .seconds(20)) == 0, "\(program.err)")
            #expect(program.out.contains("ended early"), "\(program.out)")
            #expect(program.out.contains("p50"), "\(program.out)")
        }
    }

    @Test("on a terminal its progress is one line that changes; the report follows it")
    func terminal() async throws {
        try await ServerProcess.with(.runc) { server in
            let command = "\(try BuildProducts.program("berth")) load --server \(server.address) --scenario stats -d 3s"
            let program = try Program(try tool("script"), ["--quiet", "--return", "--command", command, "/dev/null"])
            #expect(try await program.end(within: .seconds(30)) == 0, "\(program.out)")
            let progress = program.out.components(separatedBy: "\r\u{1B}[K")
            #expect(progress.count >= 4, "\(program.out)")
            let measuring = try #require(progress.first { $0.contains("of 3 s") }, "\(program.out)")
            for word in ["/s", "p50", "p99", "failed", "warm"] { #expect(measuring.contains(word), "\(measuring)") }
            #expect(!measuring.contains("\n"))
            #expect(progress.last?.contains("stats") == true)
        }
    }

    @Test("two runs can be compared, and a run in which nothing ended well says so by its exit code")
    func comparison() async throws {
        try await ServerProcess.with(.runc) { server in
            let folder = "/tmp/berth-load-\(UUID().uuidString)"
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            defer { try? FileManager.default.removeItem(atPath: folder) }
            let files = ["\(folder)/a.json", "\(folder)/b.json"]
            for file in files {
                let run = try await berth(
                    ["load", "--server", server.address, "--scenario", "stats", "-d", "1s", "--json", file])
                #expect(run.status == 0, "\(run.err)")
            }
            let comparison = try await berth(["load", "compare"] + files)
            #expect(comparison.status == 0, "\(comparison.err)")
            #expect(comparison.out.contains("noise"), "\(comparison.out)")
            let nothing = try await berth(
                ["load", "--server", server.address, "-d", "500ms", "--warmup", "0s", "--", "sh", "-c", "exit 3"])
            #expect(nothing.status == 1)
            #expect(nothing.out.contains("exit 3"), "\(nothing.out)")
        }
    }

    @Test("--language and --code say what each operation runs; one without the other, or beside a program, is refused")
    func code() async throws {
        try await ServerProcess.with(.runc, ["--reuse", "reset", "--size", "2"]) { server in
            let python = ["--language", "python", "--code", "print(1)"]
            let run = try await load(server, ["--scenario", "run", "-d", "1s", "--warmup", "0s"] + python)
            #expect(run.status == 0 && run.report["failed"] as? Int == 0, "\(run.out)\(run.err)")
            #expect(run.report["bytes"] as? Int ?? 0 >= 2)
            #expect((run.report["plan"] as? [String: Any])?["command"] as? [String] == python)
            for (wrong, told) in [
                (["--code", "print(1)"], "--code needs --language"),
                (["--language", "python"], "--language needs --code"),
                (python + ["--", "true"], "only one can be run: true"),
                (python + ["--scenario", "stats"], "runs no program, but one is given: print(1)"),
            ] {
                let result = try await berth(["load", "--server", server.address] + wrong)
                #expect(result.status == 2 && result.err.contains(told), "\(wrong): \(result)")
            }
        }
    }
}
