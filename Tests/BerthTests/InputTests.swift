// SPDX-License-Identifier: Apache-2.0

import Berth
import BerthRPC
import BerthSchema
import Testing
import TestSupport

@Suite("Input and signals, as the client sends them", .timeLimit(.minutes(1)))
struct InputTests {
    private func inputs(_ server: ScriptedServer) -> [InputRequest] {
        server.asked.compactMap { if case .input(let request) = $0 { request } else { nil } }
    }

    @Test("a write waits for the start, goes out in pieces of 256 KiB, and counts the input sent with the program")
    func pieces() async throws {
        try await ScriptedServer.with { server, client in
            var command = Command(["cat"], stdin: [1, 2, 3])
            command.keepsStdinOpen = true
            let execution = client.execute(command)
            let stream = try await server.stream()
            // What came with the program counts as taken.
            let bytes = (0..<600_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
            let written = Task { try await execution.write(bytes) }
            #expect(inputs(server).isEmpty)
            stream.send(.start)
            await #expect(throws: BerthError.self) { try await written.value }
            #expect(inputs(server).map(\.offset) == [3])
        }
        try await ScriptedServer.with { server, client in
            var command = Command(["cat"])
            command.keepsStdinOpen = true
            let execution = client.execute(command)
            try await server.stream().send(.start)
            let bytes = (0..<600_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
            try await execution.write(bytes)
            #expect(execution.inputOffset == 600_000)
            try await execution.closeInput()
            let seen = inputs(server)
            #expect(seen.map(\.offset) == [0, 256 << 10, 512 << 10, 600_000])
            #expect(seen.flatMap(\.data) == bytes)
            #expect(seen.map(\.isEnd) == [false, false, false, true])
        }
    }

    @Test("what several tasks write stays together, one Input at a time")
    func several() async throws {
        try await ScriptedServer.with { server, client in
            let execution = client.execute(Command(["cat"]))
            try await server.stream().send(.start)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for writer in 0..<20 {
                    group.addTask { try await execution.write(Array(repeating: UInt8(writer), count: 300_000)) }
                }
                try await group.waitForAll()
            }
            let all = inputs(server).flatMap(\.data)
            #expect(all.count == 20 * 300_000)
            var runs: [UInt8] = []
            for byte in all where runs.last != byte { runs.append(byte) }
            #expect(Set(runs).count == 20)
            #expect(runs.count == 20, "no write is torn apart")
        }
    }

    @Test("a write that is cancelled leaves at once, and the next one waits until the server has answered for it")
    func cancelled() async throws {
        try await ScriptedServer.with(ScriptedServer(answersInput: false)) { server, client in
            let execution = client.execute(Command(["cat"]))
            try await server.stream().send(.start)
            let first = Task { try await execution.write([1, 1]) }
            try await eventually("it is on its way") { inputs(server).count == 1 }
            let waiting = Task { try await execution.write([2]) }
            let next = Task { try await execution.write([3]) }
            waiting.cancel()
            await #expect(throws: BerthError.self) { try await waiting.value }
            first.cancel()
            await #expect(throws: BerthError.self) { try await first.value }
            _ = try await client.hello()
            #expect(inputs(server).count == 1)
            server.answerInput()
            try await eventually("the next one") { inputs(server).count == 2 }
            server.answerInput()
            try await next.value
            #expect(inputs(server).map(\.offset) == [0, 2])
            #expect(inputs(server).map(\.data) == [[1, 1], [3]])
        }
    }

    @Test("who attaches learns first how far the input is")
    func attached() async throws {
        try await ScriptedServer.with { server, client in
            let first = client.execute(Command(["cat"]))
            try await server.stream().send(.start)
            try await first.write(Array("hello".utf8))
            let second = client.attach("x1", from: .now)
            try await server.stream(1).send(.start)
            #expect(second.inputOffset == nil)
            try await second.write(Array(" world".utf8))
            #expect(second.inputOffset == 11)
            #expect(inputs(server).map(\.offset) == [0, 0, 5])
        }
    }

    @Test("signals by number and name, cancel with a grace, and a terminal's size go where they belong")
    func beside() async throws {
        try await ScriptedServer.with { server, client in
            let lease = Lease(token: "secret")
            let execution = client.execute(Command(shell: "true"), in: lease)
            try await server.stream().send(.start)
            try await execution.signal(15)
            try await execution.signal("USR1")
            try await execution.signal(.interrupt)
            try await execution.cancel(grace: .milliseconds(250))
            try await execution.resize(rows: 40, columns: 132)
            #expect(try await client.executions(in: lease).map(\.execution) == ["x1"])
            #expect(
                server.asked.dropFirst() == [
                    .signal(SignalRequest(lease: "secret", execution: "x1", signal: 15)),
                    .signal(SignalRequest(lease: "secret", execution: "x1", signalName: "USR1")),
                    .signal(SignalRequest(lease: "secret", execution: "x1", signal: 2)),
                    .signal(
                        SignalRequest(lease: "secret", execution: "x1", isCancel: true, graceMilliseconds: 250)),
                    .resize(
                        ResizeTerminalRequest(
                            lease: "secret", execution: "x1", terminal: Terminal(rows: 40, columns: 132))),
                    .list(ListExecutionsRequest(lease: "secret")),
                ])
        }
    }

