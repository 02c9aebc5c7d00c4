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

/// The client connection against the real server.
@Suite struct ClientTests {
    @Test("unary calls: answers, metadata, errors, an empty answer")
    func unary() async throws {
        try await withClient { client, _ in
            let answer: Agent.PingResponse = try await client.unary(
                service: TestService.name, method: "Hello", Agent.PingRequest(), timeout: .seconds(20),
                metadata: [KeyValue(key: "authorization", value: "Bearer t"), KeyValue(key: "k", value: "")])
            #expect(answer == Agent.PingResponse(version: "authorization=Bearer t,k=", pid: 7))
            let empty: Empty = try await client.unary(service: TestService.name, method: "Nothing", Empty())
            #expect(empty == Empty())
            await #expect(throws: RPCError(.unknown, "boom")) {
                let _: Empty = try await client.unary(service: TestService.name, method: "Boom", Empty())
            }
            await #expect(throws: RPCError.unimplemented(service: "a.B", method: "C")) {
                let _: Empty = try await client.unary(service: "a.B", method: "C", Empty())
            }
        }
    }

    @Test("a stream's messages come in order, an empty one too, then one end")
    func stream() async throws {
        try await withClient { client, _ in
            let events = await client.collect("Count")
            #expect(events.map(\.pid) == [1, 2, 3, 0, nil])
            #expect(events.last == .end(nil))
            let failed = await client.collect("Boom")
            #expect(failed == [.end(RPCError(.unknown, "boom"))])
            let broken = await client.collect("LargeMessage")
            #expect(broken.count == 2)
            guard case .end(let error) = broken.last else { return }
            #expect(error?.code == .resourceExhausted)
        }
    }

    @Test("messages that go out as they are arrive whole, in order among those that are encoded, with and without room")
    func tails() async throws {
        for highWatermark in [1, 256 << 10, 16 << 20] {
            try await withServer({ $0.highWatermark = highWatermark }) { _, port, _ in
                let client = try await ClientConnection.connect(
                    host: "127.0.0.1", port: port, group: MultiThreadedEventLoopGroup.singleton)
                let events = await client.collect("Tails")
                client.close()
                var expected: [StreamEvent] = []
                for index in UInt8(1)...200 {
                    let size = [0, 10, 4095, 4096, 100_000][Int(index) % 5]
                    expected.append(.message(ByteBuffer(repeating: index, count: size + 1)))
                    if index % 7 == 0 {
                        let between = Agent.PingResponse(version: "between", pid: 1)
                        expected.append(.message(ByteBuffer(bytes: between.encoded())))
                    }
                }
                #expect(events == expected + [.end(nil)])
            }
        }
    }

    @Test("1000 calls at once from many tasks are each answered with what is theirs")
    func concurrent() async throws {
        try await withClient { client, _ in
            try await withThrowingTaskGroup(of: Void.self) { tasks in
                for index in 0..<1000 {
                    tasks.addTask {
                        let answer: Agent.PingResponse = try await client.unary(
                            service: TestService.name, method: "Hello", Agent.PingRequest(),
                            metadata: [KeyValue(key: "n", value: "\(index)")])
                        #expect(answer.version == "n=\(index)")
                    }
                }
                try await tasks.waitForAll()
            }
        }
    }

    @Test("a time-out ends a call here, also when the server never answers, and its late answer is no violation")
    func timeout() async throws {
        try await withClient { client, service in
            await #expect(throws: RPCError.self) {
                do throws(RPCError) {
                    let _: Empty = try await client.unary(
                        service: TestService.name, method: "Silent", Empty(), timeout: .milliseconds(20))
                } catch {
                    #expect(error.code == .deadlineExceeded)
                    throw error
                }
            }
            try await service.wait(for: "cancelled 1 deadlineExceeded")
            #expect(await client.collect("SilentStream", timeout: .milliseconds(20)).count == 1)
            try await client.hello()
        }
    }

    @Test("cancelling the task leaves the call with CANCELLED, and its late answer is no violation")
    func cancellation() async throws {
        try await withClient { client, service in
            let task = Task {
                do throws(RPCError) {
                    let _: Empty = try await client.unary(service: TestService.name, method: "Silent", Empty())
                    return nil as RPCError?
                } catch {
                    return error
                }
            }
            try await service.wait(for: "holding 1")
            task.cancel()
            #expect(await task.value?.code == .cancelled)
            let _: Empty = try await client.unary(service: TestService.name, method: "Release", Empty())
            try await client.hello()
        }
    }

    @Test("a call from the event loop, and a callback that calls again, work without a hop")
    func onLoop() async throws {
        try await withClient { client, _ in
            let done = client.eventLoop.makePromise(of: Int.self)
            @Sendable func again(_ left: Int) {
                client.unary(service: TestService.name, method: "Hello", Agent.PingRequest()) { answer in
                    #expect(client.eventLoop.inEventLoop)
                    switch answer {
                    case .failure(let error): done.fail(error)
                    case .success(let bytes): left == 0 ? done.succeed(bytes.readableBytes) : again(left - 1)
                    }
                }
            }
            client.eventLoop.execute { again(100) }
            let size = try await done.futureResult.get()
            #expect(size == 2)
        }
    }

    @Test("while reading is paused nothing is delivered; then all of it is, in order")
    func pausing() async throws {
        try await withClient { client, service in
            let count = Mutex(0)
            client.stream(service: TestService.name, method: "Endless", Empty()) { event in
                guard case .message = event else { return }
                if count.withLock({
                    $0 += 1; return $0
                }) == 10 {
                    client.pauseReading()
                }
            }
            try await eventually("it is paused") { count.withLock { $0 } == 10 }
            try await eventually("the server is stuck") {
                let before = service.sent.load(ordering: .relaxed)
                try await Task.sleep(for: .milliseconds(150))
                return before > 10 && service.sent.load(ordering: .relaxed) == before
            }
            #expect(count.withLock { $0 } == 10)
            let stuck = service.sent.load(ordering: .relaxed)
            client.resumeReading()
            try await eventually("the rest comes") { count.withLock { $0 } > stuck }
        }
    }

    @Test("what was read before the peer closed is delivered when a paused connection resumes")
    func pausedAtTheEnd() async throws {
        try await withPeer { client, peer in
            let events = Mutex<[StreamEvent]>([])
            client.stream(service: "s", method: "m", Empty()) { event in
                events.withLock { $0.append(event) }
                client.pauseReading()
            }
            _ = try peer.receive()
            try peer.send(
                frame(3, id: 1, [1]) + frame(3, id: 1, [2]) + frame(3, 5, id: 1))
            peer.shut()
            try await eventually("one event") { events.withLock { $0.count } == 1 }
            for count in 2...3 {
                client.resumeReading()
                try await eventually("\(count) events") { events.withLock { $0.count } == count }
            }
            #expect(
                events.withLock { $0 } == [
                    .message(ByteBuffer(bytes: [1])), .message(ByteBuffer(bytes: [2])), .end(nil),
                ])
            client.resumeReading()
            #expect(try await client.closed.get() == .closedByPeer)
        }
    }

    @Test("answers that were read are delivered, though a call made upon one of them finds the peer gone")
    func answersAtTheEnd() async throws {
        try await withPeer { client, peer in
            let ends = Mutex<[Bool]>([])
            for _ in 0..<64 {
                client.unary(service: "s", method: "m", Empty()) { answer in
                    ends.withLock { $0.append((try? answer.get()) != nil) }
                    client.unary(service: "s", method: "m", Empty()) { answer in
                        ends.withLock { $0.append((try? answer.get()) != nil) }
                    }
                }
            }
            var answers: [UInt8] = []
            for _ in 0..<64 { answers += frame(2, id: try peer.receive().header.streamID) }
            try peer.send(answers)
            peer.shut()
            #expect(try await client.closed.get() != .closed)
            #expect(ends.withLock { $0.count { $0 } } == 64)
            #expect(ends.withLock { $0.count } == 128)
        }
    }

    @Test("when the connection ends, each open call ends once with UNAVAILABLE, and later ones at once")
    func ends() async throws {
        try await withClient { client, service in
            async let stream = client.collect("SilentStream")
            async let unary: RPCError? = client.failure("Silent")
            try await service.wait(for: "holding 1")
            try await service.wait(for: "holding 3")
            let _: RPCError? = await client.failure("Close")
            let closed = RPCError(.unavailable, "the peer closed the connection")
            #expect(await stream == [.end(closed)])
            #expect(await unary == closed)
            #expect(try await client.closed.get() == .closedByPeer)
            try await client.onClose.get()
            #expect(await client.failure("Hello") == closed)
            #expect(await client.collect("Count") == [.end(closed)])
        }
    }

    @Test("close ends open calls, and is what is said of it")
    func close() async throws {
        try await withClient { client, service in
            async let unary: RPCError? = client.failure("Silent")
            try await service.wait(for: "holding 1")
            client.close()
            client.close()
            #expect(await unary == RPCError(.unavailable, "the connection was closed"))
            #expect(try await client.closed.get() == .closed)
            try await service.wait(for: "cancelled 1 cancelled")
        }
    }

    @Test("a request over 4 MiB fails here, and the connection lives on")
    func largeRequest() async throws {
        try await withClient { client, _ in
            let large = Agent.PingResponse(version: String(repeating: "x", count: 4 << 20), pid: 1)
            await #expect(throws: RPCError.self) {
                let _: Empty = try await client.unary(service: TestService.name, method: "Hello", large)
            }
            try await client.hello()
        }
    }

    @Test("nobody listening, no such host and no such path are UNAVAILABLE in plain words")
    func cannotConnect() async throws {
        let group = MultiThreadedEventLoopGroup.singleton
        await #expect(throws: RPCError(.unavailable, "cannot connect to 127.0.0.1:1: Connection refused")) {
            try await ClientConnection.connect(host: "127.0.0.1", port: 1, group: group)
        }
        await #expect(throws: RPCError(.unavailable, "cannot connect to /nowhere: No such file or directory")) {
            try await ClientConnection.connect(unixSocket: "/nowhere", group: group)
        }
        await #expect(
            throws: RPCError(
                .unavailable,
                "cannot connect to no.such.host.invalid:1: the host name no.such.host.invalid is not known")
        ) {
            try await ClientConnection.connect(host: "no.such.host.invalid", port: 1, group: group)
        }
    }

    private func withClient(_ body: (ClientConnection, TestService) async throws -> Void) async throws {
        try await withServer { service, port, _ in
            let client = try await ClientConnection.connect(
                host: "127.0.0.1", port: port, group: MultiThreadedEventLoopGroup.singleton)
            defer { client.close() }
            try await body(client, service)
        }
    }
}

extension ClientConnection {
    func hello() async throws(RPCError) {
        let _: Agent.PingResponse = try await unary(service: TestService.name, method: "Hello", Agent.PingRequest())
    }

    func failure(_ method: String) async -> RPCError? {
        do throws(RPCError) {
            let _: Empty = try await unary(service: TestService.name, method: method, Empty())
            return nil
        } catch {
            return error
        }
    }

    /// Collects all events of a stream.
    func collect(_ method: String, timeout: TimeAmount? = nil) async -> [StreamEvent] {
        let (events, continuation) = AsyncStream.makeStream(of: StreamEvent.self)
        stream(service: TestService.name, method: method, Empty(), timeout: timeout) { event in
            continuation.yield(event)
            if case .end = event { continuation.finish() }
        }
        var all: [StreamEvent] = []
        for await event in events { all.append(event) }
        return all
    }
}

extension StreamEvent {
    fileprivate var pid: UInt32? {
        guard case .message(let bytes) = self else { return nil }
        return (try? Agent.PingResponse(decoding: Array(bytes.readableBytesView)))?.pid
    }
}
