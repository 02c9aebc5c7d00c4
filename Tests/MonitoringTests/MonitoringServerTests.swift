// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import Pool
import Synchronization
import Testing
import TestSupport

@testable import Monitoring

@Suite struct MonitoringServerTests {
    private final class Server: Sendable {
        let figures = Mutex(ServerFigures(version: "9.9.9", runtime: "runc"))
    }

    /// Sends requests, and returns what came until the server closed the connection.
    private func ask(_ port: Int, _ requests: String) throws -> String {
        let socket = try RawSocket(port: port)
        try socket.send(requests.replacing("\n", with: "\r\n").utf8)
        var bytes: [UInt8] = []
        while let byte = try? socket.receive(1).first { bytes.append(byte) }
        return String(decoding: bytes, as: UTF8.self)
    }

    private func with(_ body: (Int, Server) throws -> Void) async throws {
        let server = Server()
        let monitoring = MonitoringServer(.init(figures: { server.figures.withLock { $0 } }, members: { [] }))
        try await monitoring.listen(host: "127.0.0.1", port: 0)
        let port = try #require(monitoring.address?.port)
        try body(port, server)
        await monitoring.close()
        #expect(throws: (any Error).self) { _ = try RawSocket(port: port) }
    }

    @Test("a request is answered, several on one connection too")
    func answers() async throws {
        try await with { port, server in
            server.figures.withLock { $0.executions = 7 }
            let text = try ask(
                port,
                """
                GET /livez HTTP/1.1
                Host: localhost:\(port)

                HEAD /metrics HTTP/1.1
                Host: 127.0.0.1

                GET /metrics?x=1 HTTP/1.1
                Host: [::1]
                Connection: close


                """)
            let parts = text.components(separatedBy: "HTTP/1.1 ")
            #expect(parts.count == 4, "\(text)")
            #expect(parts[1].hasPrefix("200 OK") && parts[1].hasSuffix("\r\n\r\nalive\n"))
            #expect(parts[2].hasPrefix("200 OK") && parts[2].hasSuffix("\r\n\r\n"))
            #expect(parts[3].contains("\nberth_executions 7\n"))
            #expect(parts[3].contains("Content-Type: text/plain; version=0.0.4; charset=utf-8"))
            #expect(parts[3].contains("Content-Security-Policy: default-src 'none'"))
        }
    }

    @Test(
        "what is not for this server is refused in words",
        arguments: [
            ("GET /metrics HTTP/1.1\nHost: evil.example\n", "421 ", "127.0.0.1 or localhost"),
            ("GET /metrics HTTP/1.1\nHost: 127.0.0.1.evil.example\n", "421 ", "127.0.0.1 or localhost"),
            ("GET /metrics HTTP/1.1\n", "421 ", "127.0.0.1 or localhost"),
            ("POST /metrics HTTP/1.1\nHost: localhost\n", "405 ", "only GET and HEAD"),
            ("GET /x HTTP/1.1\nHost: localhost\n", "404 ", "/events, /history, /metrics, /livez, /readyz"),
            ("GET / HTTP/1.1\nHost: evil.example\n", "421 ", "127.0.0.1 or localhost"),
            ("POST /events HTTP/1.1\nHost: localhost\n", "405 ", "only GET and HEAD"),
            ("GET /events HTTP/1.1\nHost: localhost\nSec-Fetch-Site: cross-site\n", "403 ", "other sites"),
            ("GET /history HTTP/1.1\nHost: localhost\nSec-Fetch-Site: same-site\n", "403 ", "other sites"),
            ("GET /metrics HTTP/1.1\nHost: [::1]x\n", "421 ", "127.0.0.1 or localhost"),
            ("GET /metrics HTTP/1.1\nHost: [::1\n", "421 ", "127.0.0.1 or localhost"),
            ("GET /metrics HTTP/1.1\nHost: localhost:80.evil.example\n", "421 ", "127.0.0.1 or localhost"),
            ("nonsense\n", "400 ", "Bad Request"),
        ])
    func refusals(_ request: String, _ status: String, _ words: String) async throws {
        try await with { port, _ in
            let text = try ask(port, request + "Connection: close\n\n")
            #expect(text.hasPrefix("HTTP/1.1 \(status)"), "\(text)")
            #expect(text.contains(words), "\(text)")
        }
    }

