// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing
import TestSupport

/// Item B10.
@Suite("Two servers on one host", .serialized)
struct SharedHostTests {
    @Test(
        "B10: with the same range of user ids, neither gives out the other's; a third for which nothing is left says so"
    )
    func userIDs() async throws {
        let path = "/tmp/berth-shared-\(UUID().uuidString.prefix(8)).yaml"
        try "uids: 150000-150699\nmax: 350\n".write(toFile: path, atomically: true, encoding: .utf8)
        defer { try? FileManager.default.removeItem(atPath: path) }
        try await ServerProcess.with(.runc, ["--config", path]) { first in
            try await ServerProcess.with(.runc, ["--config", path]) { second in
                let ranges = [first, second].map { server in
                    server.program.err.split(separator: "\n").first { $0.contains("user ids of containers") }
                }
                #expect(ranges[0]?.contains("uids=150000-150349") == true, "\(ranges)")
                #expect(ranges[1]?.contains("uids=150350-150699") == true, "\(ranges)")
                for (server, range) in [(first, 150_000...150_349), (second, 150_350...150_699)] {
                    let result = try await server.run(["--", "id", "-u"])
                    let uid = Int(result.out.trimmingCharacters(in: .whitespacesAndNewlines))
                    #expect(uid.map { range.contains($0) } == true, "\(result)")
                }
                let third = try await berth(
                    ["serve", "--listen", "127.0.0.1:0", "--runtime", "runc", "--image", "host", "--config", path])
                #expect(third.status == 2 && third.err.contains("set uids to a range of this server's own"), "\(third)")
            }
        }
        // What ended servers had is free.
        try await ServerProcess.with(.runc, ["--config", path]) { server in
            #expect(server.program.err.contains("uids=150000-150349"))
        }
    }
}
