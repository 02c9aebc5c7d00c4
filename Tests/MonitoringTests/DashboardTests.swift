// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import Synchronization
import Testing
import TestSupport

@testable import Monitoring
@testable import Pool

@Suite struct DashboardTests {
    private final class Asked: Sendable {
        let figures = Atomic(0)
        let members = Atomic(0)
    }

    /// A server whose samples come quickly.
    private func with(
        pools: [PoolSnapshot] = [.example], interval: TimeAmount = .milliseconds(5),
        _ body: (Int, MonitoringServer, Asked) async throws -> Void
    ) async throws {
        let asked = Asked()
        var figures = ServerFigures(version: "9.9.9", runtime: "runc")
        figures.pools = pools
        let monitoring = MonitoringServer(
            .init(
                figures: { [figures] in
                    asked.figures.add(1, ordering: .relaxed)
                    return figures
                },
                members: {
                    asked.members.add(1, ordering: .relaxed)
                    return [
                        MemberInfo(
                            id: MemberID("a-1"), pool: "example", state: .leased, age: .seconds(61), uses: 3,
                            isOutdated: false)
                    ]
                }), interval: interval)
        try await monitoring.listen(host: "127.0.0.1", port: 0)
        do {
            try await body(try #require(monitoring.address?.port), monitoring, asked)
        } catch {
            await monitoring.close()
            throw error
        }
        await monitoring.close()
    }

    private func request(_ path: String, _ more: String = "") -> String.UTF8View {
        "GET \(path) HTTP/1.1\r\nHost: localhost\r\n\(more)\r\n".utf8
    }

    /// All that comes until these words.
    private func read(_ socket: RawSocket, until end: String) throws -> String {
        var bytes: [UInt8] = []
        let end = Array(end.utf8)
        while !bytes.suffix(end.count).elementsEqual(end) { bytes += try socket.receive(1) }
        return String(decoding: bytes, as: UTF8.self)
    }

    private func whole(_ port: Int, _ path: String) throws -> (head: String, body: String) {
        let socket = try RawSocket(port: port)
        try socket.send(request(path, "Connection: close\r\n"))
        var bytes: [UInt8] = []
        while let byte = try socket.receiveIfAny(1) { bytes += byte }
        let parts = String(decoding: bytes, as: UTF8.self).split(separator: "\r\n\r\n", maxSplits: 1)
        return (String(parts[0]), parts.count > 1 ? String(parts[1]) : "")
    }

    @Test("the page may run its own script and style alone, by a nonce that is another each time")
    func page() async throws {
        try await with { port, _, _ in
            let (first, second) = (try whole(port, "/"), try whole(port, "/"))
            #expect(first.head.hasPrefix("HTTP/1.1 200 OK"))
            #expect(first.head.contains("Content-Type: text/html; charset=utf-8"))
            let nonces = [first, second].compactMap { $0.head.firstMatch(of: /script-src 'nonce-([^']+)'/)?.1 }
            #expect(Set(nonces).count == 2)
            let nonce = try #require(nonces.first)
            #expect(nonce.count > 16)
            #expect(
                first.head.contains(
                    "Content-Security-Policy: default-src 'none'; script-src 'nonce-\(nonce)'; style-src 'nonce-\(nonce)'; "
                        + "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
                        + "require-trusted-types-for 'script'"))
            #expect(first.body.components(separatedBy: "<script nonce=\"\(nonce)\">").count == 2)
            #expect(first.body.components(separatedBy: "<script").count == 2)
            #expect(first.body.components(separatedBy: "<style nonce=\"\(nonce)\">").count == 2)
            #expect(!first.body.contains(" style=\"") && !first.body.contains(" onclick="))
            #expect(!first.body.contains("@NONCE@"))
        }
    }

    @Test("events bring a snapshot at once and at each interval, and members are asked for only while somebody reads")
    func events() async throws {
        try await with { port, monitoring, asked in
            try await eventually("samples are taken") { asked.figures.load(ordering: .relaxed) > 5 }
            #expect(asked.members.load(ordering: .relaxed) == 0)
            let reader = try RawSocket(port: port)
            try reader.send(request("/events"))
            #expect(try read(reader, until: "\r\n\r\n").contains("Content-Type: text/event-stream"))
            var numbers: [Int] = []
            for _ in 0..<5 {
                let text = try read(reader, until: "\n\n")
                let json = try #require(text.firstMatch(of: /data: (.*)/)?.1)
                let event = try #require(try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any])
                numbers.append(try #require(event["n"] as? Int))
                let pool = try #require((event["pools"] as? [[String: Any]])?.first)
                #expect(pool["name"] as? String == "example")
                #expect(pool["idle"] as? Int == 2)
                let member = try #require((pool["members"] as? [[Any]])?.first)
                #expect(member.map { "\($0)" } == ["a-1", "leased", "61", "3"])
                #expect((event["verdict"] as? [String: Any])?["text"] as? String == "All pools are warm")
            }
            #expect(numbers == numbers.sorted() && numbers[4] > numbers[0])
            #expect(monitoring.sampler.listenerCount == 1)
            reader.close()
            try await eventually("it is forgotten") { monitoring.sampler.listenerCount == 0 }
        }
    }

    @Test("more pages than there is room for are told to come later, and those that leave make room")
    func tooMany() async throws {
        try await with { port, monitoring, _ in
            var readers = try (0..<Sampler.maxListeners).map { _ in try RawSocket(port: port) }
            for reader in readers {
                try reader.send(request("/events"))
                #expect(try read(reader, until: "\r\n\r\n").hasPrefix("HTTP/1.1 200 OK"))
            }
            let refused = try whole(port, "/events")
            #expect(refused.head.hasPrefix("HTTP/1.1 503 "))
            #expect(refused.head.contains("Retry-After: 5"))
            #expect(refused.body == "16 pages are open already: close one\n")
            readers.removeAll()
            try await eventually("there is room") { monitoring.sampler.listenerCount == 0 }
        }
    }

    @Test("a page that does not read misses snapshots and is then dropped, while others go on")
    func slow() async throws {
        let pools = (0..<300).map { PoolSnapshot.named("pool-\($0)") }
        try await with(pools: pools) { port, monitoring, _ in
            let slow = try RawSocket(port: port, window: 4096)
            try slow.send(request("/events"))
            try await eventually("it is there") { monitoring.sampler.listenerCount == 1 }
            try await eventually("it is dropped", within: .seconds(60)) { monitoring.sampler.listenerCount == 0 }
            #expect(try whole(port, "/livez").body == "alive\n")
        }
    }

    @Test("the history is told in columns, a number for each sample")
    func history() async throws {
        try await with { port, _, asked in
            try await eventually("samples are taken") { asked.figures.load(ordering: .relaxed) > 20 }
            let answer = try whole(port, "/history")
            #expect(answer.head.contains("Content-Type: application/json"))
            let told = try #require(
                try JSONSerialization.jsonObject(with: Data(answer.body.utf8)) as? [String: Any])
            let uptimes = try #require(told["uptime"] as? [Int])
            #expect(told["first"] as? Int == 0)
            #expect(uptimes.count > 19 && uptimes == uptimes.sorted())
            let pool = try #require((told["pools"] as? [[String: Any]])?.first)
            #expect(pool["name"] as? String == "example")
            for (name, _) in PoolSample.columns { #expect((pool[name] as? [Any])?.count == uptimes.count, "\(name)") }
            for (name, _) in Sample.columns { #expect((told[name] as? [Any])?.count == uptimes.count, "\(name)") }
        }
    }
}
