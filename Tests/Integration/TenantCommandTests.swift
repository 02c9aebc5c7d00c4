// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import Testing
import TestSupport

@Suite("Tokens and tenants of a running server", .serialized)
struct TenantCommandTests {
    /// A directory with a configuration, and the path of its token file.
    private func withTenants(
        _ tenants: String, _ more: String = "", _ body: (_ configuration: String, _ folder: String) async throws -> Void
    ) async throws {
        let folder = "/tmp/berth-tenants-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        _ = FileManager.default.createFile(atPath: "\(folder)/tokens", contents: nil)
        try """
        tokens: \(folder)/tokens
        quota_file: \(folder)/quota
        \(more)
        pools: {default: {size: 1}, special: {size: 0}}
        tenants:
        \(tenants)
        """.write(toFile: "\(folder)/berth.yaml", atomically: true, encoding: .utf8)
        try await body("\(folder)/berth.yaml", folder)
    }

    private func makeToken(_ tenant: String, _ folder: String, _ more: [String] = []) async throws -> String {
        let made = try await berth(["token", "create", tenant, "--file", "\(folder)/tokens"] + more)
        #expect(made.status == 0, "\(made)")
        return made.out.trimmingCharacters(in: .whitespacesAndNewlines)
    }

    @Test(
        "a token from berth token create lets a tenant in, by flag, file or variable, and stops to when it is revoked")
    func tokens() async throws {
        try await withTenants("  acme: {}\n  boss: {role: operator}") { configuration, folder in
            try await ServerProcess.with(.runc, ["--config", configuration]) { server in
                let none = try await server.run(["--", "true"])
                #expect(none.status == 125 && none.err.contains("does not know who calls"), "\(none)")
                let token = try await makeToken("acme", folder)
                try await eventually("the server reads the tokens") {
                    server.program.err.contains("the tokens are read again")
                }
                let variables = ["BERTH_SERVER": server.address]
                let known = try await berth(
                    ["run", "--", "echo", "hello"], environment: variables.merging(["BERTH_TOKEN": token]) { $1 })
                #expect(known.status == 0 && known.out == "hello\n", "\(known)")
                let path = "\(folder)/acme.token"
                try "\(token)\n".write(toFile: path, atomically: true, encoding: .utf8)
                let flag = try await server.run(["--token-file", path, "--", "true"])
                #expect(flag.status == 0, "\(flag)")
                let lease = try await berth(
                    ["acquire"], environment: variables.merging(["BERTH_TOKEN_FILE": path]) { $1 })
                #expect(lease.status == 0, "\(lease)")
                let admin = try await berth(["admin", "members", "--token-file", path], environment: variables)
                #expect(admin.status == 1 && admin.err.contains("role operator"), "\(admin)")
                let list = try await berth(["token", "list", "--file", "\(folder)/tokens"])
                let row = try #require(list.out.split(separator: "\n").last?.split(separator: " ").map(String.init))
                #expect(row[1] == "acme" && row.last == "valid", "\(list)")
                #expect(!list.out.contains(token))
                let running = try Program(
                    try BuildProducts.program("berth"),
                    [
                        "run", "--server", server.address, "--token-file", path, "--", "sh", "-c",
                        "echo began; sleep 600",
                    ])
                try await eventually("it runs") { running.out.contains("began") }
                let revoked = try await berth(["token", "revoke", row[0], "--file", "\(folder)/tokens"])
                #expect(revoked.status == 0 && revoked.out == "revoked \(row[0]) of acme\n", "\(revoked)")
                try await eventually("the server reads the tokens again") {
                    server.program.err.components(separatedBy: "the tokens are read again").count == 3
                }
                let late = try await server.run(["--token-file", path, "--", "true"])
                #expect(late.status == 125 && late.err.contains("does not know who calls"), "\(late)")
                let text = try String(contentsOfFile: "\(folder)/tokens", encoding: .utf8)
                #expect(!text.contains("sha256:"))
                // What ran under it is over too.
                #expect(try await running.end() == 125)
                #expect(running.err.contains("does not know who calls"), "\(running.err)")
                #expect(server.program.err.contains("a connection's caller counts no more, its calls are ended"))
            }
        }
    }

