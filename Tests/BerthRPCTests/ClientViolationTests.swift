// SPDX-License-Identifier: Apache-2.0

import AgentSchema
import BerthRPC
import BerthSchema
import BerthWire
import Glibc
import NIOCore
import NIOPosix
import Synchronization
import Testing
import TestSupport

/// A peer that breaks the protocol. The server uses the client connection for agents, which it does not trust.
@Suite struct ClientViolationTests {
    @Test(
        "a peer that breaks the protocol costs its connection, with a typed error, and nothing else",
        arguments: [
            ("a response for an unknown stream", frame(2, id: 77)),
            ("data for an unknown stream", frame(3, id: 5, [1])),
            ("an even id", frame(2, id: 2)),
            ("id zero", frame(3, id: 0)),
            ("a message for a unary call", frame(3, id: 1, [1])),
            ("a request", frame(1, id: 1)),
            ("an unknown type", frame(99, id: 3)),
            ("an oversized frame", frame(3, id: 3, length: (1 << 20) + 1)),
            ("the largest length", frame(3, id: 3, length: .max)),
            ("a body that is no Response", frame(2, id: 1, [0x0a, 0x7f])),
            ("a status that is none", frame(2, id: 3, [0x0a, 0x02, 0x12, 0x7f])),
            ("data in a frame without data", frame(3, 4, id: 3, [1])),
            ("a second answer", frame(2, id: 1) + frame(2, id: 1)),
        ])
    func violations(name: String, bytes: [UInt8]) async throws {
        try await withPeer { client, peer in
            let outcomes = Mutex<[String]>([])
            client.unary(service: "s", method: "unary", Empty()) { answer in
                outcomes.withLock { $0.append("unary \((try? answer.get()) == nil ? "failed" : "answered")") }
            }
            client.stream(service: "s", method: "stream", Empty()) { event in
                guard case .end(let error) = event else { return }
                outcomes.withLock { $0.append("stream \(error.map { "\($0.code)" } ?? "ended")") }
            }
            _ = try peer.receive()
            _ = try peer.receive()
            try peer.send(bytes)
            guard case .protocolViolation(let what) = try await client.closed.get() else {
                Issue.record("\(name) was taken")
                return
            }
            #expect(!what.isEmpty)
            #expect(outcomes.withLock { $0.count } == 2)
            #expect(outcomes.withLock { $0.contains("stream unavailable") })
            #expect(try peer.receiveIfAny() == nil)
        }
    }