    @Test("whoever comes to another address than the host's own is answered under any name")
    func names() {
        #expect(HostNames(at: "10.0.0.7").contain("berth.example:7412"))
        for address in ["127.0.0.1", "127.8.9.1", "::1", nil] {
            #expect(!HostNames(at: address).contain("berth.example:7412"))
            #expect(HostNames(at: address).contain("[::1]:7412"))
        }
    }

    @Test("a client that asks and asks, and reads nothing, has one answer waiting and delays nobody")
    func unread() async throws {
        let asked = Mutex(0)
        let monitoring = MonitoringServer(
            .init(
                figures: {
                    asked.withLock { $0 += 1 }
                    return ServerFigures(version: String(repeating: "9", count: 10_000), runtime: "runc")
                }, members: { [] }))
        try await monitoring.listen(host: "127.0.0.1", port: 0)
        let port = try #require(monitoring.address?.port)
        let mute = try RawSocket(port: port)
        // Few enough for the buffers of the kernel, which take the requests whether they are read or not.
        let count = 5000
        try mute.send(String(repeating: "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n", count: count).utf8)
        // Each is answered in a turn of the loop after those in which the mute one's requests were read.
        for _ in 0..<100 {
            #expect(try ask(port, "GET /livez HTTP/1.1\nHost: localhost\nConnection: close\n\n").hasSuffix("alive\n"))
        }
        #expect(asked.withLock { $0 } < count / 2)
        withExtendedLifetime(mute) {}
        await monitoring.close()
    }

    @Test("a body is refused, and nothing after it is read as a request")
    func body() async throws {
        try await with { port, _ in
            let text = try ask(
                port,
                "GET /livez HTTP/1.1\nHost: localhost\nContent-Length: 4\n\nabcdGET /livez HTTP/1.1\nHost: localhost\n\n"
            )
            #expect(text.hasPrefix("HTTP/1.1 400 "))
            #expect(!text.contains("alive"))
        }
    }

    @Test("readiness names each pool and what is wrong with it; draining is not ready")
    func readiness() async throws {
        try await with { port, server in
            #expect(try ready(port).hasPrefix("HTTP/1.1 503 "))
            server.figures.withLock { $0.pools = [.example] }
            let warm = try ready(port)
            #expect(warm.hasPrefix("HTTP/1.1 200 "))
            #expect(warm.hasSuffix("\r\n\r\nready\nexample: warm, 2 idle of 2 wanted, 1 leased\n"))
            server.figures.withLock {
                $0.pools[0].breaker = .open(RuntimeError(.failed, "no disk"), nextTry: .seconds(299))
                $0.pools[0].idle = 0
            }
            let broken = try ready(port)
            #expect(broken.hasPrefix("HTTP/1.1 503 "))
            #expect(broken.hasSuffix("next try in 299 s, 0 idle of 2 wanted, 1 leased: no disk\n"))
            server.figures.withLock {
                $0.pools = [.example]
                $0.isDraining = true
            }
            #expect(try ready(port).contains("not ready: the server drains\n"))
        }
    }

    private func ready(_ port: Int) throws -> String {
        try ask(port, "GET /readyz HTTP/1.1\nHost: localhost\nConnection: close\n\n")
    }

    @Test("connections beyond the limit are closed, and those that leave make room")
    func tooMany() async throws {
        try await with { port, _ in
            var open = try (0..<MonitoringServer.maxConnections).map { _ in try RawSocket(port: port) }
            for socket in open {
                try socket.send("GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n".utf8)
                #expect(try socket.receive(15) == Array("HTTP/1.1 200 OK".utf8))
            }
            #expect(try ask(port, "GET /livez HTTP/1.1\nHost: localhost\n\n").isEmpty)
            open.removeAll()
            var answered = false
            for _ in 0..<200 where !answered {
                answered = try ask(port, "GET /livez HTTP/1.1\nHost: localhost\nConnection: close\n\n").contains(
                    "alive")
            }
            #expect(answered)
        }
    }
}
