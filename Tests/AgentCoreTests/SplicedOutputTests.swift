// SPDX-License-Identifier: Apache-2.0

import AgentSchema
import BerthSchema
import Glibc
import Testing
import TestSupport

@Suite("Large output, which the kernel moves from the program's pipe to the stream")
struct SplicedOutputTests {
    private static let streams = [AgentProcess.Stream.socket, .pipes]

    @Test("a server that does not read stops the program, and gets everything once it does", arguments: streams)
    func stalledServer(stream: AgentProcess.Stream) async throws {
        let agent = try AgentProcess(stream)
        let started = try agent.start(shell: "seq 1 3000000; echo done >&2") { $0.windowBytes = 1 << 30 }
        guard case .started(let begun) = try agent.event(started.streamID) else { throw AgentProcess.StreamEnded() }
        try await blocks(begun.pid)
        let outcome = try agent.finish(started)
        #expect(outcome.text == (1...3_000_000).map { "\($0)\n" }.joined())
        #expect(outcome.errorText == "done\n")
        #expect(outcome.ended.stdoutBytes == UInt64(outcome.stdout.count))
    }

    @Test("both outputs, small pieces between large ones, keep their bytes and their order", arguments: streams)
    func mixed(stream: AgentProcess.Stream) throws {
        let agent = try AgentProcess(stream)
        let script = """
            import os
            for i in range(300):
                size = (i * 7919) % 60000 + 1
                for fd in (1, 2):
                    data = (b"%d:%d:" % (fd, i)) * (size // 6 + 1)
                    while data: data = data[os.write(fd, data[:size]):]
            """
        let outcome = try agent.run(["python3", "-c", script]) { $0.windowBytes = 100_000 }
        for (descriptor, bytes) in [(1, outcome.stdout), (2, outcome.stderr)] {
            var expected: [UInt8] = []
            for index in 0..<300 {
                let size = (index * 7919) % 60000 + 1
                for _ in 0..<(size / 6 + 1) { expected += Array("\(descriptor):\(index):".utf8) }
            }
            #expect(bytes == expected, "descriptor \(descriptor)")
        }
    }

    @Test("an execution that ends while its last output waits for the stream is told after it", arguments: streams)
    func endsWhileItWaits(stream: AgentProcess.Stream) async throws {
        let agent = try AgentProcess(stream)
        // Of some of these sizes the last piece, which has 64 KiB at most, has been announced and fits the stream in
        // part.
        for size in stride(from: 64 << 10, through: 1400 << 10, by: 24 << 10) {
            let script = "import os; os.write(1, b'x' * \(size))"
            let started = try agent.start(["python3", "-c", script]) { $0.windowBytes = 1 << 30 }
            guard case .started(let begun) = try agent.event(started.streamID) else { throw AgentProcess.StreamEnded() }
            try await eventually("the program has ended, or waits") {
                !isThere(Int32(begun.pid)) || isAsleep("\(begun.pid)")
            }
            try await eventually("the agent waits") { isAsleep("\(agent.pid)") }
            let outcome = try agent.finish(started)
            #expect(outcome.stdout.count == size)
            #expect(outcome.stdout.allSatisfy { $0 == UInt8(ascii: "x") }, "\(size)")
            #expect(outcome.ended.stdoutBytes == UInt64(size))
            #expect(outcome.ended.cause == .exited)
        }
    }

    @Test("bytes that a program takes back out of its pipe when they were announced are zeros", arguments: streams)
    func takenBack(stream: AgentProcess.Stream) async throws {
        let agent = try AgentProcess(stream)
        let folder = try temporaryDirectory("taken")
        defer { for path in ["\(folder)/empty", folder] { remove(path) } }
        // Nothing moves once both the stream and the pipe are full: the agent has announced a piece by then.
        let script = """
            import os, time
            back = os.open("/proc/self/fd/1", os.O_RDONLY | os.O_NONBLOCK)
            os.set_blocking(1, False)
            last = time.monotonic()
            while time.monotonic() < last + 0.3:
                try: os.write(1, b"x" * 65536); last = time.monotonic()
                except BlockingIOError: time.sleep(0.01)
            taken = 0
            try:
                while True: taken += len(os.read(back, 1 << 20))
            except BlockingIOError: pass
            assert taken > 0
            os.set_blocking(1, True)
            open("\(folder)/empty", "w")
            os.write(1, b"end")
            """
        let started = try agent.start(["python3", "-c", script]) { $0.windowBytes = 1 << 30 }
        try await eventually("the pipe is emptied") { access("\(folder)/empty", F_OK) == 0 }
        let outcome = try agent.finish(started)
        #expect(outcome.ended.cause == .exited && outcome.ended.exitCode == 0, "\(outcome.errorText)")
        #expect(outcome.ended.stdoutBytes == UInt64(outcome.stdout.count))
        let zeros = outcome.stdout.count { $0 == 0 }
        #expect((1...64 << 10).contains(zeros), "\(zeros)")
        #expect(outcome.stdout.allSatisfy { [0, UInt8(ascii: "x")].contains($0) || "end".utf8.contains($0) })
        #expect(try agent.run(["echo", "on"]).text == "on\n")
    }

    /// Waits until a process, or the child that it waits for, blocks because its pipe is full.
    private func blocks(_ pid: UInt32) async throws {
        try await eventually("the program blocks") {
            let children = String(decoding: contents("/proc/\(pid)/task/\(pid)/children"), as: UTF8.self)
            let writer = children.split(separator: " ").first.map(String.init) ?? "\(pid)"
            return isAsleep(writer)
        }
    }

    private func isAsleep(_ pid: String) -> Bool {
        // After the name, which stands in parentheses.
        String(decoding: contents("/proc/\(pid)/stat"), as: UTF8.self).contains(") S ")
    }
}
