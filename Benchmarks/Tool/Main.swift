// SPDX-License-Identifier: Apache-2.0

import BenchmarkKit
import FoundationEssentials

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// What the benchmarks need beside `berth load`: the parts without a server, and clients of their own. Each command prints
/// its result as one line of JSON. `make bench` is what people call.
@main
struct Main {
    private static let usage = """
        usage: berth-bench state-machine
               berth-bench codec
               berth-bench unary PORT CONNECTIONS IN_FLIGHT SECONDS
               berth-bench acquire PORT SECONDS
               berth-bench write-latency PORT WRITES
               berth-bench unread PORT BYTES
               berth-bench idle PORT CONNECTIONS
               berth-bench contexts PORT PIECES
        """

    static func main() async {
        signal(SIGPIPE, SIG_IGN)
        do {
            let arguments = CommandLine.arguments.dropFirst()
            let numbers = try arguments.dropFirst().map { argument in
                guard let number = Int(argument), number > 0 else { throw BenchmarkError("\(argument) is no number") }
                return number
            }
            switch (arguments.first, numbers.count) {
            case ("state-machine", 0): try report(StateMachineBenchmark.run())
            case ("codec", 0): try report(CodecBenchmark.run())
            case ("unary", 4):
                try await report(
                    UnaryBenchmark.run(
                        port: numbers[0], connections: numbers[1], inFlight: numbers[2], seconds: numbers[3]))
            case ("acquire", 2): try report(AcquireBenchmark.run(port: numbers[0], seconds: numbers[1]))
            case ("write-latency", 2):
                try await report(WriteLatencyBenchmark.run(port: numbers[0], writes: numbers[1]))
            case ("unread", 2): try await UnreadBenchmark.run(port: numbers[0], bytes: numbers[1])
            case ("idle", 2): try IdleConnections.hold(port: numbers[0], count: numbers[1])
            case ("contexts", 2):
                try await report(ContextBenchmark.run(port: numbers[0], pieces: numbers[1]))
            default: throw BenchmarkError("\(usage)")
            }
        } catch {
            writeErrorLine("berth-bench: \(error)")
            exit(1)
        }
    }

    static func report(_ result: some Encodable) throws {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = .sortedKeys
        writeLine(String(decoding: try encoder.encode(result), as: UTF8.self))
    }
}

extension Duration {
    var inSeconds: Double { self / .seconds(1) }
}

/// Of values that all are kept, in microseconds.
struct Quantiles: Encodable {
    var count: Int
    var p50: Double
    var p90: Double
    var p99: Double
    var max: Double

    /// - Parameter nanoseconds: in any order.
    init(nanoseconds: [UInt32]) {
        let sorted = nanoseconds.sorted()
        func value(_ quantile: Double) -> Double {
            guard !sorted.isEmpty else { return 0 }
            let index = (Double(sorted.count) * quantile).rounded(.up) - 1
            return Double(sorted[Swift.max(0, Swift.min(sorted.count - 1, Int(index)))]) / 1000
        }
        count = sorted.count
        p50 = value(0.5)
        p90 = value(0.9)
        p99 = value(0.99)
        max = value(1)
    }
}
