// SPDX-License-Identifier: Apache-2.0

import AgentSchema
import BerthRPC
import BerthSchema
import Dispatch
import NIOCore
import NIOPosix
import Synchronization
import TestSupport

/// A service with a method for each way in which a call can go. It logs what happened.
final class TestService: RPCService {
    static let name = "berth.v1.Pool"
    private let entries = Mutex<[String]>([])
    /// Number of messages that `Endless` and `Deaf` have sent.
    let sent = Atomic<Int>(0)
    /// `Gate` blocks the event loop of its connection until the test signals this.
    let gate = DispatchSemaphore(value: 0)
    /// Number of unary calls that were served.
    let served = Atomic<Int>(0)

    var log: [String] { entries.withLock { $0 } }

    func connectionOpened(_ connection: ServerConnection) -> Held {
        note("opened \(connection.peer.split(separator: ":")[0])")
        if let name = connection.certificateName { note("certificate \(name)") }
        return Held()
    }

    func connectionRefused(_ connection: ServerConnection, speaking name: String) { note("refused \(name)") }

    func handshakeFailed(_ connection: ServerConnection, because words: String) { note("handshake: \(words)") }

    func acceptingPaused(because words: String) { note("paused: \(words)") }

    func connectionClosed(_ connection: ServerConnection, _ held: Held) { note("closed") }

    func serve(_ call: ServerCall, in held: Held) {
        guard call.service == TestService.name else {
            return call.fail(.unimplemented(service: call.service, method: call.method))
        }
        switch call.method {
        case "Hello":
            served.add(1, ordering: .relaxed)
            do throws(RPCError) {
                _ = try call.decode(Agent.PingRequest.self)
                let words = call.metadata.map { "\($0.key)=\($0.value)" }.joined(separator: ",")
                call.respond(Agent.PingResponse(version: words, pid: 7))
            } catch {
                call.fail(error)
            }
        case "Boom": call.fail(RPCError(.unknown, "boom"))
        case "Nothing": call.respond(Empty())
        case "Gate":
            let isOpen = gate.wait(timeout: .now() + 10) == .success
            isOpen ? call.respond(Empty()) : call.fail(RPCError(.deadlineExceeded, "nobody opened the gate"))
        case "Silent", "SilentStream": hold(call, held)
        case "Release": release(call, held)
        case "Count": count(call)
        case "Endless": endless(call)
        case "Ticks": tick(call)
        case "Deaf": deaf(call)
        case "Large":
            call.respond(message(Int(call.payload.count) << 20))
        case "LargeMessage":
            note(call)
            call.send(message(1))
            call.send(message(5 << 20))
        case "Tails": tails(call)
        case "Close": call.connection.close()
        default: call.fail(.unimplemented(service: call.service, method: call.method))
        }
    }

    /// The calls of a connection that are answered by `Release`.
    final class Held { var calls: [ServerCall] = [] }

    private func hold(_ call: ServerCall, _ held: Held) {
        note(call)
        held.calls.append(call)
        note("holding \(call.streamID)")
    }

    /// Answers the held calls, the last one first.
    private func release(_ call: ServerCall, _ session: Held) {
        for held in session.calls.reversed() {
            note("release \(held.streamID)\(held.isEnded ? ", ended" : "")")
            held.isServerStreaming ? held.finish() : held.respond(Agent.PingResponse(version: "held", pid: 1))
        }
        session.calls = []
        call.respond(Empty())
    }

    private func count(_ call: ServerCall) {
        for index in 1...3 { call.send(Agent.PingResponse(version: "", pid: UInt32(index))) }
        call.send(Empty())
        call.finish()
        // Nothing of this goes out.
        call.send(Empty())
        call.finish()
        call.fail(RPCError(.internal, "after the end"))
    }

    /// Sends messages of all sizes, some of which are encoded already. The first byte of each payload is its number.
    private func tails(_ call: ServerCall) {
        note(call)
        for index in UInt8(1)...200 {
            let size = [0, 10, 4095, 4096, 100_000][Int(index) % 5]
            let tail = ByteBuffer(repeating: index, count: size)
            call.send(headSize: 1, { $0[0] = index }, tail: tail)
            if index % 7 == 0 { call.send(Agent.PingResponse(version: "between", pid: 1)) }
        }
        call.finish()
    }

    /// Sends for ever, but only while there is room.
    private func endless(_ call: ServerCall) {
        note(call)
        let chunk = message(32 << 10)
        let id = UInt32(call.payload.count)
        func pump() {
            while call.isWritable {
                call.send(id > 0 ? Agent.PingResponse(version: "", pid: id) : chunk)
                sent.add(1, ordering: .relaxed)
            }
        }
        call.onWritable = { pump() }
        pump()
    }

    /// Sends a message every 10 ms.
    private func tick(_ call: ServerCall) {
        guard !call.isEnded else { return }
        call.send(Agent.PingResponse(version: "", pid: 1))
        call.connection.eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(10)) { self.tick(call) }
    }

    /// Sends even if there is no room.
    private func deaf(_ call: ServerCall) {
        note(call)
        let chunk = message(32 << 10)
        while !call.isEnded {
            call.send(chunk)
            sent.add(1, ordering: .relaxed)
        }
    }

    private func message(_ size: Int) -> Agent.PingResponse {
        Agent.PingResponse(version: String(repeating: "x", count: size), pid: 1)
    }

    private func note(_ call: ServerCall) {
        let id = call.streamID
        call.onCancel = { [unowned self] error in note("cancelled \(id) \(error.code)") }
    }

    private func note(_ entry: String) { entries.withLock { $0.append(entry) } }

    func wait(for entry: String, count: Int = 1) async throws {
        try await eventually("\(entry) in the log of the service") {
            log.count { $0 == entry } >= count
        }
    }
}

/// Runs `body` with a server on a free port of loopback.
func withServer(
    _ change: (inout RPCServer.Configuration) -> Void = { _ in },
    _ body: (_ service: TestService, _ port: Int, _ server: RPCServer) async throws -> Void
) async throws {
    var configuration = RPCServer.Configuration()
    change(&configuration)
    let service = TestService()
    let server = RPCServer(group: MultiThreadedEventLoopGroup.singleton, service: service, configuration: configuration)
    let address = try await server.listen(host: "127.0.0.1", port: 0)
    let result: Result<Void, any Error>
    do {
        result = .success(try await body(service, address.port ?? 0, server))
    } catch {
        result = .failure(error)
    }
    await server.close()
    try result.get()
}
