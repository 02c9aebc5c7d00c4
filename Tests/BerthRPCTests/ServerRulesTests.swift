// SPDX-License-Identifier: Apache-2.0

import BerthRPC
import BerthSchema
import BerthWire
import Dispatch
import Testing
import TestSupport

/// "What the server accepts and answers", rule by rule, on real sockets. The numbers are those of the rules.
@Suite struct ServerRulesTests {
    @Test("the vectors of rules.txt are answered as they say", arguments: Vector.load("rules.txt"))
    func vectors(vector: Vector) async throws {
        try await withServer { _, port, _ in
            let client = try RawClient(port: port)
            for line in vector.lines {
                switch line {
                case .clientToServer(let bytes): try client.send(bytes)
                case .padding(let count): try client.send([UInt8](repeating: 0, count: count))
                case .serverToClient: Issue.record("rules.txt does not fix what a server sends")
                case .answer(let id, let code):
                    let frame = try client.receive()
                    #expect(frame.header.streamID == id && frame.code == code, "\(frame)")
                }
            }
            try client.sayHello()
        }
    }

    @Test("the vectors of rules.txt are answered the same when their bytes come in random pieces")
    func vectorsInPieces() async throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        print("ServerRulesTests.vectorsInPieces: seed \(seed)")
        var random = SeededGenerator(seed: seed)
        try await withServer { _, port, _ in
            for vector in Vector.load("rules.txt") {
                let client = try RawClient(port: port)
                for line in vector.lines {
                    switch line {
                    case .clientToServer(let bytes):
                        var rest = bytes[...]
                        while !rest.isEmpty {
                            let piece = rest.prefix(Int.random(in: 1...9, using: &random))
                            try client.send(Array(piece))
                            rest = rest.dropFirst(piece.count)
                        }
                    case .padding(let count): try client.send([UInt8](repeating: 0, count: count))
                    case .serverToClient: break
                    case .answer(let id, let code):
                        let frame = try client.receive()
                        #expect(frame.header.streamID == id && frame.code == code, "\(vector): \(frame), seed \(seed)")
                    }
                }
            }
        }
    }

    @Test("answers to a burst of requests are on their way before the last of them is served")
    func burst() async throws {
        try await withServer { service, port, _ in
            let client = try RawClient(port: port)
            let methods = ["Hello", "Nothing", "Boom", "Hello", "Gate"]
            try client.send(
                methods.enumerated().flatMap { frame(1, id: UInt32($0) * 2 + 1, requestBody($1)) })
            for id: UInt32 in [1, 3, 5, 7] { #expect(try client.receive().header.streamID == id) }
            service.gate.signal()
            let last = try client.receive()
            #expect(last.header.streamID == 9 && last.code == 0, "\(last)")
        }
    }

    @Test("1: ids may come in any order while others are active, and be used again once theirs has ended")
    func ids() async throws {
        try await withServer { service, port, _ in
            let client = try RawClient(port: port)
            for id: UInt32 in [9, 1, 4_294_967_295, 5] { try client.request("Silent", id: id) }
            try await service.wait(for: "holding 5")
            try client.request("Release", id: 3)
            let order = try (0..<5).map { _ in try client.receive().header.streamID }
            #expect(order == [5, 4_294_967_295, 1, 9, 3])
            try client.request("Hello", id: 9)
            #expect(try client.receive().header.streamID == 9)
        }
    }

    @Test("2: a repeat of an active id is refused, ends what ran there, and the connection lives on")
    func repeatedID() async throws {
        try await withServer { service, port, _ in
            let client = try RawClient(port: port)
            try client.request("Silent", id: 1)
            try client.request("Hello", id: 1)
            let refusal = try client.receive()
            #expect(refusal.header.streamID == 1 && refusal.code == 3, "\(refusal)")
            try await service.wait(for: "cancelled 1 invalidArgument")
            // A Response ends its stream, so nothing more may come on it.
            try client.request("Release", id: 3)
            #expect(try client.receive().header.streamID == 3)
            try client.sayHello()
        }
    }

    @Test("3: data on an active unary call is refused, ends the call, and the connection lives on")
    func dataOnUnary() async throws {
        try await withServer { service, port, _ in
            let client = try RawClient(port: port)
            try client.request("Silent", id: 1)
            try client.send(3, 0, id: 1, [10, 2, 104, 105])
            let refusal = try client.receive()
            #expect(refusal.header.streamID == 1 && refusal.code == 3, "\(refusal)")
            try await service.wait(for: "cancelled 1 invalidArgument")
            try client.sayHello()
        }
    }

    @Test("4: request flags 0x06 and every way to half-close a stream are tolerated")
    func halfCloses() async throws {
        try await withServer { service, port, _ in
            let client = try RawClient(port: port)
            try client.request("SilentStream", id: 1, flags: 0x06)
            try client.request("SilentStream", id: 3, flags: 0x02)
            try client.request("SilentStream", id: 5, flags: 0x01)
            for id: UInt32 in [1, 3, 5] {
                try client.send(3, 0x01, id: id)
                try client.send(3, 0x01, id: id, [10, 2, 104, 105])
                try client.send(3, 0x05, id: id)
            }
            try client.request("Release", id: 7)
            let ends = try (0..<4).map { _ in try client.receive() }
            #expect(ends.map(\.header.streamID) == [5, 3, 1, 7])
            #expect(ends.prefix(3).allSatisfy { $0.header.type == .data && $0.header.flags.rawValue == 0x05 })
            #expect(!service.log.contains { $0.hasPrefix("cancelled") })
        }
    }

    @Test("5: what is unknown is said by name")
    func unimplemented() async throws {
        try await withServer { _, port, _ in
            let client = try RawClient(port: port)
            try client.request("Nope", id: 1, service: "demo.v1.Exec")
            let answer = try client.receive()
            #expect(answer.code == 12)
            #expect(answer.response?.status?.message == "there is no method Nope in a service demo.v1.Exec")
        }
    }

    @Test("6: a frame of 4 GiB - 1 begins, is answered at once, and its bytes are dropped as they come")
    func hugeFrame() async throws {
        try await withServer { _, port, _ in
            let client = try RawClient(port: port)
            // As the first of a connection it would be another protocol's: see ForeignProtocolTests.
            try client.sayHello()
            try client.send(1, id: 1, length: .max)
            let answer = try client.receive()
            #expect(answer.code == 8)
            #expect(answer.response?.status?.message.contains("4294967295") == true)
            #expect(answer.response?.status?.message.contains("4194304") == true)
            let before = residentBytes()
            for _ in 0..<64 { try client.send([UInt8](repeating: 1, count: 1 << 20)) }
            #expect(residentBytes() - before < 48 << 20)
        }
    }

    @Test("6: the server itself answers RESOURCE_EXHAUSTED rather than send over 4 MiB, unary and midway in a stream")
    func largeAnswers() async throws {
        try await withServer { service, port, _ in
            let client = try RawClient(port: port)
            try client.request("Large", id: 1, payload: [0, 0, 0])
            #expect(try client.receive().header.length > 3 << 20)
            try client.request("Large", id: 3, payload: [0, 0, 0, 0])
            #expect(try client.receive().code == 8)
            try client.request("LargeMessage", id: 5, flags: 1)
            #expect(try client.receive().header.type == .data)
            #expect(try client.receive().code == 8)
            try await service.wait(for: "cancelled 5 resourceExhausted")
            try client.sayHello()
        }
    }

    @Test("7: what is wrong with a body is said")
    func brokenBodies() async throws {
        try await withServer { _, port, _ in
            let client = try RawClient(port: port)
            try client.send(1, id: 1, [0x0a, 0x7f, 0x62])
            #expect(
                try client.receive().response?.status?.message
                    == "the bytes are not a valid ttrpc.Request: field 1 has 127 bytes, 1 are there")
            try client.request("Hello", id: 3, payload: [0x0a, 0x7f, 0x62])
            let answer = try client.receive()
            #expect(answer.code == 3)
            #expect(answer.response?.status?.message == "the bytes are not a valid berth.agent.v1.PingRequest")
            try client.sayHello()
        }
    }

    @Test("8: a deadline ends a unary call and a stream, cancels the work, and nothing follows it")
    func deadlines() async throws {
        try await withServer { service, port, _ in
            let client = try RawClient(port: port)
            try client.request("Silent", id: 1, timeout: 30_000_000)
            try client.request("SilentStream", id: 3, flags: 1, timeout: 20_000_000)
            try client.request("Silent", id: 5, timeout: 60_000_000_000)
            let ends = try (0..<2).map { _ in try client.receive() }
            #expect(Set(ends.map(\.header.streamID)) == [1, 3] && ends.allSatisfy { $0.code == 4 }, "\(ends)")
            try await service.wait(for: "cancelled 1 deadlineExceeded")
            try await service.wait(for: "cancelled 3 deadlineExceeded")
            try client.request("Release", id: 7)
            #expect(try client.receive().header.streamID == 5)
            #expect(try client.receive().header.streamID == 7)
            #expect(service.log.contains("release 1, ended"))
        }
    }

    @Test("8: the largest time-out is one, and does not overflow")
    func endlessTimeout() async throws {
        try await withServer { service, port, _ in
            let client = try RawClient(port: port)
            try client.request("Silent", id: 1, timeout: .max)
            try client.request("Release", id: 3)
            #expect(try client.receive().code == 0)
            #expect(!service.log.contains { $0.hasPrefix("cancelled") })
        }
    }

    @Test("9: when a connection closes, all that ran on it is cancelled, once, before the service hears of the end")
    func closing() async throws {
        try await withServer { service, port, server in
            try {
                let client = try RawClient(port: port)
                try client.request("Silent", id: 1)
                try client.request("SilentStream", id: 3, flags: 1)
                try client.sayHello()
            }()
            try await service.wait(for: "closed")
            #expect(
                service.log == [
                    "opened 127.0.0.1", "holding 1", "holding 3", "cancelled 1 cancelled", "cancelled 3 cancelled",
                    "closed",
                ])
            try await eventually("no connection") { server.connectionCount == 0 }
        }
    }

    @Test("10: after its end, nothing is sent on a stream, whatever the service does")
    func nothingAfterTheEnd() async throws {
        try await withServer { _, port, _ in
            let client = try RawClient(port: port)
            try client.request("Count", id: 1, flags: 1)
            let frames = try (0..<5).map { _ in try client.receive() }
            #expect(frames.map(\.header.type) == Array(repeating: .data, count: 5))
            #expect(frames.map(\.header.length) == [2, 2, 2, 0, 0])
            #expect(frames.map(\.header.flags.rawValue) == [0, 0, 0, 0, 5])
            try client.sayHello()
        }
    }

    @Test("a handler's error and an empty answer are the recorded bytes")
    func recordedEndings() async throws {
        let recorded = Vector.load("recorded.txt")
        try await withServer { _, port, _ in
            let client = try RawClient(port: port)
            try client.request("Boom", id: 9)
            let boom = try client.receive()
            #expect([frame(2, id: 9, boom.data)] == recorded.first { $0.name == "handler error" }?.serverFrames)
            try client.request("Nothing", id: 3)
            let nothing = try client.receive()
            #expect([frame(2, id: 3, nothing.data)] == recorded.first { $0.name == "empty unary answer" }?.serverFrames)
        }
    }

    @Test("a streaming method that is called as a unary one says so")
    func streamCalledAsUnary() async throws {
        try await withServer { _, port, _ in
            let client = try RawClient(port: port)
            try client.request("Count", id: 1)
            let answer = try client.receive()
            #expect(answer.code == 3)
            #expect(answer.response?.status?.message.contains("answers with a stream") == true)
            try client.sayHello()
        }
    }
}
