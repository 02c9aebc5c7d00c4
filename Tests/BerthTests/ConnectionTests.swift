// SPDX-License-Identifier: Apache-2.0

import Berth
import BerthRPC
import BerthSchema
import NIOCore
import NIOPosix
import Testing
import TestSupport

@Suite("A client's connection", .timeLimit(.minutes(1)))
struct ConnectionTests {
    private func isExecute(_ asked: ScriptedServer.Asked) -> Bool { if case .execute = asked { true } else { false } }

    @Test("is made at the first call, made anew at the next one after it was lost, and nothing is run twice")
    func reconnects() async throws {
        try await ScriptedServer.with { server, _ in
            let client = try BerthClient(address: server.address)
            #expect(!client.isConnected)
            let first = client.execute(Command(["x"]))
            let stream = try await server.stream()
            stream.send(.start)
            _ = try await first.id
            #expect(client.isConnected)
            stream.cutConnection()
            let error = await #expect(throws: BerthError.self) { for try await _ in first {} }
            #expect(error?.code == .unavailable)
            // At once, whoever has noticed the loss by then.
            #expect(try await client.hello().server == "scripted")
            #expect(server.asked.filter(isExecute).count == 1)
            client.close()
            let closed = await #expect(throws: BerthError.self) { _ = try await client.hello() }
            #expect(closed?.code == .unavailable)
        }
    }

    @Test("the first call after a loss goes to the new connection, however soon it comes")
    func soon() async throws {
        try await ScriptedServer.with { server, _ in
            let client = try BerthClient(address: server.address)
            for index in 0..<50 {
                let execution = client.execute(Command(["x"]))
                let stream = try await server.stream(index)
                stream.send(.start)
                _ = try await execution.id
                stream.cutConnection()
                await #expect(throws: BerthError.self) { for try await _ in execution {} }
                #expect(try await client.hello().server == "scripted", "after loss \(index)")
            }
            client.close()
        }
    }

    @Test("what was lost goes on with resume, on the same client")
    func resumes() async throws {
        try await ScriptedServer.with { server, _ in
            let client = try BerthClient(address: server.address)
            let first = client.execute(Command(["x"]), in: Lease(token: "secret"))
            let stream = try await server.stream()
            stream.send([.start, .out(0, Array("one".utf8))])
            await #expect(throws: BerthError.self) {
                for try await event in first { if case .output = event { stream.cutConnection() } }
            }
            let second = try client.resume(first)
            try await server.stream(1).send([.start, .out(3, Array("two".utf8)), .end])
            #expect(try await second.collect().text == "two")
            client.close()
        }
    }

    @Test("while there is no server, a call tries again until the time to connect is up, and says where it tried")
    func noServer() async throws {
        var configuration = BerthClient.Configuration()
        configuration.connectTimeout = .milliseconds(300)
        let address = ServerAddress.unix(path: "/tmp/berth-no-such-\(UInt64.random(in: 0...UInt64.max))")
        let client = try BerthClient(address: address, configuration: configuration)
        let began = ContinuousClock.now
        let error = await #expect(throws: BerthError.self) { _ = try await client.hello() }
        #expect(error?.code == .unavailable)
        #expect(error?.message.contains("\(address)") == true, "\(String(describing: error))")
        // At least the first pause, which is 25 ms or more: it tried twice.
        #expect(ContinuousClock.now - began >= .milliseconds(25))
        // Executions, which begin without waiting, say the same.
        let execution = await #expect(throws: BerthError.self) { _ = try await client.run(Command(["x"])) }
        #expect(execution?.code == .unavailable)
    }

    @Test("a call whose task is cancelled, or whose deadline passes, does not wait for the connection")
    func leaving() async throws {
        var configuration = BerthClient.Configuration()
        configuration.connectTimeout = .seconds(3600)
        let client = try BerthClient(address: .unix(path: "/tmp/berth-no-such-socket"), configuration: configuration)
        let waiting = Task { try await client.hello() }
        waiting.cancel()
        let left = await #expect(throws: BerthError.self) { _ = try await waiting.value }
        #expect(left?.code == .cancelled)
        let late = await #expect(throws: BerthError.self) {
            _ = try await client.run(Command(["x"]), deadline: .milliseconds(50))
        }
        #expect(late?.code == .unavailable)
        // And closing the client ends what waits.
        let last = Task { try await client.hello() }
        client.close()
        await #expect(throws: BerthError.self) { _ = try await last.value }
    }

    @Test("a server that says nothing to a call that waits, nor to the question whether it is there, counts as lost")
    func mute() async throws {
        let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { $0.eventLoop.makeSucceededVoidFuture() }
            .bind(host: "127.0.0.1", port: 0).get()
        var configuration = BerthClient.Configuration()
        configuration.keepalive = .milliseconds(100)
        let client = try BerthClient(
            address: .tcp(host: "127.0.0.1", port: listener.localAddress?.port ?? 0), configuration: configuration)
        let error = await #expect(throws: BerthError.self) { _ = try await client.run(Command(["x"])) }
        #expect(error?.code == .unavailable)
        #expect(error?.message.contains("has said nothing for") == true, "\(String(describing: error))")
        client.close()
        try await listener.close()
    }

    @Test("a server that answers the question is waited for, however long its programs say nothing")
    func silentProgram() async throws {
        try await ScriptedServer.with { server, _ in
            var configuration = BerthClient.Configuration()
            configuration.keepalive = .seconds(2)
            let client = try BerthClient(address: server.address, configuration: configuration)
            let execution = client.execute(Command(["x"]))
            let stream = try await server.stream()
            stream.send(.start)
            _ = try await execution.id
            // One Hello says who connects; the others are questions, and one that is not answered would be the last.
            try await eventually("two questions") { server.hellos >= 3 }
            stream.send(.end)
            #expect(try await execution.collect().ended.cause == .exited)
            client.close()
        }
    }

    @Test("a deadline ends the call and goes to the server")
    func deadline() async throws {
        try await ScriptedServer.with { server, client in
            let error = await #expect(throws: BerthError.self) {
                _ = try await client.run(Command(["x"]), deadline: .milliseconds(50))
            }
            #expect(error?.code == .deadlineExceeded)
        }
    }

    @Test("an address that BERTH_SERVER may hold is read as it is written, and what is none says what would be right")
    func addresses() throws {
        #expect(try ServerAddress("unix:/run/berth.sock") == .unix(path: "/run/berth.sock"))
        #expect(try ServerAddress(":7411") == .standard)
        let error = #expect(throws: BerthError.self) { _ = try ServerAddress("nowhere") }
        #expect(error?.code == .invalidArgument)
    }
}
