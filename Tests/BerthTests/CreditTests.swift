// SPDX-License-Identifier: Apache-2.0

import Berth
import BerthRPC
import BerthSchema
import Synchronization
import Testing
import TestSupport

@Suite("Credit, as the client gives it", .timeLimit(.minutes(1)))
struct CreditTests {
    @Test("each execution asks for a window, and gives credit back for each quarter of it, by absolute offsets")
    func quarters() async throws {
        try await ScriptedServer.with { server, client in
            let execution = client.execute(Command(["x"]), window: 64 << 10)
            let stream = try await server.stream()
            guard case .execute(let request)? = server.asked.first else { throw MissingPart("Execute") }
            #expect(request.windowBytes == 64 << 10)
            stream.send([.start, .out(0, Array(repeating: 1, count: 32 << 10))])
            stream.send(.out(0, Array(repeating: 2, count: 32 << 10), .stderr))
            var iterator = execution.makeAsyncIterator()
            _ = try await iterator.next()
            #expect(!server.asked.contains { if case .acknowledge = $0 { true } else { false } })
            _ = try await iterator.next()
            try await server.eventuallyAsked("credit for stdout") {
                $0
                    == .acknowledge(
                        AcknowledgeRequest(execution: "x1", watcher: 7, stdoutOffset: 32 << 10, stderrOffset: 0))
            }
            _ = try await iterator.next()
            try await server.eventuallyAsked("credit for both") {
                $0
                    == .acknowledge(
                        AcknowledgeRequest(execution: "x1", watcher: 7, stdoutOffset: 32 << 10, stderrOffset: 32 << 10))
            }
            stream.send(.end)
            _ = try await iterator.next()
            #expect(try await iterator.next() == nil)
        }
    }

    @Test("the standard window is 512 KiB, also of what is attached to")
    func standard() async throws {
        try await ScriptedServer.with { server, client in
            let executions = [client.execute(Command(["x"])), client.attach("x1")]
            _ = try await server.stream(1)
            for asked in server.asked {
                switch asked {
                case .execute(let request): #expect(request.windowBytes == 512 << 10)
                case .attach(let request): #expect(request.windowBytes == 512 << 10)
                default: Issue.record("\(asked)")
                }
            }
            withExtendedLifetime(executions) {}
        }
    }

    @Test("a stream whose reader waits does not delay another one of its connection")
    func slowBesideFast() async throws {
        try await ScriptedServer.with { server, client in
            let slow = client.execute(Command(["slow"]))
            let full = try await server.stream()
            full.send([.start] + (0..<8).map { .out($0 * 32 << 10, Array(repeating: 1, count: 32 << 10)) })
            let fast = client.execute(Command(["fast"]))
            try await server.stream(1).send([.start, .out(0, [1, 2, 3]), .end])
            #expect(try await fast.collect().stdout == [1, 2, 3])
            full.send(.end)
            #expect(try await slow.collect().stdout.count == 256 << 10)
        }
    }

    @Test("a server that sends more than the window is told so, and left")
    func tooMuch() async throws {
        try await ScriptedServer.with { server, client in
            let execution = client.execute(Command(["x"]), window: 64 << 10)
            let stream = try await server.stream()
            stream.send([.start] + (0..<3).map { .out($0 * 32 << 10, Array(repeating: 1, count: 32 << 10)) })
            try await server.eventuallyAsked("a detach") { if case .detach = $0 { true } else { false } }
            await #expect(throws: BerthError.self) { for try await _ in execution {} }
            #expect(try await client.hello().server == "scripted")
        }
    }

    @Test(
        "what is written byte by byte is joined while nobody reads, each stream for itself", arguments: [false, true])
    func joined(_ inTurns: Bool) async throws {
        try await ScriptedServer.with { server, client in
            let execution = client.execute(Command(["x"]))
            let stream = try await server.stream()
            let count = 20_000
            stream.send([.start])
            stream.send(
                (0..<count).map { index in
                    let isError = inTurns && index % 2 == 1
                    return .out(
                        inTurns ? index / 2 : index, [UInt8(truncatingIfNeeded: index)], isError ? .stderr : .stdout)
                })
            stream.send(.end)
            try await stream.isSent()
            // Answered after it.
            _ = try await client.hello()
            var (events, out, err) = (0, [UInt8](), [UInt8]())
            for try await event in execution {
                events += 1
                guard case .output(let output) = event else { continue }
                #expect(output.data.count <= 32 << 10)
                if output.stream == .stdout {
                    #expect(output.offset == UInt64(out.count))
                    out += output.data
                } else {
                    #expect(output.offset == UInt64(err.count))
                    err += output.data
                }
            }
            #expect(events < 1200, "\(events) events")
            let all = (0..<count).map { UInt8(truncatingIfNeeded: $0) }
            if inTurns {
                #expect(out == all.indices.filter { $0 % 2 == 0 }.map { all[$0] })
                #expect(err == all.indices.filter { $0 % 2 == 1 }.map { all[$0] })
            } else {
                #expect(out == all)
            }
        }
    }

    @Test("an execution that is dropped unread is killed and detached; a resumable one is only detached")
    func dropped() async throws {
        for resumable in [nil, Duration.seconds(60)] {
            try await ScriptedServer.with { server, client in
                var command = Command(["x"])
                command.resumable = resumable
                do {
                    let execution = client.execute(command)
                    try await server.stream().send([.start, .out(0, [1])])
                    _ = try await execution.id
                }
                try await server.eventuallyAsked("a detach") {
                    $0 == .detach(DetachRequest(execution: "x1", watcher: 7))
                }
                let kill = ScriptedServer.Asked.signal(SignalRequest(execution: "x1", signal: 9))
                #expect(server.asked.contains(kill) == (resumable == nil))
            }
        }
    }

    @Test("one that is dropped before its start is killed at its start")
    func droppedEarly() async throws {
        try await ScriptedServer.with { server, client in
            do {
                let execution = client.execute(Command(["x"]))
                _ = try await server.stream()
                withExtendedLifetime(execution) {}
            }
            #expect(server.asked.count == 1)
            try await server.stream().send(.start)
            try await server.eventuallyAsked("a kill") { $0 == .signal(SignalRequest(execution: "x1", signal: 9)) }
        }
    }

    @Test("what is over the limit of who collects, and what the server dropped, is counted")
    func missing() async throws {
        try await ScriptedServer.with { server, client in
            async let collected = client.run(Command(["x"]), limit: 10)
            let stream = try await server.stream()
            stream.send([.start, .out(0, Array(repeating: 7, count: 25))])
            stream.send(.dropped(Dropped(stream: .stderr, offset: 0, bytes: 5)))
            stream.send([.out(5, Array("text".utf8), .stderr), .end])
            let output = try await collected
            #expect(output.stdout == Array(repeating: 7, count: 10))
            #expect(output.stdoutMissing == 15)
            #expect(output.errorText == "text")
            #expect(output.stderrMissing == 5)
        }
    }
}
