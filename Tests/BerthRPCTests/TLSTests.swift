// SPDX-License-Identifier: Apache-2.0

import AgentSchema
import BerthRPC
import BerthSchema
import Foundation
import NIOCore
import NIOPosix
import Synchronization
import Testing
import TestSupport

/// Certificates are made by openssl, which is also the peer that a test needs to be no client of ours.
@Suite("TLS below the frames", .serialized)
struct TLSTests {
    private let group = MultiThreadedEventLoopGroup.singleton
    /// A request of three bytes: `Large` answers with as many MiB, and `Endless` sends small messages.
    private let threeBytes = Agent.PingResponse(version: "a", pid: 0)

    /// Runs `body` with a server on a TLS port.
    private func withTLS(
        _ made: Certificates, _ name: String = "server", clients: Bool = false,
        _ change: (inout RPCServer.Configuration) -> Void = { _ in },
        _ body: (_ service: TestService, _ port: Int, _ tls: ServerTLS) async throws -> Void
    ) async throws {
        let tls = try ServerTLS(
            TLSFiles(
                certificate: made.certificate(name), key: made.key(name),
                authorities: clients ? made.certificate("ca") : nil))
        try await withServer(change) { service, _, server in
            let address = try await server.listen(host: "127.0.0.1", port: 0, tls: tls)
            try await body(service, address.port ?? 0, tls)
        }
    }

    private func connect(
        _ made: Certificates, _ port: Int, as name: String? = nil, authority: String = "ca", host: String = "127.0.0.1"
    ) async throws -> ClientConnection {
        let files = TLSFiles(
            certificate: name.map(made.certificate), key: name.map(made.key),
            authorities: made.certificate(authority))
        return try await ClientConnection.connect(
            host: host, port: port, tls: ClientTLS(files), group: group, timeout: .seconds(10))
    }

    private func failure(_ body: () async throws -> Void) async -> RPCError? {
        do {
            try await body()
            return nil
        } catch {
            return error as? RPCError
        }
    }

    /// What openssl says of a handshake with the server.
    private func probe(_ port: Int, _ flags: [String]) throws -> (isConnected: Bool, said: String) {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/openssl")
        process.arguments = ["s_client", "-connect", "127.0.0.1:\(port)", "-brief"] + flags
        let output = Pipe()
        (process.standardInput, process.standardOutput, process.standardError) = (FileHandle.nullDevice, output, output)
        try process.run()
        let said = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return (said.contains("CONNECTION ESTABLISHED"), said)
    }

    @Test(
        "openssl finds TLS 1.2 and 1.3 with forward secrecy and authenticated encryption, and nothing older or weaker")
    func versionsAndSuites() async throws {
        try await Certificates.with { made in
            try await withTLS(made) { _, port, _ in
                let weak = ["-cipher", "ALL:@SECLEVEL=0"]
                for version in ["-tls1", "-tls1_1"] {
                    let (isConnected, said) = try probe(port, [version] + weak)
                    #expect(!isConnected, "\(version): \(said)")
                }
                for version in ["-tls1_2", "-tls1_3"] {
                    let (isConnected, said) = try probe(port, [version])
                    #expect(isConnected, "\(version): \(said)")
                    #expect(said.contains(version == "-tls1_2" ? "TLSv1.2" : "TLSv1.3"))
                }
                for suite in ["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305"] {
                    let (isConnected, said) = try probe(port, ["-tls1_2", "-cipher", suite])
                    #expect(isConnected, "\(suite): \(said)")
                }
                for suite in ["ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA384", "AES128-GCM-SHA256", "NULL"] {
                    let (isConnected, said) = try probe(port, ["-tls1_2", "-cipher", "\(suite):@SECLEVEL=0"])
                    #expect(!isConnected, "\(suite): \(said)")
                }
            }
        }
    }

    @Test("calls, streams and large messages pass as without TLS")
    func calls() async throws {
        try await Certificates.with { made in
            try await withTLS(made) { service, port, _ in
                for host in ["127.0.0.1", "localhost"] {
                    let client = try await connect(made, port, host: host)
                    try await client.hello()
                    #expect(await client.collect("Count").count == 5)
                    // Messages of all sizes, some written without a copy, and the end.
                    #expect(await client.collect("Tails").count == 200 + 200 / 7 + 1)
                    let large: Agent.PingResponse = try await client.unary(
                        service: TestService.name, method: "Large", threeBytes)
                    #expect(large.version.utf8.count == 3 << 20)
                    client.close()
                }
                try await service.wait(for: "closed", count: 2)
            }
        }
    }

