// SPDX-License-Identifier: Apache-2.0

import Berth
import BerthSchema
import Foundation
import Testing
import TestSupport

@Suite("A server with TLS, tenants or a unix socket that is upgraded in place", .serialized)
struct TakeoverAccessTests {
    @Test("a connection with TLS ends, and its client goes on with its resumable program on another one")
    func tls() async throws {
        try await Certificates.with { made in
            let flags = [
                "--size", "1", "--tls-certificate", made.certificate("server"), "--tls-key", made.key("server"),
            ]
            try await InstalledPrograms.withServer(.native, flags) { installed, server in
                let address = try ServerAddress(server.address)
                var credentials = BerthClient.Credentials()
                credentials.authorities = made.certificate("ca")
                let first = try await BerthClient.connect(to: address, credentials: credentials)
                defer { first.close() }
                let lease = try await first.acquire(isDetached: true)
                var command = Command(shell: "i=1; while [ $i -le 100 ]; do echo $i; i=$((i+1)); sleep 0.02; done")
                (command.resumable, command.unwatched) = (.seconds(60), .wait)
                let execution = first.execute(command, in: lease)
                var events = execution.makeAsyncIterator()
                var text = ""
                func append(_ event: ExecuteEvent) {
                    if case .output(let piece) = event { text += String(decoding: piece.data, as: UTF8.self) }
                }
                while text.isEmpty { if let event = try await events.next() { append(event) } }
                let pause = try await installed.upgrade(server)
                #expect(pause < 1000)
                do {
                    while let event = try await events.next() { append(event) }
                    Issue.record("the connection did not end: \(text)")
                } catch let error as BerthError {
                    #expect(error.code == .unavailable, "\(error)")
                }
                let second = try await BerthClient.connect(to: address, credentials: credentials)
                defer { second.close() }
                for try await event in try second.resume(execution) { append(event) }
                #expect(text == (1...100).map { "\($0)\n" }.joined())
            }
        }
    }

    @Test("tenants keep their leases and connections, over TCP and a unix socket, and others still can't use them")
    func tenants() async throws {
        let folder = "/tmp/berth-takeover-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        chmod(folder, 0o755)
        func token(_ tenant: String) async throws -> String {
            let made = try await berth(["token", "create", tenant, "--file", "\(folder)/tokens"])
            #expect(made.status == 0, "\(made)")
            return made.out.trimmingCharacters(in: .whitespacesAndNewlines)
        }
        let (acme, other) = (try await token("acme"), try await token("other"))
        try """
        tokens: \(folder)/tokens
        quota_file: \(folder)/quota
        audit: \(folder)/audit.jsonl
        pools: {default: {size: 2}}
        tenants:
          acme: {}
          other: {}
        """.write(toFile: "\(folder)/berth.yaml", atomically: true, encoding: .utf8)
        let arguments = ["--config", "\(folder)/berth.yaml", "--listen", "unix:\(folder)/berth.sock"]
        try await InstalledPrograms.withServer(.runc, arguments) { installed, server in
            func connect(_ address: String, _ token: String) async throws -> BerthClient {
                var credentials = BerthClient.Credentials()
                credentials.token = token
                return try await BerthClient.connect(to: try ServerAddress(address), credentials: credentials)
            }
            let client = try await connect(server.address, acme)
            defer { client.close() }
            let lease = try await client.acquire()
            let program = Task {
                try await client.run(
                    Command(shell: "i=1; while [ $i -le 100 ]; do echo $i; i=$((i+1)); sleep 0.02; done"), in: lease)
            }
            // Root, over the socket, is an operator without a token.
            let root = try await BerthClient.connect(to: try ServerAddress("unix:\(folder)/berth.sock"))
            defer { root.close() }
            _ = try await root.members()
            try await eventually("it runs") { try await root.stats().executions == 1 }
            try await installed.upgrade(server)
            #expect(try await program.value.text == (1...100).map { "\($0)\n" }.joined())
            #expect(try await client.run(Command(["echo", "on"]), in: lease).text == "on\n")
            _ = try await root.members()
            let stranger = try await connect("unix:\(folder)/berth.sock", other)
            defer { stranger.close() }
            await #expect(throws: BerthError.self) { try await stranger.run(Command(["true"]), in: lease) }
            let quota = try await client.quota()
            #expect(quota[0].limits.first { $0.name == "max_leases" }?.used == 1, "\(quota)")
            #expect(quota[0].limits.first { $0.name == "max_executions" }?.used == 0, "\(quota)")
            let audit = try String(contentsOfFile: "\(folder)/audit.jsonl", encoding: .utf8)
            let lines = audit.split(separator: "\n").filter { $0.contains("\"execute\"") && $0.contains("acme") }
            #expect(lines.count >= 2, "\(audit)")
        }
        #expect(!FileManager.default.fileExists(atPath: "\(folder)/berth.sock"), "its socket is removed at the end")
    }

    @Test("metrics are told at the same address")
    func monitoring() async throws {
        try await InstalledPrograms.withServer(.native, ["--size", "1", "--http", "127.0.0.1:0"]) { installed, server in
            let told = server.program.out.split(separator: "\n")
            let line = try #require(told.first { $0.contains("metrics and health on ") })
            let address = try #require(line.split(separator: " ").last)
            try await installed.upgrade(server)
            let curl = try Program(try tool("curl"), ["-sf", "\(address)/livez"])
            #expect(try await curl.end() == 0)
            #expect(curl.out.contains("alive"))
        }
    }
}