    @Test("a peer that sends random frames, or noise, never crashes the client, and each call ends once")
    func noise() async throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        print("ClientViolationTests.noise: seed \(seed)")
        var random = SeededGenerator(seed: seed)
        for _ in 0..<200 {
            var bytes: [UInt8] = []
            for _ in 0..<Int.random(in: 1...8, using: &random) {
                let body = (0..<Int.random(in: 0...12, using: &random)).map { _ in
                    UInt8.random(in: 0...255, using: &random)
                }
                bytes += frame(
                    .random(in: 1...3, using: &random), .random(in: 0...7, using: &random),
                    id: .random(in: 0...5, using: &random), body)
            }
            try await withPeer { client, peer in
                let ends = Mutex(0)
                client.unary(service: "s", method: "unary", Empty()) { _ in ends.withLock { $0 += 1 } }
                client.stream(service: "s", method: "stream", Empty()) { event in
                    if case .end = event { ends.withLock { $0 += 1 } }
                }
                try peer.send(bytes)
                peer.shut()
                _ = try await client.closed.get()
                #expect(ends.withLock { $0 } == 2, "seed \(seed)")
            }
        }
    }

    @Test("an OK Response on a stream is its end, with a last message if it carries one")
    func responseOnStream() async throws {
        try await withPeer { client, peer in
            let events = Mutex<[StreamEvent]>([])
            for method in ["a", "b"] {
                client.stream(service: "s", method: method, Empty()) { event in events.withLock { $0.append(event) } }
            }
            for _ in 0..<2 { _ = try peer.receive() }
            try peer.send(frame(2, id: 1) + frame(2, id: 3, [0x12, 1, 9]))
            try await eventually("both ended") { events.withLock { $0.count } == 3 }
            #expect(events.withLock { $0 } == [.end(nil), .message(ByteBuffer(bytes: [9])), .end(nil)])
        }
    }

    @Test("a client speaks over two pipes, and both close when it does")
    func pipes() async throws {
        var requests: [Int32] = [0, 0]
        var answers: [Int32] = [0, 0]
        #expect(pipe(&requests) == 0 && pipe(&answers) == 0)
        let client = try await ClientConnection.adopt(
            input: answers[0], output: requests[1], group: MultiThreadedEventLoopGroup.singleton)
        // A callback rather than a task: the test waits for the peer in a thread that tasks need.
        let answer = client.eventLoop.makePromise(of: ByteBuffer.self)
        client.unary(service: TestService.name, method: "Hello", Agent.PingRequest()) { reply in
            answer.completeWith(reply.mapError { $0 })
        }
        let peer = Peer(input: requests[0], output: answers[1])
        let request = try peer.receive()
        #expect(try Request(decoding: request.data).method == "Hello")
        try peer.send(frame(2, id: 1))
        #expect(try await answer.futureResult.get() == ByteBuffer())
        client.close()
        #expect(try peer.receiveIfAny() == nil)
        #expect(throws: Peer.Failure.self) { try peer.send(frame(2, id: 1)) }
    }

    @Test("descriptors that cannot be spoken over are closed, and the error says why")
    func badDescriptors() async throws {
        let group = MultiThreadedEventLoopGroup.singleton
        let file = open("/dev/null", O_RDWR)
        await #expect(throws: RPCError.self) {
            try await ClientConnection.adopt(input: file, output: file, group: group)
        }
        #expect(fcntl(file, F_GETFD) == -1)
        let regular = (open("/proc/self/status", O_RDONLY), open("/proc/self/status", O_RDONLY))
        await #expect(throws: RPCError.self) {
            try await ClientConnection.adopt(input: regular.0, output: regular.1, group: group)
        }
        #expect(fcntl(regular.0, F_GETFD) == -1 && fcntl(regular.1, F_GETFD) == -1)
    }
}

/// The other end of a connection, which the test controls.
final class Peer {
    struct Failure: Error {}

    let input: Int32
    let output: Int32
    private var unread: [UInt8] = []

    init(input: Int32, output: Int32) {
        self.input = input
        self.output = output
    }

    deinit {
        close(input)
        if output != input { close(output) }
    }

    func send(_ bytes: [UInt8]) throws {
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes { write(output, $0.baseAddress.map { $0 + sent }, bytes.count - sent) }
            guard count > 0 else { throw Failure() }
            sent += count
        }
    }

    func shut() { shutdown(output, Int32(SHUT_RDWR)) }

    func receive() throws -> RawClient.Frame {
        guard let frame = try receiveIfAny() else { throw Failure() }
        return frame
    }

    func receiveIfAny() throws -> RawClient.Frame? {
        var chunk = [UInt8](repeating: 0, count: 4096)
        while true {
            if unread.count >= 10 {
                let header = unread.withUnsafeBytes { FrameHeader(decoding: $0) }
                let total = 10 + Int(header.length)
                if unread.count >= total {
                    defer { unread.removeFirst(total) }
                    return RawClient.Frame(header: header, data: Array(unread[10..<total]))
                }
            }
            var ready = pollfd(fd: input, events: Int16(POLLIN), revents: 0)
            guard poll(&ready, 1, 20_000) == 1 else { throw Failure() }
            let count = read(input, &chunk, chunk.count)
            if count == 0 || (count < 0 && errno == ECONNRESET) { return nil }
            guard count > 0 else { throw Failure() }
            unread += chunk[..<count]
        }
    }
}

/// Runs `body` with a client connection over one end of a socket pair, and with the other end.
func withPeer(_ body: (ClientConnection, Peer) async throws -> Void) async throws {
    signal(SIGPIPE, SIG_IGN)
    var ends: [Int32] = [0, 0]
    guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends) == 0 else { throw Peer.Failure() }
    var limits = ClientConnection.Limits()
    limits.maxMessageLength = 1 << 20
    let peer = Peer(input: ends[1], output: ends[1])
    let client = try await ClientConnection.adopt(
        input: ends[0], output: ends[0], group: MultiThreadedEventLoopGroup.singleton, limits: limits)
    defer { client.close() }
    try await body(client, peer)
}
