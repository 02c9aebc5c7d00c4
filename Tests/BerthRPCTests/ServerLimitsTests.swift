// SPDX-License-Identifier: Apache-2.0

import BerthRPC
import BerthSchema
import BerthWire
import Glibc
import NIOCore
import NIOPosix
import Synchronization
import Testing
import TestSupport

/// The limits of a server: connections, calls, and memory for peers that do not read.
@Suite struct ServerLimitsTests {
    @Test("one connection over the limit is told so on its first request, then closed; there is room again after")
    func connections() async throws {
        try await withServer {
            $0.maxConnections = 2
        } _: { _, port, server in
            let first = try RawClient(port: port)
            try first.sayHello()
            try {
                let second = try RawClient(port: port)
                try second.sayHello()
                #expect(server.connectionCount == 2)
                let third = try RawClient(port: port)
                try third.request("Hello", id: 5, payload: [UInt8](repeating: 0, count: 100_000))
                let refusal = try third.receive()
                #expect(refusal.header.streamID == 5 && refusal.code == 8, "\(refusal)")
                #expect(
                    refusal.response?.status?.message
                        == "2 connections are open, the limit; close some, or raise the server's limit")
                #expect(try third.receiveIfAny() == nil)
            }()
            try await eventually("one connection") { server.connectionCount == 1 }
            try RawClient(port: port).sayHello()
            try first.sayHello()
        }
    }

    @Test("connections over the limit that say nothing are closed after a time, and beyond a number at once")
    func refusalsAreBounded() async throws {
        try await withServer {
            $0.maxConnections = 0
            $0.maxRefusedConnections = 2
            $0.refusalTimeout = .seconds(3)
        } _: { service, port, _ in
            var silent: [RawClient] = []
            try await eventually("a third connection is closed without a word") {
                // New ones each time: on a busy machine the earlier ones may have had their time.
                silent = try (0..<2).map { _ in try RawClient(port: port) }
                let third = try RawClient(port: port)
                try? third.request("Hello", id: 1)
                return (try? third.receiveIfAny()) == nil
            }
            for client in silent { #expect(try client.receiveIfAny() == nil) }
            #expect(service.log.isEmpty)
        }
    }

    @Test("one call over the limit of a connection is refused")
    func calls() async throws {
        try await withServer {
            $0.maxCallsPerConnection = 2
        } _: { service, port, _ in
            let client = try RawClient(port: port)
            try client.request("Silent", id: 1)
            try client.request("Silent", id: 3)
            try client.request("Hello", id: 5)
            let refusal = try client.receive()
            #expect(refusal.header.streamID == 5 && refusal.code == 8)
            try await service.wait(for: "holding 3")
            #expect(!service.log.contains { $0.hasPrefix("cancelled") })
        }
    }

    @Test("a stream whose client does not read stops sending, goes on when it reads, and others are served meanwhile")
    func streamBackpressure() async throws {
        try await withServer { service, port, _ in
            let client = try RawClient(port: port)
            try client.request("Endless", id: 1, flags: 1)
            let stuck = try await settled { service.sent.load(ordering: .relaxed) }
            // What the kernel holds, and the high watermark.
            #expect(stuck * (32 << 10) < 16 << 20)
            try RawClient(port: port).sayHello()
            for _ in 0..<stuck { #expect(try client.receive().header.length > 32 << 10) }
            try await eventually("more is sent") { service.sent.load(ordering: .relaxed) > stuck }
        }
    }

    @Test("500 streams of a client that does not read share one bound, rather than have one each")
    func manyStreamsBackpressure() async throws {
        try await withServer { service, port, _ in
            let client = try RawClient(port: port)
            for index in 0..<500 { try client.request("Endless", id: UInt32(index * 2 + 1), flags: 1) }
            let stuck = try await settled { service.sent.load(ordering: .relaxed) }
            #expect(stuck * (32 << 10) < 24 << 20, "\(stuck) messages of 32 KiB")
        }
    }

    @Test("several streams of one connection all get on, though each would fill it alone")
    func streamsShare() async throws {
        try await withServer { service, port, _ in
            let client = try RawClient(port: port)
            // The length of the payload is what each sends, with little in it: frames are small and many.
            for id: UInt32 in [1, 3, 5] {
                try client.request("Endless", id: id, flags: 1, payload: [UInt8](repeating: 0, count: Int(id)))
            }
            _ = try await settled { service.sent.load(ordering: .relaxed) }
            var seen: [UInt32: Int] = [:]
            for _ in 0..<2_000_000 where seen.count < 3 { seen[try client.receive().header.streamID, default: 0] += 1 }
            #expect(seen.count == 3, "\(seen)")
        }
    }

    @Test("a stream that sends on though there is no room fails when its queue is full")
    func deafStream() async throws {
        try await withServer {
            $0.maxQueuedBytesPerCall = 1 << 20
        } _: { service, port, _ in
            let client = try RawClient(port: port)
            try client.request("Deaf", id: 1, flags: 1)
            try await service.wait(for: "cancelled 1 resourceExhausted")
            var frames = 0
            while case let next = try client.receive(), next.header.type == .data { frames += 1 }
            // All that was sent but the one that did not fit; then the error, which was read last.
            #expect(frames == service.sent.load(ordering: .relaxed) - 1)
            try client.sayHello()
        }
    }

    @Test("streams that have frames waiting are sent in turn")
    func fairness() async throws {
        try await withServer {
            $0.maxQueuedBytesPerCall = 2 << 20
        } _: { service, port, _ in
            // What the first one sends must not all go out before the others begin.
            let client = try RawClient(port: port, window: 16 << 10)
            let requests = [1, 3, 5].flatMap { frame(1, 1, id: $0, requestBody("Deaf")) }
            try client.send(requests)
            try await service.wait(for: "cancelled 5 resourceExhausted")
            var order: [UInt32] = []
            var ended = 0
            while ended < 3 {
                let next = try client.receive()
                if next.header.type == .response { ended += 1 } else { order.append(next.header.streamID) }
            }
            // Once all three have a queue, each is served every third time.
            let start = try #require(order.firstIndex(of: 5))
            let shared = order[start..<min(start + 60, order.count - 6)]
            #expect(shared.count { $0 == 1 } >= 19 && shared.count { $0 == 3 } >= 19, "\(Array(shared))")
        }
    }

    @Test("a peer that never reads its answers is not read from, until it reads")
    func unaryBackpressure() async throws {
        try await withServer { service, port, _ in
            let client = try RawClient(port: port)
            let metadata = KeyValue(key: "k", value: String(repeating: "v", count: 1000))
            let request = Request(service: TestService.name, method: "Hello", metadata: [metadata]).encoded()
            var waiting: [UInt8] = []
            var requests = 0
            var sent = 0
            // Until neither the server nor the kernels between take any more.
            for _ in 0..<200_000 {
                while waiting.count < 1 << 20 {
                    waiting += frame(1, id: UInt32(truncatingIfNeeded: requests * 2 + 1), request)
                    requests += 1
                }
                let count = client.sendWithoutWaiting(waiting)
                sent += count
                waiting.removeFirst(count)
                if count == 0 {
                    let before = service.served.load(ordering: .relaxed)
                    try await Task.sleep(for: .milliseconds(200))
                    if service.served.load(ordering: .relaxed) == before, client.sendWithoutWaiting([]) == 0 { break }
                }
                #expect(sent < 256 << 20)
                if sent >= 256 << 20 { return }
            }
            let stuck = service.served.load(ordering: .relaxed)
            #expect(stuck < requests)
            for index in 0..<stuck + 100 {
                #expect(try client.receive().header.streamID == UInt32(truncatingIfNeeded: index * 2 + 1))
            }
            #expect(service.served.load(ordering: .relaxed) > stuck)
        }
    }

    /// Waits until the value has not changed for a while, and returns it.
    private func settled(_ value: () -> Int) async throws -> Int {
        var last = -1
        try await eventually("it stands still") {
            let before = last
            try await Task.sleep(for: .milliseconds(150))
            last = value()
            return last == before && last > 0
        }
        return last
    }
}
