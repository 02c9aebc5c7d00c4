// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing
import TestSupport

@Suite("What the commands print", .serialized)
struct PrintingTests {
    /// Commands that print to standard output, as lines of a shell with `$lease` and `$id`.
    private static let printing = [
        "run -- echo hi", "run --json -- true", "run --detach --lease $lease -- true", "attach --lease $lease $id",
        "attach --lease $lease --json $id", "cp $lease:/workspace -", "executions --lease $lease",
        "executions --json --lease $lease", "acquire", "stats", "stats --json", "stats --watch", "admin members",
        "admin members --json", "admin resize default --size 1", "config", "doctor", "--version", "run --help",
    ]

    /// Runs a line of a shell with `berth`, `$lease`, and the `$id` of a program that has printed to both streams and
    /// ended.
    private func shell(_ line: String, _ server: ServerProcess) async throws -> (
        status: Int32, out: String, err: String
    ) {
        let start = """
            berth() { '\(try BuildProducts.program("berth"))' "$@"; }
            lease=$(berth acquire) || exit 99
            id=$(berth run --lease $lease --detach -- sh -c 'echo out; echo err >&2') || exit 98
            berth attach --from-start --lease $lease $id >/dev/null 2>&1 || exit 97
            attach() { berth attach --from-start "$@"; }
            """
        let program = try Program(
            try tool("bash"), ["-c", "\(start)\n\(line)\nstatus=$?; berth release $lease; exit $status"],
            environment: ["BERTH_SERVER": server.address])
        let status = try await program.end(within: .seconds(60))
        return (status, program.out, program.err)
    }

    @Test("A3: output that can't be written is told in one line, with code 125, by every command that prints")
    func fullDisk() async throws {
        try await ServerProcess.with(.runc, ["--size", "2", "--max", "8"]) { server in
            for command in Self.printing {
                let line = command.hasPrefix("attach") ? command : "berth \(command)"
                let result = try await shell("\(line) >/dev/full", server)
                #expect(result.status == 125, "\(command): \(result)")
                #expect(
                    result.err == "berth: standard output can't be written: No space left on device\n",
                    "\(command): \(result)")
            }
            let errors = try await shell("berth run -- sh -c 'echo hi >&2' 2>/dev/full", server)
            #expect(errors.status == 125, "\(errors)")
            // A lease that could not be told to anybody is not kept.
            let members = try await berth(
                ["admin", "members", "--json"], environment: ["BERTH_SERVER": server.address])
            #expect(!members.out.contains("\"leased\""), "\(members)")
        }
    }

    @Test("A3: a closed pipe ends every command that prints with 141, as a shell has it, and without a word")
    func closedPipe() async throws {
        try await ServerProcess.with(.runc, ["--size", "2", "--max", "8"]) { server in
            for command in Self.printing {
                let line = command.hasPrefix("attach") ? command : "berth \(command)"
                let result = try await shell("exec 3> >(:); wait $!; \(line) >&3", server)
                #expect(result.status == 141, "\(command): \(result)")
                #expect(result.err.isEmpty, "\(command): \(result)")
            }
            let first = try await shell("berth run -- seq 1000000 | head -1; echo ${PIPESTATUS[0]}", server)
            #expect(first.out == "1\n141\n", "\(first)")
            #expect(first.err.isEmpty, "\(first)")
        }
    }

    @Test("A4: no character is divided between two events of --json, so that text stays text")
    func characters() async throws {
        try await ServerProcess.with(.runc) { server in
            // The first byte puts every even boundary of pieces into the middle of a character.
            let script = "import sys; sys.stdout.write('x' + 'é' * 300000); sys.stderr.buffer.write(b'\\xf0\\x9f')"
            let result = try await server.run(["--json", "--", "python3", "-c", script])
            #expect(result.status == 0)
            var text = ""
            var offset = 0
            var rest: [[String: Any]] = []
            for line in result.out.split(separator: "\n") {
                let event = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any] ?? [:]
                guard event["event"] as? String == "output", event["stream"] as? String == "stdout" else {
                    rest.append(event)
                    continue
                }
                #expect(event["base64"] == nil)
                #expect(event["offset"] as? Int == offset)
                let piece = event["text"] as? String ?? ""
                text += piece
                offset += piece.utf8.count
            }
            #expect(text == "x" + String(repeating: "é", count: 300_000))
            // A beginning whose rest never comes is not lost, and comes before the end.
            #expect(rest.map { $0["event"] as? String } == ["started", "output", "ended"])
            #expect(rest.dropFirst().first?["base64"] as? String == "8J8=")
        }
    }
}
