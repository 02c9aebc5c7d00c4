// SPDX-License-Identifier: Apache-2.0

/// A load test and its results, from which the text, the page and the comparison are made; `--json` writes it.
/// Latencies are in nanoseconds, all other times in seconds.
package struct LoadReport: Codable, Sendable, Equatable {
    /// The version of this format.
    package static let format = 1

    package var format = LoadReport.format
    package var plan: PlanReport
    /// When the test began: seconds since 1970.
    package var startedAt: Double
    /// Whether the user ended the test early.
    package var endedEarly: Bool
    /// The measured time without the warm-up, in seconds.
    package var seconds: Double
    /// Operations that succeeded within the measured time.
    package var completed: UInt64
    /// Operations that failed within the measured time.
    package var failed: UInt64
    /// Output bytes that arrived within the measured time.
    package var bytes: UInt64
    package var operations: [OperationReport]
    package var failures: [FailureReport]
    /// Operations that were due and had not ended when the test was over. The quantiles include the time that they had
    /// waited, as the least that they would have taken.
    package var unanswered: UInt64
    package var series: [IntervalReport]
    /// The measured time in 20 parts, from which a comparison estimates the noise.
    package var slices: [SliceReport]
    package var pool: [PoolPoint]
    package var server: ServerReport
    package var harness: HarnessReport
    /// What was measured in turn with the server, to compare with.
    package var baseline: BaselineReport?

    /// Operations per second that succeeded.
    package var rate: Double { seconds > 0 ? Double(completed) / seconds : 0 }
    package var bytesPerSecond: Double { seconds > 0 ? Double(bytes) / seconds : 0 }
    /// The latency of all operations together, without the baseline.
    package var total: LatencyReport
}

/// The plan of the test.
package struct PlanReport: Codable, Sendable, Equatable {
    package var scenario: String
    package var address: String
    package var pool: String?
    /// Empty if the scenario runs no program.
    package var command: [String]
    /// Only for a closed loop.
    package var concurrency: Int?
    /// Only for an open loop: operations per second.
    package var rate: Double?
    package var spacing: String?
    package var maxInFlight: Int?
    package var connections: Int
    /// Number of leases that were held during the whole test.
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
    /// The status code of the call, or how the program ended.
    package var kind: String
    package var count: UInt64
    /// The message of the first failure of this kind.
    package var message: String
}

/// Operations that ended within one interval.
package struct IntervalReport: Codable, Sendable, Equatable {
    /// Seconds from the start of the measured time to the end of the interval.
    package var at: Double
    package var seconds: Double
    package var completed: UInt64
    package var failed: UInt64
    package var bytes: UInt64
    package var p50: UInt64
    package var p99: UInt64
    package var max: UInt64
}

/// Operations that ended within one of the 20 parts of the measured time, for comparisons.
package struct SliceReport: Codable, Sendable, Equatable {
    package var seconds: Double
    package var completed: UInt64
    package var bytes: UInt64
    package var p50: UInt64
    package var p90: UInt64
    package var p99: UInt64
    package var p999: UInt64
}

/// The members of a pool at one moment.
package struct PoolPoint: Codable, Sendable, Equatable {
    /// Seconds from the start of the measured time; negative in the warm-up.
    package var at: Double
    package var target: UInt32
    package var idle: UInt32
    package var leased: UInt32
    package var starting: UInt32
    /// Nil in reports of older versions, which did not have it.
    package var resetting: UInt32?
    package var stopping: UInt32
    package var waiters: UInt32
    /// Whether no create was tried because one had failed.
    package var isBreakerOpen: Bool
}

/// The server's description of itself.
package struct ServerReport: Codable, Sendable, Equatable {
    package var version: String
    package var runtime: String
    package var pool: String
    package var image: String
    /// The round trip of an empty call, one at a time, before the test. No operation can be faster.
    package var roundTrip: LatencyReport?
}

/// The engine whose exec was measured as the operation `dockerExec`.
package struct BaselineReport: Codable, Sendable, Equatable {
    package var engine: String
    package var image: String
}

/// The load tester and its machine, to judge how far the figures can be trusted.
package struct HarnessReport: Codable, Sendable, Equatable {
    package var version: String
    package var cpus: Int
    package var cpuModel: String
    package var kernel: String
    /// What timing and recording adds to one operation, in nanoseconds, measured before the test.
    package var costPerOperation: Double
    /// CPUs that this process, including the client library, used on average in the measured time.
    package var cpusUsed: Double
    /// CPUs that all processes of the machine used; nil if it is unknown.
    package var machineCpusUsed: Double?
    /// How late sleeps of this process ended: pauses of the machine and of the tester, which are not the server's.
    package var wakeDelay: LatencyReport
    /// Maximum memory of this process, in bytes.
    package var peakMemoryBytes: UInt64
    /// Open loop: the longest time that a due operation waited because `maxInFlight` others were in flight, in
    /// nanoseconds.
    package var longestBacklog: UInt64
}
