// SPDX-License-Identifier: Apache-2.0

import BenchmarkKit
import Berth

/// Contexts, one after another in one lease: how long opening one takes, beside a plain start of the interpreter, how long
/// a piece of code there and back, an interrupt, and copies.
enum ContextBenchmark {
    struct Result: Encodable {
        /// In microseconds.
        var plainStart: Quantiles
        var open: Quantiles
        /// `x`, whose value is shown.
        var piece: Quantiles
        /// The same in bash: `echo $x`.
        var bashPiece: Quantiles
        /// From the signal to the end of the piece, whose variables are kept.
        var interrupts: [String: Quantiles]
        /// 20 copies, one after another, of a context with 50 MB that were written to.
        var copies: Quantiles
        /// A DataFrame as HTML and text; nil where there is no pandas.
        var dataFrame: DataFrame?
    }

    struct DataFrame: Encodable {
        /// It is rendered, and nothing is shown.
        var rendered: Quantiles
        var shown: Quantiles
    }

    /// What runs when the interrupt comes.
    private static let interrupted = [
        ("a loop", "while True: pass"),
        ("a sleep", "import time; time.sleep(60)"),
        ("a call of C", "import re; re.match('(a+)+$', 'a' * 60 + 'b')"),
        ("a subprocess", "import subprocess; subprocess.run(['sleep', '60'])"),
    ]
    private static let copied = 20

    static func run(port: Int, pieces: Int) async throws -> Result {
        let client = try await BerthClient.connect(to: .tcp(host: "127.0.0.1", port: port))
        defer { client.close() }
        let lease = try await client.acquire()
        var (plain, open): ([UInt32], [UInt32]) = ([], [])
        // In turns, so that what else the machine does is in both.
        for _ in 0..<30 {
            plain.append(
                try await timed {
                    let output = try await client.run(Command(["python3", "-c", "pass"]), in: lease)
                    guard output.ended.exitCode == 0 else { throw BenchmarkError(output.ended.message) }
                })
            var context: Context?
            open.append(try await timed { context = try await client.openContext("python", in: lease) })
            if let context { try await client.closeContext(context) }
        }
        let result = Result(
            plainStart: Quantiles(nanoseconds: plain), open: Quantiles(nanoseconds: open),
            piece: try await Self.pieces(pieces, "x = 1", "x", of: "python", client, lease),
            bashPiece: try await Self.pieces(pieces, "x=1", "echo $x", of: "bash", client, lease),
            interrupts: try await interrupts(client, lease), copies: try await copies(client, lease),
            dataFrame: try await dataFrame(client, lease))
        try await client.release(lease)
        return result
    }

    private static func pieces(
        _ count: Int, _ first: String, _ code: String, of language: String, _ client: BerthClient, _ lease: Lease
    ) async throws -> Quantiles {
        let context = try await client.openContext(language, in: lease)
        try await client.run(first, in: context)
        var times: [UInt32] = []
        for _ in 0..<count {
            times.append(
                try await timed {
                    let output = try await client.run(code, in: context)
                    guard output.value == "1" || output.text == "1\n" else { throw BenchmarkError("\(output)") }
                })
        }
        try await client.closeContext(context)
        return Quantiles(nanoseconds: times)
    }

    private static func interrupts(
        _ client: BerthClient, _ lease: Lease
    ) async throws -> [String: Quantiles] {
        let context = try await client.openContext("python", in: lease)
        try await client.run("kept = 1", in: context)
        var found: [String: Quantiles] = [:]
        for (name, code) in interrupted {
            var times: [UInt32] = []
            for _ in 0..<20 {
                times.append(try await timeOfInterrupt(code, context, client))
                guard try await client.run("kept", in: context).value == "1" else { throw BenchmarkError("not kept") }
            }
            found[name] = Quantiles(nanoseconds: times)
        }
        try await client.closeContext(context)
        return found
    }

    private static func timeOfInterrupt(
        _ code: String, _ context: Context, _ client: BerthClient
    ) async throws -> UInt32 {
        let execution = client.execute("print('on', flush=True)\n" + code, in: context)
        let clock = ContinuousClock()
        var sent: ContinuousClock.Instant?
        for try await event in execution {
            switch event {
            case .output where sent == nil:
                // Well into what comes after it.
                try await Task.sleep(for: .milliseconds(30))
                sent = clock.now
                try await execution.signal(.interrupt)
            case .ended(let ended):
                guard let sent, !ended.isContextLost else { throw BenchmarkError("the context is lost: \(ended)") }
                return UInt32(clamping: Int64(sent.duration(to: clock.now).inSeconds * 1e9))
            default: break
            }
        }
        throw BenchmarkError("a piece without an end")
    }

    private static func copies(_ client: BerthClient, _ lease: Lease) async throws -> Quantiles {
        let context = try await client.openContext("python", in: lease)
        try await client.run("array = bytearray(50 << 20); number = -1", in: context)
        // What is loaded for the first one.
        try await client.closeContext(try await client.forkContext(context))
        var times: [UInt32] = []
        for _ in 0..<5 {
            var copies: [Context] = []
            times.append(
                try await timed { for _ in 0..<copied { copies.append(try await client.forkContext(context)) } })
            for (number, copy) in copies.enumerated() {
                try await client.run("array[0] = number = \(number)", in: copy)
            }
            for (number, copy) in copies.enumerated() {
                let value = try await client.run("number, array[0]", in: copy).value
                guard value == "(\(number), \(number))" else { throw BenchmarkError("a copy has \(value ?? "")") }
                try await client.closeContext(copy)
            }
            guard try await client.run("number", in: context).value == "-1" else { throw BenchmarkError("not kept") }
        }
        try await client.closeContext(context)
        return Quantiles(nanoseconds: times)
    }

    private static func dataFrame(_ client: BerthClient, _ lease: Lease) async throws -> DataFrame? {
        let context = try await client.openContext("python", in: lease)
        let code = "import pandas; frame = pandas.DataFrame({name: range(100) for name in 'abcdefgh'}); frame"
        guard try await client.run(code, in: context).failure == nil else {
            try await client.closeContext(context)
            return nil
        }
        var (rendered, shown): ([UInt32], [UInt32]) = ([], [])
        for _ in 0..<100 {
            rendered.append(try await timed { try await client.run("frame._repr_html_(), repr(frame);", in: context) })
            shown.append(
                try await timed {
                    let display = try await client.run("frame", in: context).displays.first
                    guard display?["text/html"] != nil, display?.text != nil else { throw BenchmarkError("no table") }
                })
        }
        try await client.closeContext(context)
        return DataFrame(rendered: Quantiles(nanoseconds: rendered), shown: Quantiles(nanoseconds: shown))
    }

    private static func timed(_ body: () async throws -> Void) async throws -> UInt32 {
        let (clock, began) = (ContinuousClock(), ContinuousClock().now)
        try await body()
        return UInt32(clamping: Int64(began.duration(to: clock.now).inSeconds * 1e9))
    }
}
