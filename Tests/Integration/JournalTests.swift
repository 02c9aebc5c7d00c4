// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing
import TestSupport

/// The checks in a virtual machine (Tests/VM) use the journal itself.
@Suite("the log under systemd's journal", .serialized)
struct JournalTests {
    /// The lines that a server writes to standard error from start to end. `stream` is the value of JOURNAL_STREAM, as
    /// a word of a shell.
    private func lines(stream: String, _ arguments: [String] = []) async throws -> [String] {
        let base = "/tmp/berth-journal-\(UUID().uuidString.prefix(8).lowercased())"
        defer { try? FileManager.default.removeItem(atPath: base) }
        let program = try Program(
            "/bin/sh",
            [
                "-c", "JOURNAL_STREAM=\(stream) && export JOURNAL_STREAM && exec \"$0\" \"$@\"",
                try BuildProducts.program("berth"), "serve", "--listen", "127.0.0.1:0", "--state-dir", base,
                "--log-level", "debug",
            ] + (try Runtime.runc.arguments()) + arguments)
        try await eventually("the server listens, or ends") { program.out.contains("\n") || !program.isRunning }
        program.signal(SIGTERM)
        _ = try await program.end()
        return program.err.split(separator: "\n").map(String.init)
    }

    private static let own = "$(stat -L -c %d:%i /proc/self/fd/2)"

    @Test("each line has its level as a prefix, and no time")
    func prefixes() async throws {
        let lines = try await lines(stream: Self.own)
        #expect(lines.contains { $0.hasPrefix("<5>draining") }, "\(lines)")
        #expect(lines.contains { $0.hasPrefix("<6>the members' cgroups") }, "\(lines)")
        for line in lines { #expect(line.wholeMatch(of: /<[2-7]>[^0-9].*/) != nil, "\(line)") }
    }

    @Test("JSON keeps all its fields, behind the prefix")
    func json() async throws {
        let lines = try await lines(stream: Self.own, ["--log-format", "json"])
        let draining = try #require(lines.first { $0.contains("draining") })
        #expect(draining.hasPrefix("<5>{"))
        let object = try JSONSerialization.jsonObject(with: Data(draining.dropFirst(3).utf8)) as? [String: Any]
        #expect(object?["level"] as? String == "notice" && object?["time"] != nil)
    }

    @Test("why a server can't start is an error")
    func failure() async throws {
        let lines = try await lines(stream: Self.own, ["--agent", "/nowhere"])
        #expect(lines.count == 1 && lines[0].hasPrefix("<3>berth: "), "\(lines)")
    }

    @Test("where standard error is another's, a variable that was inherited changes nothing")
    func inherited() async throws {
        for stream in ["8:12345", "$(stat -L -c %d:1%i /proc/self/fd/2)", "''", "8", "8:1:2"] {
            let lines = try await lines(stream: stream)
            #expect(lines.contains { $0.contains(" notice draining") }, "\(lines)")
            for line in lines { #expect(line.wholeMatch(of: /[0-9]{4}-.*Z [a-z]+ .*/) != nil, "\(line)") }
        }
    }
}