    @Test("a program of an open connection ends when its token's line in the file gets an expiry or another tenant")
    func changedLines() async throws {
        try await withTenants("  acme: {}\n  other: {}") { configuration, folder in
            let file = "\(folder)/tokens"
            let changes = [("tenant=acme", "tenant=other"), ("created=", "expires=1 created=")]
            var tokens: [String] = []
            for _ in changes { tokens.append(try await makeToken("acme", folder)) }
            try await ServerProcess.with(.runc, ["--config", configuration]) { server in
                for (number, change) in changes.enumerated() {
                    let running = try Program(
                        try BuildProducts.program("berth"),
                        ["run", "--server", server.address, "--", "sh", "-c", "echo began; sleep 600"],
                        environment: ["BERTH_TOKEN": tokens[number]])
                    try await eventually("it runs") { running.out.contains("began") }
                    var lines = try String(contentsOfFile: file, encoding: .utf8).components(separatedBy: "\n")
                    let own = lines.indices.filter { lines[$0].hasPrefix("sha256:") }[number]
                    lines[own] = lines[own].replacingOccurrences(of: change.0, with: change.1)
                    try lines.joined(separator: "\n").write(toFile: file, atomically: true, encoding: .utf8)
                    #expect(try await running.end() == 125, "\(change)")
                    #expect(running.err.contains("does not know who calls"), "\(change): \(running.err)")
                }
            }
        }
    }

