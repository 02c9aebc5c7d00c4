// SPDX-License-Identifier: Apache-2.0

import BerthSchema
import BerthWire
import Glibc
import NIOCore
import NIOPosix
import Synchronization
import Testing
import TestSupport

@testable import BerthRPC

@Suite("Connections that go over to the program that takes this one's place", .serialized)
struct CarryingTests {
    /// A service whose calls go over: it holds `Wait` until it is told, and streams what `Watch` has not had.
    private final class GoingService: RPCService {
        let isOpen = Atomic(false)
        let served = Mutex<[String]>([])
        let number: Int

        init(_ number: Int) { self.number = number }

        func connectionOpened(_ connection: ServerConnection) -> Int { number }
        func carry(_ session: Int) -> String { "session \(session)" }
        func goOn(_ session: Int, _ carried: String) { served.withLock { $0.append(carried) } }

        func serve(_ call: ServerCall, in session: Int) {
            served.withLock { $0.append(call.method) }
            switch call.method {
            case "Wait" where isOpen.load(ordering: .relaxed): call.respond(SignalRequest(execution: "\(call.payload)"))
            case "Wait": (call.keepsPayload, call.carriage) = (true, .again)
            case "Watch":
                call.carriage = .watches(execution: "x", watcher: 5)
                call.send(SignalRequest(execution: "first"))
            case "Much": call.respond(SignalRequest(execution: String(repeating: "m", count: 3 << 20)))
            case "Stuck": break
            default: call.respond(SignalRequest(execution: call.method))
            }
        }

        func goOn(_ call: ServerCall, in session: Int) {
            guard case .watches("x", 5) = call.carriage else { return call.fail(RPCError(.internal, "another")) }
            call.onWritable = {
                call.send(SignalRequest(execution: "second"))
                call.finish()
            }
        }
    }

    /// Takes a client's connection from one server to another, both of this process.
    private static func goOver(
        _ service: GoingService, during change: (RPCServer, RawClient) async throws -> Void, window: Int32? = nil,
        then: (GoingService, RawClient) async throws -> Void
    ) async throws {
        let group = MultiThreadedEventLoopGroup.singleton
        let old = RPCServer(group: group, service: service)
        let address = try await old.listen(host: "127.0.0.1", port: 0)
        let client = try RawClient(port: address.port ?? 0, window: window)
        try client.sayHello()
        try await change(old, client)
        await old.stopAccepting()
        await old.freeze()
        var carried: [CarriedConnection] = []
        for loop in group.makeIterator() {
            carried += try await loop.submit {
                var all = try old.carriedConnections(on: loop)
                for index in all.indices { all[index].descriptor = dup(all[index].descriptor) }
                // At once, so that it writes nothing more.
                for channel in old.state.withLock({ Array($0.connections.values) }) where channel.eventLoop === loop {
                    channel.close(promise: nil)
                }
                return all
            }.get()
        }
        #expect(carried.count == 1)
        let next = GoingService(2)
        next.isOpen.store(true, ordering: .relaxed)
        let new = RPCServer(group: group, service: next)
        for connection in carried { try await new.adopt(connection) }
        await new.goOn()
        let result: Result<Void, any Error>
        do { result = .success(try await then(next, client)) } catch { result = .failure(error) }
        await old.close()
        await new.close()
        try result.get()
    }

    @Test("a call that waits is served again, with its request; a stream goes on; half a frame is read to its end")
    func calls() async throws {
        let request = requestBody("Hello", payload: [], timeout: 0, service: TestService.name)
        let whole = frame(1, 0, id: 9, request)
        let service = GoingService(1)
        try await Self.goOver(service) { server, client in
            try client.request("Wait", id: 5, payload: [1, 2, 3])
            try client.request("Watch", id: 7, flags: 1)
            #expect(try client.receive().header.streamID == 7)
            try client.send(Array(whole.prefix(13)))
            // Until it has read that.
            try await eventually("half a frame is there") {
                for loop in MultiThreadedEventLoopGroup.singleton.makeIterator() {
                    let all = try await loop.submit { try server.carriedConnections(on: loop) }.get()
                    if all.contains(where: { $0.input.unread.buffer.readableBytes == 13 }) { return true }
                }
                return false
            }
        } then: { next, client in
            try client.send(Array(whole.dropFirst(13)))
            var answers: [UInt32: [RawClient.Frame]] = [:]
            while answers[5] == nil || answers[9] == nil || answers[7]?.count != 2 {
                let frame = try client.receive()
                answers[frame.header.streamID, default: []].append(frame)
            }
            let payload = try #require(answers[5]?.first?.response?.payload)
            #expect(String(decoding: payload, as: UTF8.self).contains("[1, 2, 3]"))
            #expect(String(decoding: try #require(answers[7]?.first).data, as: UTF8.self).contains("second"))
            #expect(answers[7]?.last?.header.flags.contains(.noData) == true)
            #expect(answers[9]?.first?.code == 0)
            #expect(next.served.withLock { $0 } == ["session 1", "Wait", "Hello"])
        }
    }

    @Test("what the client has not read yet arrives whole, and once")
    func output() async throws {
        try await Self.goOver(
            GoingService(1),
            during: { server, client in
                for id in stride(from: UInt32(1), to: 11, by: 2) { try client.request("Much", id: id) }
                try await eventually("it has answered") {
                    var waiting = 0
                    for loop in MultiThreadedEventLoopGroup.singleton.makeIterator() {
                        let all = try await loop.submit { try server.carriedConnections(on: loop) }.get()
                        for connection in all { waiting += connection.output.buffer.readableBytes }
                    }
                    return waiting > 1 << 20
                }
            }, window: 32 << 10
        ) { _, client in
            for id in stride(from: UInt32(1), to: 11, by: 2) {
                let frame = try client.receive()
                #expect(frame.header.streamID == id && frame.code == 0)
                #expect((frame.response?.payload.count ?? 0) > 3 << 20)
            }
            try client.sayHello()
        }
    }

    @Test("the rest of a frame that is too long is skipped by who goes on")
    func oversized() throws {
        var first = FrameReader(maxDataLength: 100)
        var bytes = ByteBuffer()
        bytes.writeFrame(.data, [], streamID: 1, size: 200) { $0.initializeMemory(as: UInt8.self, repeating: 7) }
        bytes.writeFrame(.data, [], streamID: 3, size: 2) { $0.copyBytes(from: [1, 2]) }
        first.append(bytes.readSlice(length: 50) ?? ByteBuffer())
        guard case .oversized = first.next() else { throw NeverHappened(description: "no oversized frame") }
        #expect(first.next() == nil)
        var second = FrameReader(maxDataLength: 100)
        second.goOn(first.carried)
        second.append(bytes)
        guard case .frame(let header, let data) = second.next() else { throw NeverHappened(description: "no frame") }
        #expect(header.streamID == 3 && Array(data.readableBytesView) == [1, 2])
    }

    @Test("a call that cannot go over is an obstacle, with its name")
    func obstacle() async throws {
        let service = GoingService(1)
        let server = RPCServer(group: MultiThreadedEventLoopGroup.singleton, service: service)
        let address = try await server.listen(host: "127.0.0.1", port: 0)
        let client = try RawClient(port: address.port ?? 0)
        try client.request("Wait", id: 1)
        try await eventually("it waits") { service.served.withLock { $0 }.contains("Wait") }
        #expect(await server.obstacle() == nil)
        try client.request("Stuck", id: 3)
        try await eventually("it is stuck") { await server.obstacle() == "Stuck" }
        await server.close()
    }
}
