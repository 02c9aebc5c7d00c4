// SPDX-License-Identifier: Apache-2.0

import Berth
import BerthSchema
import Synchronization
import Testing

@testable import ModelTools

@Suite("The tail of a stream")
struct OutputTailTests {
    @Test("is all of a short one", arguments: [1, 3, 1000])
    func short(_ pieces: Int) {
        var tail = OutputTail(limit: 16)
        for start in stride(from: 0, to: 16, by: pieces) {
            tail.append(Array("0123456789abcdef".utf8)[start..<min(16, start + pieces)])
        }
        #expect(tail.text == ("0123456789abcdef", 0))
    }

    @Test("is the last bytes of a long one, with the number of those before them", arguments: [1, 7, 16, 17, 40, 5000])
    func long(_ pieces: Int) {
        let all = (0..<500).flatMap { Array("\($0 % 10)".utf8) }
        var tail = OutputTail(limit: 16)
        for start in stride(from: 0, to: 500, by: pieces) { tail.append(all[start..<min(500, start + pieces)]) }
        #expect(tail.text == ("4567890123456789", 484))
        #expect(tail.count == 500)
    }

    @Test("begins with a whole character")
    func characters() {
        var tail = OutputTail(limit: 4)
        tail.append(Array("€€€".utf8))
        #expect(tail.text == ("€", 6))
    }

    @Test("has nothing from before a gap")
    func gap() {
        var tail = OutputTail(limit: 16)
        tail.append(Array("before".utf8))
        tail.skip(100)
        tail.append(Array("after".utf8))
        #expect(tail.text == ("after", 106))
    }

    @Test("of a text's head is cut between characters")
    func head() {
        #expect("€€".head(6) == ("€€", 0))
        #expect("€€".head(5) == ("€", 3))
        #expect("abc".head(2) == ("ab", 1))
    }
}

@Suite("What a model is told of a program")
struct ProgramReportTests {
    private func report(_ events: [ExecuteEvent], session: String? = "s", tool: Tool = .runCode) -> ToolResult {
        var report = ProgramReport(session: session)
        for event in events { report.take(event) }
        return report.result(tool)
    }

    private func output(_ text: String, _ stream: OutputStream = .stdout) -> ExecuteEvent {
        .output(Output(stream: stream, data: Array(text.utf8)))
    }

    private func exited(_ code: Int32 = 0, lost: Bool = false) -> ExecuteEvent {
        .ended(Ended(cause: .exited, exitCode: code, usage: Usage(wallMicroseconds: 1500), isContextLost: lost))
    }

    private func shown(_ forms: [(String, [UInt8])], isResult: Bool = false, id: String = "", isUpdate: Bool = false)
        -> ExecuteEvent
    {
        .display(
            Display(
                data: forms.map { MimeData(mime: $0.0, data: $0.1) }, id: id, isUpdate: isUpdate, isResult: isResult))
    }

    private func text(_ result: ToolResult) -> String? {
        if case .text(let text)? = result.blocks.first { text } else { nil }
    }

    @Test("is its output without ado if that is all")
    func plain() {
        let result = report([output("hi\n"), exited()])
        #expect(text(result) == "hi" && !result.isError)
        #expect(result.structured?["stdout"] == "hi\n" && result.structured?["exit_code"] == 0)
        #expect(result.structured?["duration_ms"] == .number("1.5") && result.structured?["ended"] == "exited")
        #expect(text(report([exited()])) == "[no output]")
    }

    @Test("is output, value, error and exit code, each with its name")
    func parts() {
        let result = report([
            output("out\n"), output("err\n", .stderr), shown([("text/plain", Array("42".utf8))], isResult: true),
            exited(3),
        ])
        #expect(text(result) == "out\n[stderr]\nerr\n[value]\n42\n[exit code 3]")
        #expect(result.isError && result.structured?["value"] == "42")
        let failed = report([
            .failure(
                Failure(name: "ZeroDivisionError", message: "division by zero", traceback: ["Traceback:", "  x"])),
            exited(1),
        ])
        #expect(text(failed) == "[error]\nTraceback:\n  x" && failed.isError)
        #expect(failed.structured?["error_name"] == "ZeroDivisionError")
        #expect(failed.structured?["traceback"] == "Traceback:\n  x")
    }