    @Test("a certificate of an unknown authority, or for another host, is refused by the client in words")
    func wrongServer() async throws {
        try await Certificates.with { made in
            try await withTLS(made) { service, port, _ in
                let unknown = await failure { _ = try await connect(made, port, authority: "other") }
                #expect(unknown?.code == .unavailable)
                #expect(
                    unknown?.message.contains("was not signed by an authority that is trusted here") == true,
                    "\(unknown as Any)")
                try await eventually("the server logs it") {
                    service.log.contains(
                        "handshake: the peer refused the certificate, because it does not know who signed it")
                }
            }
            try await withTLS(made, "elsewhere") { _, port, _ in
                let wrong = await failure { _ = try await connect(made, port) }
                #expect(wrong?.message.contains("certificate is not for 127.0.0.1") == true, "\(wrong as Any)")
            }
        }
    }

    @Test(
        "with an authority for clients, a client's name comes from its certificate; without one, with an expired one or a stranger's it is refused in words"
    )
    func clientCertificates() async throws {
        try await Certificates.with { made in
            try await withTLS(made, clients: true) { service, port, _ in
                let alice = try await connect(made, port, as: "alice")
                try await alice.hello()
                try await service.wait(for: "certificate alice")
                for (name, server, client) in [
                    (nil, "the client presented no certificate", "wants a certificate, and got none"),
                    ("expired", "the certificate of \"late\" has expired", "because it has expired"),
                    (
                        "stranger", "the certificate of \"stranger\" was not signed by an authority",
                        "does not know who signed it"
                    ),
                ] as [(String?, String, String)] {
                    // With TLS 1.3 a client learns of it after its own handshake: by its first call.
                    let error = await failure {
                        let connection = try await connect(made, port, as: name)
                        try await connection.hello()
                    }
                    #expect(error?.code == .unavailable)
                    #expect(error?.message.contains(client) == true, "\(name ?? "none"): \(error as Any)")
                    try await eventually("the server logs it") {
                        service.log.contains { $0.hasPrefix("handshake: \(server)") }
                    }
                }
                try await alice.hello()
                alice.close()
            }
        }
    }

    @Test("a client whose certificate is refused learns why, also when it has sent much that the server does not read")
    func wordsArrive() async throws {
        try await Certificates.with { made in
            try await withTLS(made, clients: true) { service, port, _ in
                let request = Agent.PingResponse(version: String(repeating: "x", count: 3 << 20), pid: 0)
                for round in 0..<20 {
                    let error = await failure {
                        let connection = try await connect(made, port, as: round % 2 == 0 ? "expired" : "stranger")
                        let _: Agent.PingResponse = try await connection.unary(
                            service: TestService.name, method: "Hello", request)
                    }
                    let words = round % 2 == 0 ? "because it has expired" : "does not know who signed it"
                    #expect(error?.message.contains(words) == true, "round \(round): \(error as Any)")
                }
                try await eventually("none is left open") {
                    service.log.filter { $0.hasPrefix("handshake") }.count == 20
                }
                #expect(!service.log.contains { $0.hasPrefix("opened") })
            }
        }
    }

    @Test("who speaks plainly to a TLS port, or TLS to a plain one, is told so")
    func mixedUp() async throws {
        try await Certificates.with { made in
            try await withTLS(made) { service, port, _ in
                let plain = try await ClientConnection.connect(host: "127.0.0.1", port: port, group: group)
                let error = await failure { try await plain.hello() }
                #expect(error?.code == .failedPrecondition)
                #expect(error?.message.hasPrefix("this port speaks TLS: connect to tls://HOST:PORT") == true)
                plain.close()
                let http = try RawSocket(port: port)
                try http.send(Array("GET / HTTP/1.1\r\n\r\n".utf8))
                #expect(String(decoding: try http.receive(12), as: UTF8.self) == "HTTP/1.1 400")
                http.close()
                try await service.wait(for: "refused HTTP")
            }
            try await withServer { service, port, _ in
                let error = await failure { _ = try await connect(made, port) }
                #expect(
                    error?.message.contains("closed the connection during the TLS handshake; does it speak TLS?")
                        == true, "\(error as Any)")
                try await service.wait(for: "refused TLS")
            }
        }
    }

    @Test("200 streams run on while the certificate is exchanged; connections that begin after that get the new one")
    func exchange() async throws {
        try await Certificates.with { made in
            try await withTLS(made, "server", clients: false, { $0.handshakeTimeout = .minutes(1) }) {
                _, port, tls in
                let ends = Mutex<[String]>([])
                let messages = (0..<200).map { _ in Counter() }
                var clients: [ClientConnection] = []
                for _ in 0..<20 { clients.append(try await connect(made, port)) }
                for (index, client) in clients.enumerated() {
                    for counter in messages[index * 10..<index * 10 + 10] {
                        client.stream(service: TestService.name, method: "Ticks", Empty()) { event in
                            switch event {
                            case .message: counter.count.add(1, ordering: .relaxed)
                            case .end(let error): ends.withLock { $0.append("\(String(describing: error))") }
                            }
                        }
                    }
                }
                func everyStreamGoesOn() async throws {
                    let before = messages.map { $0.count.load(ordering: .relaxed) }
                    try await eventually("every stream goes on") {
                        zip(messages, before).allSatisfy { $0.count.load(ordering: .relaxed) > $1 }
                    }
                }
                let first = try probe(port, ["-showcerts"]).said
                for round in 0..<4 {
                    try made.replace("server", by: round % 2 == 0 ? "second" : "bob")
                    #expect(try tls.reloadIfChanged())
                    #expect(try !tls.reloadIfChanged(), "nothing has changed since")
                    try await everyStreamGoesOn()
                }
                #expect(first.contains("CN = localhost"))
                #expect(try probe(port, ["-showcerts"]).said.contains("CN = bob"))
                // Half of an exchange: the pair does not fit, so the one before stays.
                try FileManager.default.removeItem(atPath: made.key("server"))
                try FileManager.default.copyItem(atPath: made.key("alice"), toPath: made.key("server"))
                let error = await failure { _ = try tls.reloadIfChanged() }
                #expect(error?.message.contains("they do not belong together") == true, "\(error as Any)")
                #expect(try probe(port, []).isConnected)
                try await everyStreamGoesOn()
                #expect(ends.withLock { $0 }.isEmpty)
                for client in clients { client.close() }
            }
        }
    }

    @Test("what waits for a peer that does not read is bounded, and goes on when it reads")
    func backpressure() async throws {
        try await Certificates.with { made in
            try await withTLS(made) { service, port, _ in
                let client = try await connect(made, port)
                let counter = Counter()
                client.stream(service: TestService.name, method: "Endless", Empty()) { event in
                    guard case .message = event else { return }
                    counter.count.add(1, ordering: .relaxed)
                }
                try await eventually("it flows") { counter.count.load(ordering: .relaxed) > 10 }
                client.pauseReading()
                var last = -1
                try await eventually("the server stops sending") {
                    defer { last = service.sent.load(ordering: .relaxed) }
                    return last == service.sent.load(ordering: .relaxed)
                }
                // Of 32 KiB each: the watermark, what TLS holds, and the buffers of both sockets.
                let waiting = service.sent.load(ordering: .relaxed) - counter.count.load(ordering: .relaxed)
                #expect(waiting < 1000, "\(waiting) messages wait")
                client.resumeReading()
                try await eventually("it goes on") { counter.count.load(ordering: .relaxed) > last + 100 }
                client.close()
            }
        }
    }

    @Test("a connection that does not begin, or not end, its handshake in time is closed")
    func handshakeDeadline() async throws {
        try await Certificates.with { made in
            try await withTLS(made, "server", clients: false, { $0.handshakeTimeout = .milliseconds(300) }) {
                service, port, _ in
                let silent = try RawSocket(port: port)
                #expect(try silent.receiveIfAny(1) == nil)
                let slow = try RawSocket(port: port)
                // The head of a record that never comes.
                try slow.send([0x16, 3, 1, 2, 0])
                #expect(try slow.receiveIfAny(1) == nil)
                try await service.wait(for: "handshake: the handshake was not over in time")
                #expect(!service.log.contains { $0.hasPrefix("opened") }, "no calls can be made before")
                for socket in [silent, slow] { socket.close() }
            }
        }
    }

    @Test("what is wrong with a file is said, with its name")
    func wrongFiles() async throws {
        try await Certificates.with { made in
            func words(_ certificate: String?, _ key: String?, _ authorities: String? = nil) async -> String? {
                await failure {
                    _ = try ServerTLS(TLSFiles(certificate: certificate, key: key, authorities: authorities))
                }?.message
            }
            let (certificate, key) = (made.certificate("server"), made.key("server"))
            #expect(await words("/nowhere", key) == "the TLS certificate /nowhere: No such file or directory")
            #expect(await words(key, key) == "the TLS certificate \(key): there is no certificate in PEM in it")
            #expect(
                await words(certificate, certificate)
                    == "the TLS key \(certificate): there is no private key in it, or it is encrypted")
            #expect(
                await words(certificate, made.key("alice"))
                    == "the TLS certificate \(certificate) and its key \(made.key("alice")): they do not belong together"
            )
            #expect(await words(certificate, key, "/tmp") == "the TLS authorities /tmp: this is not a file")
            #expect(
                await words(certificate, nil)
                    == "a TLS certificate and its key come together, and only \(certificate) is given")
        }
    }
}

private final class Counter: Sendable {
    let count = Atomic<Int>(0)
}
