// SPDX-License-Identifier: Apache-2.0

import AgentSchema
import BerthSchema
import Glibc
import Testing

@Suite("Output and input")
struct OutputTests {
    @Test(
        "merged, both streams are one pipe: all output is stdout, in the order of writing",
        arguments: AgentProcess.Way.allCases)
    func merged(way: AgentProcess.Way) throws {
        let agent = try AgentProcess(way)
        let script = "i=0; while [ $i -lt 500 ]; do echo out $i; echo err $i >&2; i=$((i+1)); done; echo > /dev/stderr"
        let outcome = try agent.run(shell: script) { $0.mergesOutput = true }
        #expect(outcome.text == (0..<500).map { "out \($0)\nerr \($0)\n" }.joined() + "\n")
        #expect(outcome.stderr.isEmpty)
        #expect(outcome.ended.stderrBytes == 0)
        #expect(outcome.ended.exitCode == 0)
    }

    @Test("output arrives while the program runs")
    func streaming() throws {
        let agent = try AgentProcess()
        let started = try agent.start(shell: "echo first; sleep 1000")
        #expect(try agent.stdout(started, count: 6) == "first\n")
        try agent.signal(started.execution, SIGKILL)
        #expect(try agent.finish(started, stdoutFrom: 6).ended.cause == .signalled)
    }

    @Test(
        "both streams keep their bytes and order, over a socket and over pipes",
        arguments: [AgentProcess.Stream.socket, .pipes])
    func bothStreams(stream: AgentProcess.Stream) throws {
        let agent = try AgentProcess(stream)
        let outcome = try agent.run(shell: "seq 1 200000 & seq 200001 400000 >&2; wait")
        #expect(outcome.text == (1...200_000).map { "\($0)\n" }.joined())
        #expect(outcome.errorText == (200_001...400_000).map { "\($0)\n" }.joined())
        #expect(outcome.ended.stdoutBytes == UInt64(outcome.stdout.count))
        #expect(outcome.ended.stderrBytes == UInt64(outcome.stderr.count))
    }

    @Test("50 MB come through unchanged")
    func fiftyMegabytes() throws {
        let agent = try AgentProcess()
        let outcome = try agent.run(
            shell: "seq 1 10000000 | head -c 50000000 | tee /proc/self/fd/3 3>&1 >/dev/null | cat"
        ) {
            $0.windowBytes = 1 << 20
        }
        #expect(outcome.stdout.count == 50_000_000)
        var expected: UInt64 = 0
        var isEqual = true
        for line in outcome.stdout.split(separator: UInt8(ascii: "\n")).dropLast() {
            expected += 1
            isEqual = isEqual && line.reduce(0) { $0 * 10 + UInt64($1 - 48) } == expected
        }
        #expect(isEqual)
        #expect(expected > 6_000_000)
    }

    @Test("1 MiB of input comes back through cat")
    func echo() throws {
        let agent = try AgentProcess()
        let input = (0..<(1 << 20)).map { UInt8(truncatingIfNeeded: $0 &* 31 ^ $0 >> 8) }
        let outcome = try agent.run(["cat"]) { $0.stdin = input }
        #expect(outcome.stdout == input)
    }

    @Test("input that the program does not read is dropped with it")
    func unreadInput() throws {
        let agent = try AgentProcess()
        let ended = try agent.run(shell: "exec 0<&-; sleep 0.05; exit 4") {
            $0.stdin = [UInt8](repeating: 1, count: 1 << 20)
        }.ended
        #expect(ended.exitCode == 4)
    }

    @Test("without input, standard input ends at once")
    func emptyInput() throws {
        let agent = try AgentProcess()
        #expect(try agent.run(["cat"]).ended.exitCode == 0)
    }

    @Test("no byte leaves beyond the window, and the program blocks until credit comes")
    func window() throws {
        let agent = try AgentProcess()
        let window = 100_000
        let started = try agent.start(shell: "head -c 1000000 /dev/zero; echo done >&2") {
            $0.windowBytes = UInt64(window)
        }
        var received = 0
        while received < window {
            if case .output(let output) = try agent.event(started.streamID) { received += output.data.count }
        }
        #expect(received == window)
        #expect(try agent.frameIfAny(of: started.streamID, within: 100) == nil)
        try agent.acknowledge(started.execution, 1)
        guard case .output(let output) = try agent.event(started.streamID) else {
            Issue.record("no output after credit")
            return
        }
        #expect(output.data.count == 1)
        #expect(output.offset == UInt64(window))
        #expect(try agent.frameIfAny(of: started.streamID, within: 50) == nil)
        // While one execution waits for credit, another runs.
        #expect(try agent.run(["echo", "meanwhile"]).text == "meanwhile\n")
        try agent.acknowledge(started.execution, window)
        let outcome = try agent.finish(started, stdoutFrom: window + 1)
        #expect(outcome.ended.stdoutBytes == 1_000_000)
        #expect(outcome.errorText == "done\n")
    }

    @Test("what was written before the exit is delivered, credit by credit")
    func drainWithoutCredit() throws {
        let agent = try AgentProcess()
        let started = try agent.start(shell: "head -c 60000 /dev/zero; exit 3") { $0.windowBytes = 7 }
        var received = 0
        while let event = try agent.event(started.streamID) {
            switch event {
            case .output(let output):
                received += output.data.count
                let credit = Agent.AcknowledgeRequest(execution: started.execution, bytes: UInt64(output.data.count))
                try agent.open("Acknowledge", credit.encoded())
            case .ended(let ended): #expect(ended.exitCode == 3)
            default: break
            }
        }
        #expect(received == 60000)
    }
}