    @Test("is the last 16 KiB of each stream, with the number of bytes left out")
    func tails() {
        let result = report([
            output(String(repeating: "a", count: 100)), output(String(repeating: "b", count: 16384)),
            .dropped(Dropped(stream: .stderr, bytes: 7)), output("e", .stderr), exited(),
        ])
        #expect(result.structured?["stdout_left_out"] == 100 && result.structured?["stderr_left_out"] == 7)
        #expect(result.structured?["stdout"]?.string?.utf8.count == 16384)
        #expect(text(result)?.hasPrefix("[the first 100 bytes of stdout were left out; here is the rest]\nbbb") == true)
        #expect(
            text(result)?.hasSuffix("[stderr]\n[the first 7 bytes of stderr were left out; here is the rest]\ne")
                == true)
    }

    @Test("shows pictures as such, up to 3 MiB, and texts within their room")
    func displays() {
        let png = [UInt8](repeating: 1, count: 1 << 20)
        let result = report(
            [shown([("text/plain", [1]), ("image/png", png)])]
                + (0..<3).map { _ in shown([("image/png", png)]) } + [
                    shown([("text/html", Array("<b>".utf8))]), exited(),
                ])
        #expect(result.blocks.count == 4 && result.structured?["pictures"] == 3)
        #expect(result.blocks.dropFirst().allSatisfy { $0 == .picture(mime: "image/png", bytes: png) })
        #expect(text(result)?.contains("[picture 3: image/png, 1048576 bytes]") == true)
        #expect(text(result)?.contains("[1 more displays were left out") == true)
        #expect(result.structured?["displayed"] == ["<b>"])
        let many = report(
            (0..<100).map { _ in shown([("text/plain", Array(String(repeating: "x", count: 1000).utf8))]) } + [exited()]
        )
        #expect((text(many)?.utf8.count ?? 0) < 20_000)
        #expect(
            text(many)?.contains("84 more displays were left out") == true
                || text(many)?.contains("83 more displays") == true)
    }

    @Test("has an update in the place of what it updates")
    func updates() {
        let result = report([
            shown([("text/plain", Array("1%".utf8))], id: "bar"),
            shown([("text/plain", Array("99%".utf8))], id: "bar", isUpdate: true),
            exited(),
        ])
        #expect(result.structured?["displayed"] == ["99%"])
    }

    @Test("says what became of the session")
    func ends() {
        let timedOut = report([.ended(Ended(cause: .timedOut, message: "the time of 5s is up"))])
        #expect(
            text(timedOut)
                == "[the time of 5s is up; give a larger `timeout`, or do less at once; the code was interrupted, and the session keeps its variables]"
        )
        let lost = report([exited(1, lost: true)])
        #expect(text(lost)?.contains("the next run_code starts a new interpreter") == true && lost.isError)
        #expect(lost.structured?["interpreter_lost"] == true)
        let cancelled = report([.ended(Ended(cause: .cancelled, message: "the lease was released"))])
        #expect(text(cancelled) == "[ended before it was done: the lease was released]" && cancelled.isError)
        let alone = report([.ended(Ended(cause: .timedOut, message: "time"))], session: nil)
        #expect(text(alone)?.contains("session") == false)
        let command = report([.ended(Ended(cause: .signalled, signal: 9))], tool: .runCommand)
        #expect(text(command) == "[ended by signal 9]" && command.structured?["signal"] == 9)
    }

    @Test("is no success if the end never came")
    func noEnd() {
        #expect(report([output("x")]).isError)
    }
}

