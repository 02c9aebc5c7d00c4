// SPDX-License-Identifier: Apache-2.0

import Berth
import BerthRPC
import BerthSchema
import Testing
import TestSupport

@Suite("Executions whose connection breaks", .timeLimit(.minutes(1)))
struct ResumeTests {
    @Test("what is resumed goes on after what the reader has, and joins it without a gap but what was dropped")
    func resume() async throws {
        try await ScriptedServer.with { server, client in
            var command = Command(["x"])
            command.resumable = .seconds(60)
            let first = client.execute(command, in: Lease(token: "secret"))
            let stream = try await server.stream()
            stream.send([.start, .out(0, Array("one ".utf8)), .out(0, Array("error".utf8), .stderr)])
            var text = ""
            let error = await #expect(throws: BerthError.self) {
                for try await event in first {
                    if case .output(let output) = event { text += String(decoding: output.data, as: UTF8.self) }
                    if first.stderrOffset == 5 { stream.cutConnection() }
                }
            }
            #expect(error?.code == .unavailable)
            let again = try await server.connect()
            let second = try again.resume(first)
            let resumed = try await server.stream(1)
            #expect(
                server.asked.last
                    == .attach(
                        AttachRequest(
                            lease: "secret", execution: "x1", stdoutOffset: 4, stderrOffset: 5,
                            windowBytes: 512 << 10)))
            resumed.send([.start, .dropped(Dropped(stream: .stdout, offset: 4, bytes: 6))])
            resumed.send([.out(10, Array("three".utf8)), .end])
            var dropped: [Dropped] = []
            for try await event in second {
                if case .output(let output) = event { text += String(decoding: output.data, as: UTF8.self) }
                if case .dropped(let event) = event { dropped.append(event) }
            }
            #expect(text == "one errorthree")
            #expect(dropped == [Dropped(stream: .stdout, offset: 4, bytes: 6)])
            #expect(second.stdoutOffset == 15)
            again.close()
        }
    }

    @Test("a connection that breaks again before the resumed stream has started is no loss")
    func brokenAgain() async throws {
        try await ScriptedServer.with { server, client in
            let first = client.execute(Command(["x"]), in: Lease(token: "secret"))
            let stream = try await server.stream()
            stream.send([.start, .out(0, Array("one".utf8))])
            _ = await #expect(throws: BerthError.self) {
                for try await event in first {
                    if case .output = event { stream.cutConnection() }
                }
            }
            let again = try await server.connect()
            let second = try again.resume(first)
            try await server.stream(1).cutConnection()
            await #expect(throws: BerthError.self) { for try await _ in second {} }
            let last = try await server.connect()
            let third = try last.resume(second)
            _ = try await server.stream(2)
            #expect(
                server.asked.last
                    == .attach(
                        AttachRequest(lease: "secret", execution: "x1", stdoutOffset: 3, windowBytes: 512 << 10)))
            withExtendedLifetime(third) {}
            last.close()
        }
    }

    @Test("input goes on where the server last said it was")
    func input() async throws {
        try await ScriptedServer.with(ScriptedServer(answersInput: false)) { server, client in
            let first = client.execute(Command(["cat"]))
            let stream = try await server.stream()
            stream.send(.start)
            let one = Task { try await first.write([1, 1]) }
            try await server.eventuallyAsked("an input") { if case .input = $0 { true } else { false } }
            server.answerInput()
            try await one.value
            // Taken, but the answer is lost.
            let two = Task { try await first.write([2, 2]) }
            try await eventually("a second input") { server.asked.count == 3 }
            stream.cutConnection()
            await #expect(throws: BerthError.self) { try await two.value }
            #expect(first.inputOffset == 2)
            let again = try await server.connect()
            let second = try again.resume(first)
            try await server.stream(1).send(.start)
            let three = Task { try await second.write([2, 2]) }
            try await eventually("the same input") { server.asked.count == 5 }
            #expect(server.asked.last == .input(InputRequest(execution: "x1", offset: 2, data: [2, 2])))
            server.answerInput()
            server.answerInput()
            try await three.value
            #expect(second.inputOffset == 4)
            again.close()
        }
    }

    @Test("what had not started can't be resumed, and says so")
    func unstarted() async throws {
        try await ScriptedServer.with { server, client in
            let first = client.execute(Command(["x"]))
            try await server.stream().cutConnection()
            await #expect(throws: BerthError.self) { _ = try await first.id }
            let again = try await server.connect()
            let error = #expect(throws: BerthError.self) { _ = try again.resume(first) }
            #expect(error?.code == .failedPrecondition)
            again.close()
        }
    }

    @Test("who detaches reads what has come, and then a good end")
    func detach() async throws {
        try await ScriptedServer.with { server, client in
            let execution = client.attach("x1", from: .offsets(stdout: 3, stderr: 0), observes: true)
            let stream = try await server.stream()
            stream.send([.start, .out(3, [4, 5])])
            #expect(try await execution.id == "x1")
            _ = try await client.hello()
            try await execution.detach()
            var events: [ExecuteEvent] = []
            for try await event in execution { events.append(event) }
            #expect(events == [.start, .out(3, [4, 5])])
            #expect(
                server.asked == [
                    .attach(
                        AttachRequest(
                            execution: "x1", stdoutOffset: 3, windowBytes: 512 << 10, isObserver: true)),
                    .detach(DetachRequest(execution: "x1", watcher: 7)),
                ])
        }
    }

    @Test("cancelling the task that reads ends its reading with CancellationError, and the program")
    func cancelled() async throws {
        try await ScriptedServer.with { server, client in
            let execution = client.execute(Command(["x"]))
            try await server.stream().send(.start)
            let reader = Task { for try await _ in execution {} }
            _ = try await execution.id
            reader.cancel()
            await #expect(throws: CancellationError.self) { try await reader.value }
            try await server.eventuallyAsked("a kill") { $0 == .signal(SignalRequest(execution: "x1", signal: 9)) }
        }
    }
}
