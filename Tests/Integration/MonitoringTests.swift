// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing
import TestSupport

@Suite("Metrics and health of a running server")
struct MonitoringTests {
    /// The address that the server announces.
    private func address(_ server: ServerProcess) async throws -> String {
        try await eventually("the address is announced") {
            server.program.out.contains("metrics and health on http://")
        }
        let line = try #require(
            server.program.out.split(separator: "\n").first { $0.contains("metrics and health on") })
        return String(try #require(line.split(separator: " ").last))
    }

    private func get(_ url: String) async throws -> String {
        let curl = try Program(tool("curl"), ["-sS", "--max-time", "20", url])
        #expect(try await curl.end() == 0, "\(curl.err)")
        return curl.out
    }

    @Test("promtool finds no fault in the metrics of a server with many pools, and they tell what has happened")
    func promtool() async throws {
        let pools = (0..<20).map { "p\($0): {size: \($0 == 0 ? 2 : 0), max: 2}" }.joined(separator: ", ")
        try await withFile("http: 127.0.0.1:0\npools: {\(pools)}\n") { path in
            try await ServerProcess.with(.runc, ["--config", path]) { server in
                let url = try await address(server)
                for _ in 0..<3 { #expect(try await server.run(["--", "true"]).status == 0) }
                let metrics = try await get(url + "/metrics")
                #expect(metrics.contains(#"berth_pool_leases_total{pool="p0"} 3"#))
                #expect(metrics.contains(#"berth_pool_use_time_seconds_count{pool="p0"} 3"#))
                let lines = metrics.split(separator: "\n").count
                try #require(metrics.utf8.count > 10_000)
                let check = try Program(tool("promtool"), ["check", "metrics"], input: metrics)
                let status = try await check.end()
                #expect(status == 0 && check.out.isEmpty && check.err.isEmpty, "\(status) \(check.out) \(check.err)")
                for _ in 0..<3 { #expect(try await server.run(["--", "true"]).status == 0) }
                #expect(try await get(url + "/metrics").split(separator: "\n").count == lines)
                #expect(try await get(url + "/readyz").hasPrefix("ready\np0: "))
            }
        }
    }
}
