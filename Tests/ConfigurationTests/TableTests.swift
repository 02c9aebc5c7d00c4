// SPDX-License-Identifier: Apache-2.0

import Access
import Configuration
import Console
import Foundation
import Pool
import Testing
import Yams

@Suite("The table of settings")
struct TableTests {
    @Test("what is printed with every setting reads back as the same configuration")
    func roundTrip() throws {
        let texts: [String?] = [
            nil,
            """
            listen: [127.0.0.1:0, "unix:/tmp/a b: #c"]
            socket_mode: 0666
            socket_group: some one
            uid: 9
            uids: 5-800
            docker_host: unix:///x
            agent: "/opt/\\"x\\"\\n: {"
            log_format: json
            memory_budget: 1.5g
            tick: 1500ms
            max_wait: 90m
            max_per_client: 7
            pools:
              a.b-C_1:
                image: reg.example:5000/x/y@sha256:0123
                size: {min: 0, max: 4}
                cpus: 0.25
                memory: 100000000
                tmpfs_paths: [/tmp, /a b]
                reuse: reset
                max_age: 0.25ms
                max_idle: 1h
                max_uses: unlimited
                age_jitter: 0.125
                health_interval: never
              "2":
                size: 0
                env: {A: "", "b c": "x: {y}"}
                cwd: /a b
                uid: 7
                allowed_uids: [33, 34]
                open_files: 1024
                languages: {node: [node, -e, "{code}"], sh: [dash, -c, "set -e; {code}"]}
                interpreters: {python: {path: /opt/python, preload: [a.b, _c1], warmup: "x = {}\\nprint(\\"y\\")"}}
              never:
            """,
        ]
        for text in texts {
            let (configuration, _) = try read(text)
            let printed = configuration.yaml
            let (again, _) = try read(printed)
            #expect(again == configuration)
            #expect(again.yaml == printed)
        }
        let (_, warnings) = try read(ServerConfiguration().yaml)
        #expect(warnings.isEmpty, "defaults are not warned about")
    }

    @Test("so are TLS, tokens and tenants, also as maps")
    func accessRoundTrip() throws {
        let text = """
            pools: {a.b-C_1: {}, "2": {}}
            tls: {certificate: /a/b.pem, key: "c d", client_ca: e}
            tokens: /etc/berth/tokens
            audit: /x
            audit_size: 1m
            audit_arguments: whole
            hello_timeout: 3s
            tenants:
              "1":
                role: operator
                pools: [a.b-C_1, "2"]
                max_leases: 3
                cpu_seconds_per_day: 7
                output_per_day: 1.5g
                max_timeout: 90s
                users: [5, 6]
                certificates: ["a b", "c: d"]
              x:
            """
        let (configuration, warnings) = try read(text)
        #expect(warnings.isEmpty)
        #expect(configuration.tenants.map(\.name) == ["1", "x"] && configuration.tlsKey == "c d")
        let (again, _) = try read(configuration.yaml)
        #expect(again == configuration)
    }

    @Test("every stored property of the configuration is reached by a setting")
    func complete() {
        func names(_ value: Any, besides others: Set<String> = []) -> Int {
            Mirror(reflecting: value).children.filter { !others.contains($0.label ?? "") }.count
        }
        let configuration = ServerConfiguration()
        let server =
            names(configuration, besides: ["fleet", "pools", "tenants"])
            + names(configuration.fleet, besides: ["pools", "max", "memoryBudgetBytes", "uids"])
        #expect(SettingsTable.server.count == server)
        let pool = PoolConfiguration()
        #expect(
            SettingsTable.pool.count
                == names(pool, besides: ["name", "template"])
                + names(pool.template, besides: ["image", "imageIdentity", "uid", "allowedUIDs", "interpreters"])
                + names(ProgramSettings()) + 1)
        #expect(SettingsTable.tenant.count == names(TenantPolicy(), besides: ["name"]))
        for settings in [SettingsTable.server, SettingsTable.pool, SettingsTable.tenant] {
            #expect(Set(settings.map(\.key)).count == settings.count)
            #expect(settings.allSatisfy { !$0.meaning.hasSuffix(".") && !$0.allowed.isEmpty })
        }
    }

    @Test("docs/configuration.md holds the table as it is, and its example is right")
    func documented() throws {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let text = try String(contentsOf: root.appendingPathComponent("docs/configuration.md"), encoding: .utf8)
        #expect(text.hasSuffix(SettingsTable.reference), "it should end with:\n\(SettingsTable.reference)")
        let parts = text.components(separatedBy: "```yaml\n")
        #expect(parts.count > 1)
        for part in parts.dropFirst() {
            let (_, warnings) = try read(part.components(separatedBy: "```")[0])
            #expect(warnings.isEmpty)
        }
    }

    @Test("a reload takes the pools and what they share; the rest waits for a restart, and is named")
    func reload() throws {
        let (old, _) = try read("listen: 127.0.0.1:1\nuid: 5\npools: {a: {size: 1}}")
        let (new, _) = try read("listen: 127.0.0.1:2\nuid: 6\ntick: 1s\nmax: 9\npools: {a: {size: 2}, b: {}}")
        #expect(new.changesThatNeedRestart(from: old).map(\.key) == ["listen", "uid"])
        let result = old.reloaded(new)
        #expect(result.listen == ["127.0.0.1:1"])
        #expect(result.uid == 5)
        #expect(result.max == 9)
        #expect(result.fleet.tick == .seconds(1))
        #expect(result.pools == new.pools)
        #expect(result.changesThatNeedRestart(from: old).isEmpty)
    }
}

@Suite("How durations and sizes are written")
struct NotationTests {
    @Test("durations")
    func durations() {
        let cases: [(String, Duration)] = [
            ("250ms", .milliseconds(250)), ("5s", .seconds(5)), ("1.5m", .seconds(90)), ("2h", .seconds(7200)),
            ("3", .seconds(3)), ("0", .zero),
        ]
        for (text, duration) in cases { #expect(Notation.duration(text) == duration, "\(text)") }
        for text in ["", "x", "-1s", "5 s", "1d", "nan", "inf", "1e30h", "ms"] {
            #expect(Notation.duration(text) == nil, "\(text)")
        }
        for (text, duration) in [("250ms", Duration.milliseconds(250)), ("90s", .seconds(90)), ("2h", .seconds(7200))] {
            #expect(Notation.text(duration) == text)
        }
    }

    @Test("sizes")
    func sizes() {
        let cases: [(String, Int64)] = [
            ("128m", 128 << 20), ("1.5g", 3 << 29), ("65536", 65536), ("4KiB", 4096), ("10b", 10),
        ]
        for (text, bytes) in cases { #expect(Notation.bytes(text) == bytes, "\(text)") }
        for text in ["", "x", "0", "-1m", "1t", "0.1", "nan", "9e99g"] {
            #expect(Notation.bytes(text) == nil, "\(text)")
        }
        for (text, bytes) in [("128m", Int64(128 << 20)), ("1536m", 3 << 29), ("1g", 1 << 30), ("1001", 1001)] {
            #expect(Notation.text(bytes: bytes) == text)
        }
    }
}
