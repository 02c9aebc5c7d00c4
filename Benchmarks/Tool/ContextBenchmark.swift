// SPDX-License-Identifier: Apache-2.0

import BenchmarkKit
import Berth

/// Contexts, one after another in one lease: how long opening one takes, beside a plain start of the interpreter, and how
/// long a piece of code there and back.
enum ContextBenchmark {
    struct Result: Encodable {
        /// In microseconds.
        var plainStart: Quantiles
        var open: Quantiles
        /// `x`, whose value is shown.
        var piece: Quantiles
        /// The same in bash: `echo $x`.
        var bashPiece: Quantiles
    }

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
            bashPiece: try await Self.pieces(pieces, "x=1", "echo $x", of: "bash", client, lease))
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

    private static func timed(_ body: () async throws -> Void) async throws -> UInt32 {
        let (clock, began) = (ContinuousClock(), ContinuousClock().now)
        try await body()
        return UInt32(clamping: Int64(began.duration(to: clock.now).inSeconds * 1e9))
    }
}
