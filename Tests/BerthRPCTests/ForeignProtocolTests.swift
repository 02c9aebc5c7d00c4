// SPDX-License-Identifier: Apache-2.0

import BerthRPC
import BerthSchema
import BerthWire
import Glibc
import Synchronization
import Testing
import TestSupport

/// Item C14. Connections that do not begin with ttrpc: rule 6, second half.
@Suite struct ForeignProtocolTests {
    /// A body that a web page could send: the frames of calls.
    private static let calls = [UInt8](repeating: 0, count: 64) + frame(1, id: 1, requestBody("Hello"))

    @Test("an HTTP request whose body is calls is answered 400 in words, and no call of it is served")
    func request() async throws {
        try await withServer { service, port, _ in
            for head in ["POST", "GET", "PUT", "OPTIONS"].map({ "\($0) / HTTP/1.1\r\nHost: localhost\r\n\r\n" }) {
                let client = try RawClient(port: port)
                try client.send(Array(head.utf8) + Self.calls)
                let answer = try client.receiveAll()
                #expect(answer.hasPrefix("HTTP/1.1 400 Bad Request\r\n"), "\(head): \(answer)")
                #expect(answer.contains("It speaks ttrpc"))
            }
            #expect(service.served.load(ordering: .relaxed) == 0)
        }
    }

    @Test("the length that POST spells is not skipped until the calls begin that follow it")
    func body() async throws {
        try await withServer { service, port, _ in
            let client = try RawClient(port: port)
            try client.send(Array("POST / HTTP/1.1\r\n\r\n".utf8))
            var sent = 0
            // Were the 1.3 GB skipped, the connection would take them all.
            let zeros = [UInt8](repeating: 0, count: 1 << 20)
            while sent < 1 << 30, (try? client.send(zeros)) != nil { sent += zeros.count }
            #expect(sent < 64 << 20, "\(sent) bytes were taken")
            #expect(service.served.load(ordering: .relaxed) == 0)
        }
    }

    @Test("a first byte other than 0 closes the connection at once", arguments: [1, 0x16, 0x53, 0x47, 0x80, 0xff])
    func firstByte(_ byte: UInt8) async throws {
        try await withServer { service, port, _ in
            let client = try RawClient(port: port)
            try client.send([byte])
            let answer = try client.receiveAll()
            #expect(answer.isEmpty == (byte != UInt8(ascii: "G")), "\(answer)")
            try await service.wait(for: "closed")
            #expect(service.log.contains { $0.hasPrefix("refused ") })
        }
    }

    @Test("a connection over the limit that speaks HTTP is answered the same")
    func overLimit() async throws {
        try await withServer {
            $0.maxConnections = 0
        } _: { _, port, _ in
            let client = try RawClient(port: port)
            try client.send(Array("GET / HTTP/1.1\r\n\r\n".utf8))
            #expect(try client.receiveAll().hasPrefix("HTTP/1.1 400"))
        }
    }

    @Test("a frame that is too long is skipped as before on a connection that began as it should")
    func later() async throws {
        try await withServer { _, port, _ in
            let client = try RawClient(port: port)
            try client.sayHello()
            try client.send(1, id: 3, length: 17 << 20)
            let answer = try client.receive()
            #expect(answer.header.streamID == 3 && answer.code == 8, "\(answer)")
            try client.send([UInt8](repeating: UInt8(ascii: "P"), count: 17 << 20))
            try client.sayHello(id: 5)
        }
    }
}

extension RawClient {
    /// Receives everything until the server closes the connection.
    func receiveAll() throws -> String {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = recv(descriptor, &chunk, chunk.count, 0)
            guard count > 0 else {
                guard count == 0 || errno == ECONNRESET else {
                    throw NeverHappened(description: "recv: errno \(errno)")
                }
                return String(decoding: bytes, as: UTF8.self)
            }
            bytes += chunk[..<count]
        }
    }
}
