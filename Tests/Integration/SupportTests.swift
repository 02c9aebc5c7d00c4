// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import Testing
import TestSupport

/// What an operator gives away, and what it is told before that: `berth support-bundle` and `berth doctor --config`.
@Suite("Support bundle and doctor", .serialized)
struct SupportTests {
    private func withFolder(_ body: (String) async throws -> Void) async throws {
        let folder = "/tmp/berth-support-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try await body(folder)
    }

    private func write(_ text: String, _ path: String, mode: mode_t = 0o600) throws {
        try text.write(toFile: path, atomically: true, encoding: .utf8)
        chmod(path, mode)
    }

    private func makeToken(_ tenant: String, _ file: String, _ more: [String] = []) async throws -> String {
        let made = try await berth(["token", "create", tenant, "--file", file] + more)
        #expect(made.status == 0, "\(made)")
        return made.out.trimmingCharacters(in: .whitespacesAndNewlines)
    }

    private func unpack(_ path: String, _ folder: String) throws -> [String: String] {
        try FileManager.default.createDirectory(atPath: "\(folder)/unpacked", withIntermediateDirectories: true)
        #expect(
            try ChildProcess("/bin/tar", ["-xf", path, "-C", "\(folder)/unpacked", "--strip-components=1"]).wait() == 0)
        var found: [String: String] = [:]
        for name in try FileManager.default.contentsOfDirectory(atPath: "\(folder)/unpacked") {
            found[name] = try String(contentsOfFile: "\(folder)/unpacked/\(name)", encoding: .utf8)
        }
        return found
    }

    /// The bytes of a file have none of these, and only its owner can read it.
    private func expectNone(of secrets: [String], in path: String) throws {
        let all = try Data(contentsOf: URL(fileURLWithPath: path))
        for secret in secrets { #expect(all.range(of: Data(secret.utf8)) == nil, "\(secret)") }
        var info = stat()
        #expect(stat(path, &info) == 0 && info.st_mode & 0o777 == 0o600)
    }

    /// A configuration with secrets.
    private func configuration(_ made: Certificates, _ folder: String, variable: String, code: String) -> String {
        """
        tls: {certificate: \(made.certificate("server")), key: \(made.key("server"))}
        tokens: \(folder)/tokens
        quota_file: \(folder)/quota
        audit: \(folder)/audit
        tenants: {boss: {role: operator}}
        pools:
          default:
            size: 1
            env: {API_KEY: \(variable), MORE: "line one of it\\nand line two", N: "7"}
            interpreters: {python: {warmup: "\(code)"}}
        """
    }

    @Test(
        "a support bundle has log, configuration, doctor, figures and versions, and no token, key or variable's value")
    func bundle() async throws {
        try await Certificates.with { made in
            try await withFolder { folder in
                let (tokens, path) = ("\(folder)/tokens", "\(folder)/berth.yaml")
                let token = try await makeToken("boss", tokens)
                let (variable, second, code) = (
                    "value-of-a-variable", "line one of it\nand line two", "warm_secret = 4711"
                )
                try write(configuration(made, folder, variable: variable, code: code), path)
                try await ServerProcess.with(.runc, ["--config", path]) { server in
                    // As if something had logged what it should not.
                    let key = try String(contentsOfFile: made.key("server"), encoding: .utf8)
                    try write(
                        server.program.err + "a call with Bearer \(token) and \(variable)\n" + key
                            + "env: {\"MORE\":\"line one of it\\nand line two\"} and line two\nthe last line\n",
                        "\(folder)/log")
                    let bundle = try await berth(
                        [
                            "support-bundle", "--config", path, "--log", "\(folder)/log", "--output",
                            "\(folder)/bundle.tar", "--server", server.address,
                        ],
                        environment: ["BERTH_TOKEN": token, "BERTH_TLS_CA": made.certificate("ca")])
                    #expect(bundle.status == 0 && bundle.out == "\(folder)/bundle.tar\n", "\(bundle)")
                    let parts = try unpack("\(folder)/bundle.tar", folder)
                    #expect(
                        Set(parts.keys) == [
                            "README.txt", "configuration.yaml", "versions.txt", "doctor.txt", "stats.json",
                            "members.json",
                            "log.txt",
                        ])
                    #expect(parts["configuration.yaml"]?.contains("API_KEY: removed") == true)
                    #expect(parts["configuration.yaml"]?.contains("drain_time: 10s") == true)
                    #expect(
                        parts["versions.txt"]?.contains("runc: runc version") == true, "\(parts["versions.txt"] as Any)"
                    )
                    #expect(
                        parts["doctor.txt"]?.contains("tenant boss: 1 token") == true, "\(parts["doctor.txt"] as Any)")
                    #expect(parts["stats.json"]?.contains("\"pools\"") == true, "\(parts["stats.json"] as Any)")
                    #expect(parts["members.json"]?.contains("\"default\"") == true, "\(parts["members.json"] as Any)")
                    #expect(parts["log.txt"]?.contains("a call with Bearer [removed] and [removed]\n") == true)
                    #expect(parts["log.txt"]?.hasSuffix("the last line\n") == true)
                    #expect(parts["log.txt"]?.hasPrefix(server.program.err.prefix { $0 != "\n" }) == true)
                    let hashes = try String(contentsOfFile: tokens, encoding: .utf8)
                    let keyLine = try #require(key.split(separator: "\n").dropFirst().first).description
                    let hash = try #require(hashes.range(of: "sha256:[0-9a-f]{64}", options: .regularExpression))
                    try expectNone(
                        of: [token, variable, keyLine, code, String(hashes[hash])]
                            + second.split(separator: "\n").map(String.init), in: "\(folder)/bundle.tar")
                    let again = try await berth(["support-bundle", "--output", "\(folder)/bundle.tar"])
                    #expect(again.status == 2 && again.err.contains("File exists"), "\(again)")
                }
            }
        }
    }

    @Test("a support bundle without a server, a journal or a right configuration says so in its parts")
    func bundleOfNothing() async throws {
        try await withFolder { folder in
            try write("pools: {default: {env: {A: hidden-value}, size: many}}\n", "\(folder)/berth.yaml")
            let bundle = try await berth([
                "support-bundle", "--config", "\(folder)/berth.yaml", "--log", "\(folder)/nowhere", "--output",
                "\(folder)/bundle.tar", "--server", "unix:\(folder)/nobody",
            ])
            #expect(bundle.status == 0, "\(bundle)")
            let parts = try unpack("\(folder)/bundle.tar", folder)
            #expect(
                parts["configuration.yaml"]?.contains("has 1 mistakes") == true, "\(parts["configuration.yaml"] as Any)"
            )
            #expect(parts["doctor.txt"]?.contains("size") == true)
            #expect(parts["log.txt"] == "\(folder)/nowhere: No such file or directory\n")
            #expect(parts["stats.json"]?.contains("berth: ") == true, "\(parts["stats.json"] as Any)")
            #expect(!parts.values.contains { $0.contains("hidden-value") })
        }
    }

    /// What doctor says of the configuration below.
    private func expectedLines(_ made: Certificates, _ tokens: String) -> [String] {
        [
            "  lacks    \(made.certificate("server")): localhost, expires in ",
            "  ok       tls://127.0.0.1:0: the certificate is for 127.0.0.1",
            "  ok       tls://0.0.0.0:0: clients connect to localhost, 127.0.0.1",
            "  ok       authority of clients' certificates: Berth test authority, expires in ",
            "  ok       the token file \(tokens) is its owner's alone",
            "is of \"gone\", which is no tenant",
            "  ok       tenant acme: 1 token\n", "  ok       tenant local: 1 user id\n",
            "  lacks    tenant empty: nothing shows that a caller is it\n"
                + "           fix it with: berth token create empty --file \(tokens)",
        ]
    }

    @Test(
        "doctor finds certificates that expire, do not fit or are for another host, tokens that show nobody, and a taken http address"
    )
    func doctor() async throws {
        try await Certificates.with { made in
            try await withFolder { folder in
                let (tokens, path) = ("\(folder)/tokens", "\(folder)/berth.yaml")
                _ = try await makeToken("acme", tokens)
                _ = try await makeToken("gone", tokens)
                func check(_ tls: String, _ more: String = "") async throws -> (status: Int32, out: String) {
                    try write(
                        """
                        listen: ["tls://127.0.0.1:0", "tls://0.0.0.0:0"]
                        tls: {\(tls)}
                        tokens: \(tokens)
                        tenants: {acme: {}, empty: {}, local: {users: [0]}}
                        \(more)
                        """, path)
                    let said = try await berth(["doctor", "--config", path])
                    return (said.status, said.out)
                }
                func pair(_ name: String, key: String? = nil) -> String {
                    "certificate: \(made.certificate(name)), key: \(made.key(key ?? name)), client_ca: \(made.certificate("ca"))"
                }
                let right = try await check(pair("server"), "http: 127.0.0.1:0")
                #expect(right.status == 0, "\(right)")
                for line in expectedLines(made, tokens) {
                    #expect(right.out.contains(line), "\(line) is not in:\n\(right.out)")
                }
                let expired = try await check(pair("expired"))
                #expect(expired.status == 1 && expired.out.contains("late, expired on "), "\(expired)")
                let mixed = try await check(pair("server", key: "alice"))
                #expect(mixed.status == 1 && mixed.out.contains("they do not belong together"), "\(mixed)")
                let elsewhere = try await check(pair("elsewhere"))
                #expect(
                    elsewhere.out.contains(
                        "clients that connect to 127.0.0.1 refuse the certificate, which is for elsewhere.example"),
                    "\(elsewhere)")
                chmod(made.key("server"), 0o644)
                chmod(tokens, 0o666)
                let open = try await check(pair("server"))
                #expect(
                    open.out.contains("can be read by others than its owner\n           fix it with: chmod 600"),
                    "\(open)")
                #expect(open.out.contains("can be changed by others than its owner"), "\(open)")
                let pools = try await check(pair("server"), "pools: {default: {size: 1}}\ndocker_host: nonsense")
                #expect(pools.status == 1 && pools.out.contains("docker_host"), "\(pools)")
                let taken = try RawListener()
                defer { taken.close() }
                let http = try await check(pair("server"), "http: 127.0.0.1:\(taken.port)")
                #expect(
                    http.status == 1 && http.out.contains("something listens there, and does not answer"), "\(http)")
            }
        }
    }
}

/// Listens on a port, and accepts nothing.
private struct RawListener {
    let descriptor: Int32
    let port: UInt16

    init() throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = in_addr_t(UInt32(0x7f00_0001).bigEndian)
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let listened = withUnsafeMutablePointer(to: &address) { [descriptor] pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, size) == 0 && listen(descriptor, 1) == 0 && getsockname(descriptor, $0, &size) == 0
            }
        }
        guard listened else { throw MissingPart("a free port") }
        port = UInt16(bigEndian: address.sin_port)
    }

    func close() { Glibc.close(descriptor) }
}