    @Test("standard input of any length goes with the program: what is over 1 MiB follows, and later writes after it")
    func long() async throws {
        let bytes = (0..<(3 << 20)).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        for keepsOpen in [false, true] {
            try await ScriptedServer.with { server, client in
                var command = Command(["cat"], stdin: bytes)
                command.keepsStdinOpen = keepsOpen
                let execution = client.execute(command)
                let stream = try await server.stream()
                guard case .execute(let request) = server.asked[0] else {
                    throw NeverHappened(description: "an execute: \(server.asked)")
                }
                #expect(request.stdin.count == 1 << 20 && request.keepsStdinOpen)
                server.take(request.stdin.count)
                stream.send(.start)
                if keepsOpen { try await execution.write([1, 2, 3]) }
                let all = bytes + (keepsOpen ? [1, 2, 3] : [])
                try await eventually("all of the input") { execution.inputOffset == UInt64(all.count) }
                #expect(request.stdin + inputs(server).flatMap(\.data) == all)
                #expect(inputs(server).map(\.isEnd).contains(true) == !keepsOpen)
            }
        }
    }

    @Test("the last of the input goes with its end, in one request")
    func last() async throws {
        try await ScriptedServer.with { server, client in
            let execution = client.attach("x1", from: .held)
            try await server.stream().send(.start)
            try await execution.closeInput(after: [7, 8])
            #expect(
                inputs(server).filter { !$0.data.isEmpty } == [
                    InputRequest(execution: "x1", data: [7, 8], isEnd: true)
                ])
        }
    }

    @Test("a command whose input stays open is not one to collect the output of")
    func openInput() async throws {
        try await ScriptedServer.with { server, client in
            var command = Command(["cat"])
            command.keepsStdinOpen = true
            let error = await #expect(throws: BerthError.self) { _ = try await client.run(command) }
            #expect(error?.code == .invalidArgument)
            #expect(server.asked.isEmpty)
        }
    }

    @Test("every way to say what to run, and every limit, is in the request")
    func commands() async throws {
        try await ScriptedServer.with { server, client in
            var full = Command(code: "print(1)", language: "python", cwd: "/tmp", grace: .seconds(1))
            full.terminal = Terminal(rows: 5, columns: 6)
            full.idleTimeout = .seconds(2)
            full.cpuTime = .seconds(3)
            full.maxOutput = 4
            full.outputPolicy = .kill
            full.keepsBackground = true
            full.resumable = .seconds(5)
            full.unwatched = .wait
            let executions = [client.execute(Command(shell: "ls | wc")), client.execute(full, pool: "p")]
            _ = try await server.stream(1)
            #expect(server.asked[0] == .execute(ExecuteRequest(shell: "ls | wc", windowBytes: 512 << 10)))
            #expect(
                server.asked[1]
                    == .execute(
                        ExecuteRequest(
                            pool: "p", code: "print(1)", language: "python", cwd: "/tmp",
                            terminal: Terminal(rows: 5, columns: 6), graceMilliseconds: 1000,
                            idleTimeoutMilliseconds: 2000, cpuTimeMilliseconds: 3000, keepsBackground: true,
                            windowBytes: 512 << 10, maxOutputBytes: 4, outputPolicy: .kill,
                            resumableMilliseconds: 5000, unwatched: .wait)))
            withExtendedLifetime(executions) {}
        }
    }
}
