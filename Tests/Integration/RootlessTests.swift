// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing
import TestSupport

/// Servers of an ordinary user: in a user namespace, without a group of their own for limits on this machine.
@Suite("Servers of an ordinary user", .serialized)
struct RootlessTests {
    /// Which ids the user has besides its own.
    enum Ids: String, CaseIterable, Sendable, CustomTestStringConvertible {
        case one = "one id"
        case subordinate = "subordinate ids"

        var testDescription: String { rawValue }
    }

    /// A copy of the build that others may execute, in a directory of the user, with the files that name its subordinate ids.
    private struct Account {
        static let uid = 54_321
        let directory = "/tmp/berth-rootless-\(UUID().uuidString.prefix(8))"

        init() throws {
            let files = FileManager.default
            try files.createDirectory(atPath: "\(directory)/run", withIntermediateDirectories: true)
            for name in ["berth", "berth-full", "berth-agent", "berth-launcher"] {
                try files.copyItem(atPath: try BuildProducts.program(name), toPath: "\(directory)/\(name)")
            }
            let passwd = try String(contentsOfFile: "/etc/passwd", encoding: .utf8)
            try (passwd + "ordinary:x:\(Self.uid):\(Self.uid)::\(directory):/bin/sh\n").write(
                toFile: "\(directory)/passwd", atomically: false, encoding: .utf8)
            try "ordinary:700000:65536\n".write(toFile: "\(directory)/ids", atomically: false, encoding: .utf8)
            for path in [directory, "\(directory)/run"] { chown(path, uid_t(Self.uid), gid_t(Self.uid)) }
        }

        func remove() { try? FileManager.default.removeItem(atPath: directory) }

        /// A command that executes the copy as the user, instead of the program that follows.
        func under(_ ids: Ids) throws -> [String] {
            let files = ids == .one ? ["passwd"] : ["passwd", "subuid", "subgid"]
            let mounts = files.map { "mount --bind \(directory)/\($0 == "passwd" ? $0 : "ids") /etc/\($0)" }
            let drop = "\(try tool("setpriv")) --reuid=\(Self.uid) --regid=\(Self.uid) --clear-groups"
            return [
                try tool("unshare"), "--mount", "--propagation", "private", try tool("sh"), "-c",
                (mounts + ["shift", "exec \(drop) \(directory)/berth \"$@\""]).joined(separator: " && "), "sh",
            ]
        }

        var environment: [String: String] {
            ["XDG_RUNTIME_DIR": "\(directory)/run", "HOME": directory, "DOCKER_HOST": "unix:///nothing"]
        }
    }

    private static let bestEffort = ["--limits", "best-effort", "--size", "1"]

    @Test(
        "an ordinary user's server runs programs, hardened as root's, on native and on runc",
        arguments: [Runtime.native, .runc], Ids.allCases)
    func runs(_ runtime: Runtime, _ ids: Ids) async throws {
        let account = try Account()
        defer { account.remove() }
        try await ServerProcess.with(
            runtime, Self.bestEffort, environment: account.environment, under: try account.under(ids)
        ) { server in
            let script = """
                id -u; grep -E '^(CapEff|CapBnd|NoNewPrivs|Seccomp):' /proc/self/status; ls /sys/class/net
                echo x > /tmp/x && cat /tmp/x; echo y > /dev/null && head -c 4 /dev/zero | wc -c; hostname
                touch /usr/x 2>/dev/null || echo read-only; kill -9 1; test -d /proc/1 && echo alive
                """
            let seen = try await server.run(["--wait", "60s", "--", "sh", "-c", script])
            #expect(seen.status == 0, "\(seen)")
            let lines = seen.out.split(separator: "\n").map(String.init)
            #expect((lines.first == "0") == (ids == .one), "\(lines)")
            #expect(lines.contains("CapEff:\t0000000000000000") && lines.contains("NoNewPrivs:\t1"), "\(lines)")
            #expect(lines.contains("Seccomp:\t2") && lines.contains("lo") && lines.contains("x"), "\(lines)")
            #expect(lines.contains("4") && lines.contains("read-only") && lines.last == "alive", "\(lines)")
            // The server is not root, and neither are the programs: on the host, all have the user's ids.
            let status = try String(contentsOfFile: "/proc/\(server.program.pid)/status", encoding: .utf8)
            #expect(status.contains("Uid:\t\(Account.uid)\t"), "\(status)")
            let again = try await server.run(["--wait", "60s", "--", "python3", "-c", "print(6 * 7)"])
            #expect(again.status == 0 && again.out == "42\n", "\(again)")
            #expect(
                server.program.err.contains("limits are not held")
                    && server.program.err.contains("limits=\"memory, processes, cpus\""), "\(server.program.err)")
            let table = try await berth(["stats", "--server", server.address]).out
            #expect(table.contains(", without limits of memory, processes, cpus\n"), "\(table)")
            let stats = try await berth(["stats", "--server", server.address, "--json"]).out
            #expect(stats.contains(#""unheld_limits":["memory","processes","cpus"]"#), "\(stats)")
        }
    }

    @Test("auto takes native for an ordinary user")
    func auto() async throws {
        let account = try Account()
        defer { account.remove() }
        try await ServerProcess.with(
            .native, Self.bestEffort, choice: [], environment: account.environment, under: try account.under(.one)
        ) { server in
            let hello = try await server.run(["--wait", "60s", "--", "echo", "hello"])
            #expect(hello.out == "hello\n", "\(hello)")
            #expect(server.program.err.contains("using the embedded runtime, native"), "\(server.program.err)")
        }
    }

    @Test("a server that can't hold its pools' limits does not start, and names them and what to do")
    func refuses() async throws {
        let account = try Account()
        defer { account.remove() }
        let under = try account.under(.one)
        for runtime in ["native", "runc"] {
            let program = try Program(
                under[0], under.dropFirst() + ["berth", "serve", "--listen", "127.0.0.1:0", "--runtime", runtime],
                environment: account.environment)
            #expect(try await program.end() == 1)
            for words in ["memory, processes, cpus", "can't be held", "Delegate=yes", "limits: best-effort"] {
                #expect(program.err.contains(words), "\(words): \(program.err)")
            }
        }
    }
}