    @Test("what a tenant has used in a day ends its programs' starts, is shown to it, and survives a restart")
    func quotas() async throws {
        try await withTenants("  acme: {output_per_day: 1000, pools: [default], max_timeout: 5s}") {
            configuration, folder in
            let token = try await makeToken("acme", folder)
            let environment = ["BERTH_TOKEN": token]
            try await ServerProcess.with(.runc, ["--config", configuration]) { server in
                let variables = environment.merging(["BERTH_SERVER": server.address]) { $1 }
                let first = try await berth(["run", "--", "head", "-c", "1000", "/dev/zero"], environment: variables)
                #expect(first.status == 0, "\(first)")
                let second = try await berth(["run", "--", "true"], environment: variables)
                #expect(second.status == 125 && second.err.contains("(output_per_day)"), "\(second)")
                let quota = try await berth(["quota"], environment: variables)
                #expect(quota.out.contains("acme (user): pools default"), "\(quota)")
                let row = quota.out.split(separator: "\n").first { $0.hasPrefix("output_per_day") }
                #expect(row?.split(separator: " ").prefix(3) == ["output_per_day", "1000", "1000"], "\(quota)")
                let other = try await berth(["run", "--pool", "special", "--", "true"], environment: variables)
                #expect(
                    other.status == 125 && other.err.contains("there is no pool \"special\"; there is: default"),
                    "\(other)")
                let long = try await berth(["run", "--timeout", "6s", "--", "true"], environment: variables)
                #expect(long.status == 125 && long.err.contains("more than the longest, 5000"), "\(long)")
            }
            try await ServerProcess.with(.runc, ["--config", configuration]) { server in
                let variables = environment.merging(["BERTH_SERVER": server.address]) { $1 }
                let third = try await berth(["run", "--", "true"], environment: variables)
                #expect(third.status == 125 && third.err.contains("(output_per_day)"), "\(third)")
            }
        }
    }

    @Test(
        "children that nobody waits for and what runs on in a lease use up a tenant's CPU time",
        arguments: [Runtime.native, .runc])
    func cpuTime(_ runtime: Runtime) async throws {
        try await withTenants("  acme: {cpu_seconds_per_day: 2}") { configuration, folder in
            let token = try await makeToken("acme", folder)
            try await ServerProcess.with(runtime, ["--config", configuration]) { server in
                let variables = ["BERTH_SERVER": server.address, "BERTH_TOKEN": token]
                func used() async throws -> Int {
                    let quota = try await berth(["quota"], environment: variables)
                    let row = try #require(
                        quota.out.split(separator: "\n").first { $0.hasPrefix("cpu_seconds_per_day") }, "\(quota)")
                    return try #require(Int(row.split(separator: " ")[1]), "\(quota)")
                }
                // The kernel adds the time of a child that nobody waits for to nobody's.
                let burn = "import time\nwhile time.process_time() < 1.1: pass\n"
                let ignoring = """
                    import os, signal
                    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
                    if os.fork() == 0:
                        exec(\"\"\"\(burn)\"\"\")
                        os._exit(0)
                    try: os.wait()
                    except ChildProcessError: pass
                    """
                let first = try await berth(["run", "--", "python3", "-c", ignoring], environment: variables)
                #expect(first.status == 0, "\(first)")
                #expect(try await used() == 1)
                let acquired = try await berth(["acquire"], environment: variables)
                let lease = acquired.out.trimmingCharacters(in: .newlines)
                let left = try await berth(
                    [
                        "run", "--lease", lease, "--keep-background", "--", "sh", "-c",
                        "while :; do :; done >/dev/null 2>&1 &",
                    ],
                    environment: variables)
                #expect(left.status == 0, "\(left)")
                try await eventually("it is used up") { try await used() >= 2 }
                let refused = try await berth(["run", "--", "true"], environment: variables)
                #expect(refused.status == 125 && refused.err.contains("(cpu_seconds_per_day)"), "\(refused)")
                let released = try await berth(["release", lease], environment: variables)
                #expect(released.status == 0, "\(released)")
            }
        }
    }

    @Test(
        "the audit log has a line for each acquire, execution, admin call and refusal, and no argument or token in clear"
    )
    func audit() async throws {
        let path = "/tmp/berth-audit-\(UUID().uuidString)"
        defer { for suffix in ["", ".1", ".2", ".3", ".4"] { unlink(path + suffix) } }
        try await withTenants("  acme: {}", "audit: \(path)") { configuration, folder in
            let token = try await makeToken("acme", folder)
            try await ServerProcess.with(.runc, ["--config", configuration]) { server in
                let variables = ["BERTH_SERVER": server.address, "BERTH_TOKEN": token]
                #expect(try await berth(["run", "--", "echo", "secret-argument"], environment: variables).status == 0)
                let acquired = try await berth(["acquire"], environment: variables)
                #expect(acquired.status == 0)
                _ = try await berth(["admin", "members"], environment: variables)
                _ = try await server.run(["--", "true"])
                let text = try String(contentsOfFile: path, encoding: .utf8)
                let lines = try text.split(separator: "\n").map {
                    try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
                }
                func line(_ event: String, _ method: String) -> [String: Any]? {
                    lines.first { $0["event"] as? String == event && $0["method"] as? String == method }
                }
                let execute = try #require(line("execute", "Execute"), "\(text)")
                #expect(execute["tenant"] as? String == "acme")
                #expect((execute["by"] as? String)?.hasPrefix("token ") == true)
                #expect(execute["outcome"] as? String == "OK")
                #expect((execute["argv_sha256"] as? String)?.count == 64)
                #expect((execute["peer"] as? String)?.hasPrefix("127.0.0.1:") == true)
                #expect((execute["ms"] as? Double ?? -1) >= 0)
                #expect(line("acquire", "Acquire")?["outcome"] as? String == "OK", "\(text)")
                #expect(line("refusal", "ListMembers")?["why"] as? String == "OPERATOR_ONLY", "\(text)")
                #expect(line("refusal", "Execute")?["outcome"] as? String == "UNAUTHENTICATED", "\(text)")
                for secret in ["secret-argument", token, acquired.out.trimmingCharacters(in: .newlines)] {
                    #expect(!text.contains(secret))
                }
                var info = stat()
                #expect(stat(path, &info) == 0 && info.st_mode & 0o777 == 0o600)
            }
        }
    }

    @Test(
        "over a unix socket the kernel says who calls: root is an operator, a tenant's user is that tenant, others are nobody"
    )
    func peers() async throws {
        try await withTenants("  acme: {users: [12345]}", "socket_mode: 0666") { configuration, folder in
            let socket = "\(folder)/socket"
            chmod(folder, 0o755)
            try await ServerProcess.with(.runc, ["--config", configuration, "--listen", "unix:\(socket)"]) { server in
                let program = try BuildProducts.program("berth")
                #expect(server.address == "127.0.0.1:0" || !server.address.isEmpty)
                let root = try await berth(["admin", "members", "--server", "unix:\(socket)"])
                #expect(root.status == 0, "\(root)")
                func quota(as user: String) async throws -> (Int32, String) {
                    let asked = try Program(
                        tool("setpriv"),
                        ["--reuid", user, "--clear-groups", program, "quota", "--server", "unix:\(socket)"])
                    return (try await asked.end(), asked.out + asked.err)
                }
                let acme = try await quota(as: "12345")
                #expect(acme.0 == 0 && acme.1.contains("acme (user)"), "\(acme)")
                let nobody = try await quota(as: "12346")
                #expect(nobody.0 == 1 && nobody.1.contains("does not know who calls"), "\(nobody)")
            }
        }
    }
}
