// SPDX-License-Identifier: Apache-2.0

import Berth
import BerthRPC
import BerthSchema
import Pool
import Testing
import TestSupport

@testable import Service

@Suite("Calls beside a running execution: input, signals, terminal sizes")
struct BesideTests {
    private func with(_ body: @escaping (Lease, RawConnection) async throws -> Void) async throws {
        try await TestServer.with { server, client in
            let lease = try await client.acquire()
            let connection = try await RawConnection.open(server)
            try await body(lease, connection)
            connection.close()
        }
    }

    @Test("input reaches the program from another call; what was lost is said again, and gaps and too much are refused")
    func input() async throws {
        try await with { lease, connection in
            let stream = connection.execute(
                ExecuteRequest(
                    lease: lease.token, argv: ["cat"], cwd: "/tmp", stdin: Array("one\n".utf8), keepsStdinOpen: true))
            try await stream.read(stdout: 4)
            let id = try #require(stream.started?.execution)
            func input(_ offset: UInt64, _ text: String, end: Bool = false) async throws -> UInt64 {
                let answer: InputResponse = try await connection.call(
                    "Input",
                    InputRequest(
                        lease: lease.token, execution: id, offset: offset, data: Array(text.utf8), isEnd: end))
                return answer.offset
            }
            #expect(try await input(4, "two\n") == 8)
            #expect(try await input(4, "two\nthree\n") == 14)
            let gap = await #expect(throws: RPCError.self) { _ = try await input(20, "x") }
            #expect(gap?.code == .failedPrecondition)
            let large = await #expect(throws: RPCError.self) {
                _ = try await input(14, String(repeating: "x", count: (256 << 10) + 1))
            }
            #expect(large?.code == .invalidArgument)
            #expect(large?.message.contains("262144") == true)
            #expect(try await input(14, "", end: true) == 14)
            #expect(try await stream.finish().exitCode == 0)
            #expect(stream.stdout.text == "one\ntwo\nthree\n")
            let late = await #expect(throws: RPCError.self) { _ = try await input(14, "x") }
            #expect(late?.code == .notFound, "it has ended and is not kept")
        }
    }

    @Test("input that the program does not read is bounded, and the call beside it goes on")
    func unreadInput() async throws {
        try await with { lease, connection in
            let stream = connection.execute(
                ExecuteRequest(
                    lease: lease.token, shell: "echo ready; sleep 1000", cwd: "/tmp", keepsStdinOpen: true))
            try await stream.read(stdout: 6)
            let id = try #require(stream.started?.execution)
            let (answers, answer) = AsyncStream.makeStream(of: RPCError?.self)
            // In this order, which tasks would not keep: what comes before the bytes that precede it is a gap.
            for index in 0..<40 {
                connection.rpc.unary(
                    service: PoolService.name, method: "Input",
                    InputRequest(
                        lease: lease.token, execution: id, offset: UInt64(index) * 200_000,
                        data: [UInt8](repeating: 7, count: 200_000))
                ) { result in
                    if case .failure(let error) = result { answer.yield(error) } else { answer.yield(nil) }
                }
            }
            var refused = 0
            var answered = 0
            for await error in answers {
                answered += 1
                if error?.code == .resourceExhausted { refused += 1 }
                if refused == 30 {
                    let _: Empty? = try? await connection.call(
                        "Signal", SignalRequest(lease: lease.token, execution: id, isCancel: true))
                }
                if answered == 40 { break }
            }
            #expect(refused >= 30)
            #expect(try await stream.finish().cause == .cancelled)
        }
    }

    @Test("signals by number and by name")
    func signals() async throws {
        try await with { lease, connection in
            for (request, number) in [
                (SignalRequest(signal: 10), 10), (SignalRequest(signalName: "USR2"), 12),
                (SignalRequest(signalName: "sigint"), 2), (SignalRequest(signalName: "SIGRTMIN+1"), 35),
            ] {
                let stream = connection.execute(
                    ExecuteRequest(
                        lease: lease.token, code: signalProgram(number), language: "python", cwd: "/tmp"))
                try await stream.read(stdout: 6)
                var request = request
                request.lease = lease.token
                request.execution = try #require(stream.started?.execution)
                let _: Empty = try await connection.call("Signal", request)
                #expect(try await stream.finish().exitCode == 3, "signal \(number)")
            }
        }
    }

    private func signalProgram(_ number: Int) -> String {
        """
        import signal, sys, os
        signal.signal(\(number), lambda *_: os._exit(3))
        print("ready", flush=True)
        while True: signal.pause()
        """
    }

    @Test("cancel is TERM, a grace, KILL; what ignores TERM is gone after the grace that was asked")
    func cancel() async throws {
        try await with { lease, connection in
            let stream = connection.execute(
                ExecuteRequest(
                    lease: lease.token, shell: "trap 'echo term' TERM; echo ready; while :; do sleep 0.01; done",
                    cwd: "/tmp", graceMilliseconds: 3_600_000))
            try await stream.read(stdout: 6)
            let id = try #require(stream.started?.execution)
            let _: Empty = try await connection.call(
                "Signal", SignalRequest(lease: lease.token, execution: id, isCancel: true, graceMilliseconds: 200))
            let ended = try await stream.finish()
            #expect(ended.cause == .cancelled)
            #expect(stream.stdout.text.hasPrefix("ready\nterm\n"))
        }
    }

    @Test("a signal that is none, and requests that don't say which, are refused in words")
    func refused() async throws {
        try await with { lease, connection in
            let stream = connection.execute(
                ExecuteRequest(lease: lease.token, argv: ["sleep", "1000"], cwd: "/tmp", resumableMilliseconds: 60_000))
            _ = try await stream.next()
            let id = try #require(stream.started?.execution)
            let cases: [(SignalRequest, String)] = [
                (SignalRequest(), "nothing is asked"), (SignalRequest(signal: 65), "65 is not 1 to 64"),
                (SignalRequest(signal: -1), "-1 is not 1 to 64"),
                (SignalRequest(signalName: "FOO"), "no signal \"FOO\"; there is: HUP, INT"),
                (SignalRequest(signalName: "RTMIN+31"), "no signal"),
                (SignalRequest(signal: 2, signalName: "INT"), "more than one"),
                (SignalRequest(signal: 2, graceMilliseconds: 5), "without cancel"),
            ]
            for (request, words) in cases {
                var request = request
                request.lease = lease.token
                request.execution = id
                let error = await #expect(throws: RPCError.self) {
                    let _: Empty = try await connection.call("Signal", request)
                }
                #expect(error?.code == .invalidArgument)
                #expect(error?.message.contains(words) == true, "\(error?.message ?? "")")
            }
            let resize = await #expect(throws: RPCError.self) {
                let _: Empty = try await connection.call(
                    "Resize", ResizeTerminalRequest(lease: lease.token, execution: id, terminal: Terminal(rows: 3)))
            }
            #expect(resize?.code == .failedPrecondition)
            let _: Empty = try await connection.call(
                "Signal", SignalRequest(lease: lease.token, execution: id, signalName: "KILL"))
            _ = try await stream.finish()
            let late = await #expect(throws: RPCError.self) {
                let _: Empty = try await connection.call(
                    "Signal", SignalRequest(lease: lease.token, execution: id, signal: 2))
            }
            #expect(late?.code == .failedPrecondition)
            #expect(late?.message == "the execution has ended")
        }
    }

    @Test("every name of a signal is the number that the kernel has for it")
    func names() {
        let all =
            "HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN "
            + "TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS"
        for (index, name) in all.split(separator: " ").enumerated() {
            #expect(SignalNumber.number(of: String(name)) == Int32(index) + 1)
            #expect(SignalNumber.number(of: "SIG\(name)") == Int32(index) + 1)
        }
        #expect(SignalNumber.number(of: "POLL") == 29)
        #expect(SignalNumber.number(of: "SIGRTMIN") == 34)
        #expect(SignalNumber.number(of: "RTMIN+30") == 64)
        #expect(SignalNumber.number(of: "RTMAX-30") == 34)
        for none in ["", "SIG", "RTMIN+", "RTMIN-1", "RTMAX+1", "RTMIN+x", "SIGSIGINT", "0"] {
            #expect(SignalNumber.number(of: none) == nil, "\(none)")
        }
    }

    @Test("a terminal: its size, its change, what is typed, and its end")
    func terminal() async throws {
        try await with { lease, connection in
            let script = """
                echo $TERM; stty size; tty >/dev/null && echo terminal
                while read line; do echo "got $line"; stty size; done; echo end
                """
            let stream = connection.execute(
                ExecuteRequest(
                    lease: lease.token, shell: script, cwd: "/tmp", terminal: Terminal(rows: 30, columns: 100)))
            func until(_ text: String) async throws {
                while !stream.stdout.text.contains(text) {
                    guard try await stream.next() != nil else { throw NeverHappened(description: text) }
                }
            }
            try await until("terminal\r\n")
            #expect(stream.stdout.text.hasPrefix("xterm-256color\r\n30 100\r\n"))
            let id = try #require(stream.started?.execution)
            let _: Empty = try await connection.call(
                "Resize",
                ResizeTerminalRequest(
                    lease: lease.token, execution: id, terminal: Terminal(rows: 31, columns: 101)))
            var offset: UInt64 = 0
            func type(_ text: String, end: Bool = false) async throws {
                let answer: InputResponse = try await connection.call(
                    "Input",
                    InputRequest(
                        lease: lease.token, execution: id, offset: offset, data: Array(text.utf8), isEnd: end))
                offset = answer.offset
            }
            try await type("hello\n")
            try await until("got hello\r\n31 101\r\n")
            try await type("", end: true)
            try await until("end\r\n")
            #expect(try await stream.finish().exitCode == 0)
            #expect(stream.stderr.isEmpty)
        }
    }
}
