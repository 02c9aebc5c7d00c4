// SPDX-License-Identifier: Apache-2.0

/// A load test and its results: what the text, the page and the comparison are made from, and what `--json` writes.
/// Durations are in nanoseconds where the name says nothing else.
package struct LoadReport: Codable, Sendable, Equatable {
    /// The version of this format.
    package static let format = 1

    package var format = LoadReport.format
    package var plan: PlanReport
    /// When it began: seconds since 1970.
    package var startedAt: Double
    /// Ended by the user before its time.
    package var endedEarly: Bool
    /// The measured time, without the warm-up, in seconds.
    package var seconds: Double
    /// Operations that ended well, and that failed, within the measured time.
    package var completed: UInt64
    package var failed: UInt64
    /// Output bytes that came within the measured time.
    package var bytes: UInt64
    package var operations: [OperationReport]
    package var failures: [FailureReport]
    /// Operations that had begun, or were to begin, and had no end when the test was over; the time that they had waited
    /// stands in the quantiles, as the least that they would have taken.
    package var unanswered: UInt64
    package var series: [IntervalReport]
    /// The same in 20 parts: what the comparison takes the noise from.
    package var slices: [SliceReport]
    package var pool: [PoolPoint]
    package var server: ServerReport
    package var harness: HarnessReport
    /// What the server was compared with, in turn with its own operations.
    package var baseline: BaselineReport?

    /// Operations that ended well, a second.
    package var rate: Double { seconds > 0 ? Double(completed) / seconds : 0 }
    package var bytesPerSecond: Double { seconds > 0 ? Double(bytes) / seconds : 0 }
    /// The latency of all operations, or of the only kind.
    package var total: LatencyReport
}

/// What was asked for.
package struct PlanReport: Codable, Sendable, Equatable {
    package var scenario: String
    package var address: String
    package var pool: String?
    /// Empty: the scenario runs none.
    package var command: [String]
    /// Of a closed loop.
    package var concurrency: Int?
    /// Of an open loop, operations a second.
    package var rate: Double?
    package var spacing: String?
    package var maxInFlight: Int?
    package var connections: Int
    /// Leases held throughout; 0 where none is.
    package var leases: Int
    /// In seconds.
    package var duration: Double
    /// In seconds.
    package var warmup: Double
}

package struct OperationReport: Codable, Sendable, Equatable {
    package var name: String
    package var failed: UInt64
    package var bytes: UInt64
    package var steps: [StepReport]

    package subscript(_ step: Step) -> LatencyReport? { steps.first { $0.name == step.rawValue }?.latency }
}

package struct StepReport: Codable, Sendable, Equatable {
    package var name: String
    package var latency: LatencyReport
}

/// A distribution of durations in nanoseconds.
package struct LatencyReport: Codable, Sendable, Equatable {
    package struct Point: Codable, Sendable, Equatable {
        /// From 0 to 1.
        package var quantile: Double
        package var nanoseconds: UInt64
    }

    package var count: UInt64
    package var min: UInt64
    package var mean: Double
    package var p50: UInt64
    package var p90: UInt64
    package var p99: UInt64
    package var p999: UInt64
    package var p9999: UInt64
    package var max: UInt64
    package var distribution: [Point]
}

package struct FailureReport: Codable, Sendable, Equatable {
    /// A status code of the call, or how the program ended.
    package var kind: String
    package var count: UInt64
    /// What was said the first time.
    package var message: String
}

/// What ended within one interval.
package struct IntervalReport: Codable, Sendable, Equatable {
    /// From the start of the measured time to the interval's end.
    package var at: Double
    package var seconds: Double
    package var completed: UInt64
    package var failed: UInt64
    package var bytes: UInt64
    package var p50: UInt64
    package var p99: UInt64
    package var max: UInt64
}

/// What ended within one of the parts that the measured time is cut into for comparisons.
package struct SliceReport: Codable, Sendable, Equatable {
    package var seconds: Double
    package var completed: UInt64
    package var bytes: UInt64
    package var p50: UInt64
    package var p90: UInt64
    package var p99: UInt64
    package var p999: UInt64
}

/// A pool's members at one moment.
package struct PoolPoint: Codable, Sendable, Equatable {
    /// Seconds from the start of the measured time; negative in the warm-up.
    package var at: Double
    package var target: UInt32
    package var idle: UInt32
    package var leased: UInt32
    package var starting: UInt32
    /// Nil in reports of versions that did not tell.
    package var resetting: UInt32?
    package var stopping: UInt32
    package var waiters: UInt32
    /// No create was tried because one had failed.
    package var isBreakerOpen: Bool
}

/// The server, as it told itself.
package struct ServerReport: Codable, Sendable, Equatable {
    package var version: String
    package var runtime: String
    package var pool: String
    package var image: String
    /// An empty call there and back, one at a time, before the test: what no operation can be faster than.
    package var roundTrip: LatencyReport?
}

/// The engine whose exec was measured, as the operation `dockerExec`.
package struct BaselineReport: Codable, Sendable, Equatable {
    package var engine: String
    package var image: String
}

/// The load tester about itself and its machine: how far its figures can be trusted.
package struct HarnessReport: Codable, Sendable, Equatable {
    package var version: String
    package var cpus: Int
    package var cpuModel: String
    package var kernel: String
    /// What the tester adds to one operation: timing and recording it, measured before the test.
    package var costPerOperation: Double
    /// CPUs that this process, the client library included, used on average in the measured time.
    package var cpusUsed: Double
    /// The same of all processes of the machine; nil where the kernel does not tell.
    package var machineCpusUsed: Double?
    /// How late a thread of this process woke that had asked for a time: pauses of the machine, and of the tester, that no
    /// server is to blame for.
    package var wakeDelay: LatencyReport
    /// Most memory this process had, in bytes.
    package var peakMemoryBytes: UInt64
    /// Open loop: how long an operation that was due waited, at most, because `maxInFlight` were under way already.
    package var longestBacklog: UInt64
}