@Suite("Progress", .timeLimit(.minutes(1)))
struct ProgressMeterTests {
    private func output(_ text: String, _ stream: OutputStream = .stdout) -> Output {
        Output(stream: stream, data: Array(text.utf8))
    }

    @Test("comes at once at first, then at most each 100 ms, always larger, and never after the end")
    func rate() async throws {
        let (sent, sender) = AsyncStream.makeStream(of: (UInt64, String).self)
        let meter = ProgressMeter { sender.yield(($0, $1)) }
        let began = ContinuousClock.now
        for index in 0..<1000 { meter.take(output("\(index % 10)")) }
        var all = sent.makeAsyncIterator()
        let first = await all.next()
        #expect(first?.0 == 1 && first?.1 == "0")
        let second = await all.next()
        #expect(second?.0 == 1000 && second?.1.utf8.count == 999)
        #expect(ContinuousClock.now - began >= .milliseconds(90))
        meter.take(output("late"))
        meter.end()
        meter.take(output("later"))
        try await Task.sleep(for: .milliseconds(150))
        sender.finish()
        #expect(await all.next() == nil)
    }

    @Test("has whole characters of each stream, and the last 4 KiB at most")
    func characters() {
        let sent = Mutex<[String]>([])
        let meter = ProgressMeter { _, text in sent.withLock { $0.append(text) } }
        meter.take(Output(stream: .stdout, data: [0x61, 0xe2, 0x82]))
        #expect(sent.withLock { $0 } == ["a"])
        let other = ProgressMeter { _, text in sent.withLock { $0.append(text) } }
        other.take(output(String(repeating: "x", count: 10_000)))
        #expect(sent.withLock { $0.last?.utf8.count } == 4096)
    }
}

@Suite("The book of sessions")
struct SessionBookTests {
    private let start = ContinuousClock.now

    private func open(_ book: inout SessionBook<Int>, _ id: String, _ handle: Int) {
        let hasRoom = book.reserve()
        #expect(hasRoom)
        book.open(id, handle, start)
    }

    /// The ids of those that end at a time after the start.
    private func expired(_ book: inout SessionBook<Int>, _ time: Duration) -> [String] {
        book.expire(start + time, "idle").map(\.id)
    }

    @Test("has a bound that counts those that are being started")
    func bound() {
        var book = SessionBook<Int>(limit: 2, idleTime: .seconds(10))
        open(&book, "a", 1)
        let room = [book.reserve(), book.reserve()]
        #expect(room == [true, false])
        book.giveUp()
        open(&book, "b", 2)
        let more = book.reserve()
        #expect(!more)
        let ended = [book.end("a", "over"), book.end("a", "again")]
        #expect(ended == [1, nil])
        let again = book.reserve()
        #expect(again)
    }

    @Test("ends those without a call for too long, and knows why afterwards")
    func idle() {
        var book = SessionBook<Int>(limit: 9, idleTime: .seconds(10))
        for (index, id) in ["idle", "busy", "used"].enumerated() { open(&book, id, index) }
        _ = book.begin("busy")
        _ = book.begin("used")
        book.finish("used", start + .seconds(5))
        let ends = [.milliseconds(9999), .seconds(10), .seconds(15)].map { expired(&book, $0) }
        #expect(ends == [[], ["idle"], ["used"]])
        guard case .ended("idle") = book.begin("idle"), case .unknown = book.begin("nobody") else {
            Issue.record("an end is not known")
            return
        }
        book.finish("busy", start + .seconds(100))
        let last = expired(&book, .seconds(110))
        #expect(last == ["busy"] && book.isEmpty)
    }

    @Test("forgets the oldest ends")
    func forgets() {
        var book = SessionBook<Int>(limit: 9, idleTime: .seconds(10))
        for index in 0..<257 {
            open(&book, "\(index)", index)
            _ = book.end("\(index)", "over")
        }
        #expect(book.reason("0") == nil && book.reason("1") == "over" && book.reason("256") == "over")
    }
}
