// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import Testing
import TestSupport

@Suite("TLS on the command line", .serialized)
struct TLSCommandTests {
    @Test("a server with a certificate speaks TLS, and commands reach it by flags or by the environment")
    func flags() async throws {
        try await Certificates.with { made in
            let flags = ["--tls-certificate", made.certificate("server"), "--tls-key", made.key("server")]
            try await ServerProcess.with(.runc, flags) { server in
                #expect(server.address.hasPrefix("tls://127.0.0.1:"))
                let address = ["--server", server.address]
                let known = try await berth(
                    ["run"] + address + ["--tls-ca", made.certificate("ca"), "--", "echo", "hello"])
                #expect(known.status == 0 && known.out == "hello\n", "\(known)")
                let variables = ["BERTH_SERVER": server.address, "BERTH_TLS_CA": made.certificate("ca")]
                let lease = try await berth(["acquire"], environment: variables)
                #expect(lease.status == 0, "\(lease)")
                let token = lease.out.split(separator: "\n").first.map(String.init) ?? ""
                #expect(try await berth(["release", token], environment: variables).status == 0)
                let unknown = try await berth(["run"] + address + ["--", "true"])
                #expect(unknown.status == 125, "\(unknown)")
                #expect(unknown.err.contains("was not signed by an authority that is trusted here"), "\(unknown)")
                let missing = try await berth(["run"] + address + ["--tls-ca", "/nowhere.pem", "--", "true"])
                #expect(
                    missing.err.contains("the TLS authorities /nowhere.pem: No such file or directory"), "\(missing)")
                let plain = try await berth(
                    ["run", "--server", String(server.address.dropFirst("tls://".count)), "--", "true"])
                #expect(plain.err.contains("this port speaks TLS"), "\(plain)")
                try await eventually("refusals are logged") {
                    server.program.err.contains("a TLS handshake failed")
                }
            }
        }
    }

    @Test("a certificate is exchanged by replacing its files, or by SIGHUP, while a program runs on")
    func exchange() async throws {
        try await Certificates.with { made in
            let flags = [
                "--tls-certificate", made.certificate("server"), "--tls-key", made.key("server"), "--tls-client-ca",
                made.certificate("ca"),
            ]
            try await ServerProcess.with(.runc, flags) { server in
                let client = [
                    "--server", server.address, "--tls-ca", made.certificate("ca"), "--tls-cert",
                    made.certificate("alice"), "--tls-key", made.key("alice"),
                ]
                let program = try Program(
                    try BuildProducts.program("berth"),
                    ["run"] + client + ["--", "sh", "-c", "echo began; while ! [ -e /tmp/end ]; do sleep 0.05; done"])
                try await eventually("it runs") { program.out.contains("began") }
                func rounds() -> Int {
                    server.program.err.components(separatedBy: "the certificate is read again").count - 1
                }
                try made.replace("server", by: "second")
                try await eventually("it sees the new files") { rounds() == 1 }
                server.program.signal(SIGHUP)
                try await eventually("it reads them at SIGHUP") { rounds() == 2 }
                #expect(try await berth(["run"] + client + ["--", "true"]).status == 0)
                let none = try await berth(
                    ["run", "--server", server.address, "--tls-ca", made.certificate("ca"), "--", "true"])
                #expect(none.err.contains("wants a certificate, and got none"), "\(none)")
                #expect(program.isRunning, "the program's connection is still open")
                program.signal(SIGTERM)
                _ = try await program.end()
            }
        }
    }

    @Test("a client whose certificate has expired is told so by every command, whenever the refusal comes")
    func refused() async throws {
        try await Certificates.with { made in
            let flags = [
                "--tls-certificate", made.certificate("server"), "--tls-key", made.key("server"), "--tls-client-ca",
                made.certificate("ca"),
            ]
            try await ServerProcess.with(.runc, flags) { server in
                let client = [
                    "--server", server.address, "--tls-ca", made.certificate("ca"), "--tls-cert",
                    made.certificate("expired"), "--tls-key", made.key("expired"),
                ]
                for round in 0..<20 {
                    let said = try await berth(round % 2 == 0 ? ["stats"] + client : ["run"] + client + ["--", "true"])
                    #expect(
                        said.err.contains("refused the certificate, because it has expired"), "round \(round): \(said)")
                }
            }
        }
    }

    @Test("settings of TLS that do not fit together are mistakes, each with what is missing")
    func mistakes() async throws {
        try await Certificates.with { made in
            for (flags, words) in [
                (["--tls-certificate", made.certificate("server")], "it needs tls.key, its private key"),
                (["--tls-key", made.key("server")], "it needs tls.certificate, the certificate of this key"),
                (["--tls-client-ca", made.certificate("ca")], "it needs tls.certificate and tls.key"),
                (["--listen", "tls://127.0.0.1:0"], "tls://127.0.0.1:0 needs tls.certificate and tls.key"),
                (
                    [
                        "--listen", "0.0.0.0:0", "--tls-certificate", made.certificate("server"), "--tls-key",
                        made.key("server"),
                    ],
                    "0.0.0.0:0 is not loopback"
                ),
                (
                    ["--tls-certificate", made.certificate("server"), "--tls-key", made.key("alice")],
                    "they do not belong together"
                ),
            ] {
                let server = try await berth(["serve", "--runtime", "runc"] + flags)
                #expect(server.status == 2 && server.err.contains(words), "\(flags): \(server)")
            }
        }
    }
}
