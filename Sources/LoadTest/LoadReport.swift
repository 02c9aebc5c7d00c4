/// A load test and its results: what the text, the page and the comparison are made from, and what `--json` writes.
/// Durations are in nanoseconds where the name says nothing else.
public struct LoadReport: Codable, Sendable, Equatable {
    /// The version of this format.
    public static let format = 1

    public var format = LoadReport.format
    public var plan: PlanReport
    /// When it began: seconds since 1970.
    public var startedAt: Double
    /// Ended by the user before its time.
    public var endedEarly: Bool
    /// The measured time, without the warm-up, in seconds.
    public var seconds: Double
    /// Operations that ended well, and that failed, within the measured time.
    public var completed: UInt64
    public var failed: UInt64
    /// Output bytes that came within the measured time.
    public var bytes: UInt64
    public var operations: [OperationReport]
    public var failures: [FailureReport]
    /// Operations that had begun, or were to begin, and had no end when the test was over; the time that they had waited
    /// stands in the quantiles, as the least that they would have taken.
    public var unanswered: UInt64
    public var series: [IntervalReport]
    /// The same in 20 parts: what the comparison takes the noise from.
    public var slices: [SliceReport]
    public var pool: [PoolPoint]
    public var server: ServerReport
    public var harness: HarnessReport
    /// What the server was compared with, in turn with its own operations.
    public var baseline: BaselineReport?

    /// Operations that ended well, a second.
    public var rate: Double { seconds > 0 ? Double(completed) / seconds : 0 }
    public var bytesPerSecond: Double { seconds > 0 ? Double(bytes) / seconds : 0 }
    /// The latency of all operations, or of the only kind.
    public var total: LatencyReport
}

/// What was asked for.
public struct PlanReport: Codable, Sendable, Equatable {
    public var scenario: String
    public var address: String
    public var pool: String?
    /// Empty: the scenario runs none.
    public var command: [String]
    /// Of a closed loop.
    public var concurrency: Int?
    /// Of an open loop, operations a second.
    public var rate: Double?
    public var spacing: String?
    public var maxInFlight: Int?
    public var connections: Int
    /// Leases held throughout; 0 where none is.
    public var leases: Int
    /// In seconds.
    public var duration: Double
    /// In seconds.
    public var warmup: Double
}

public struct OperationReport: Codable, Sendable, Equatable {
    public var name: String
    public var failed: UInt64
    public var bytes: UInt64
    public var steps: [StepReport]

    public subscript(_ step: Step) -> LatencyReport? { steps.first { $0.name == step.rawValue }?.latency }
}

public struct StepReport: Codable, Sendable, Equatable {
    public var name: String
    public var latency: LatencyReport
}

/// A distribution of durations in nanoseconds.
public struct LatencyReport: Codable, Sendable, Equatable {
    public struct Point: Codable, Sendable, Equatable {
        /// From 0 to 1.
        public var quantile: Double
        public var nanoseconds: UInt64
    }

    public var count: UInt64
    public var min: UInt64
    public var mean: Double
    public var p50: UInt64
    public var p90: UInt64
    public var p99: UInt64
    public var p999: UInt64
    public var p9999: UInt64
    public var max: UInt64
    public var distribution: [Point]
}

public struct FailureReport: Codable, Sendable, Equatable {
    /// A status code of the call, or how the program ended.
    public var kind: String
    public var count: UInt64
    /// What was said the first time.
    public var message: String
}

/// What ended within one interval.
public struct IntervalReport: Codable, Sendable, Equatable {
    /// From the start of the measured time to the interval's end.
    public var at: Double
    public var seconds: Double
    public var completed: UInt64
    public var failed: UInt64
    public var bytes: UInt64
    public var p50: UInt64
    public var p99: UInt64
    public var max: UInt64
}

/// What ended within one of the parts that the measured time is cut into for comparisons.
public struct SliceReport: Codable, Sendable, Equatable {
    public var seconds: Double
    public var completed: UInt64
    public var bytes: UInt64
    public var p50: UInt64
    public var p90: UInt64
    public var p99: UInt64
    public var p999: UInt64
}

/// A pool's members at one moment.
public struct PoolPoint: Codable, Sendable, Equatable {
    /// Seconds from the start of the measured time; negative in the warm-up.
    public var at: Double
    public var target: UInt32
    public var idle: UInt32
    public var leased: UInt32
    public var starting: UInt32
    /// Nil in reports of versions that did not tell.
    public var resetting: UInt32?
    public var stopping: UInt32
    public var waiters: UInt32
    /// No create was tried because one had failed.
    public var isBreakerOpen: Bool
}

/// The server, as it told itself.
public struct ServerReport: Codable, Sendable, Equatable {
    public var version: String
    public var runtime: String
    public var pool: String
    public var image: String
    /// An empty call there and back, one at a time, before the test: what no operation can be faster than.
    public var roundTrip: LatencyReport?
}

/// The engine whose exec was measured, as the operation `dockerExec`.
public struct BaselineReport: Codable, Sendable, Equatable {
    public var engine: String
    public var image: String
}

/// The load tester about itself and its machine: how far its figures can be trusted.
public struct HarnessReport: Codable, Sendable, Equatable {
    public var version: String
    public var cpus: Int
    public var cpuModel: String
    public var kernel: String
    /// What the tester adds to one operation: timing and recording it, measured before the test.
    public var costPerOperation: Double
    /// CPUs that this process, the client library included, used on average in the measured time.
    public var cpusUsed: Double
    /// The same of all processes of the machine; nil where the kernel does not tell.
    public var machineCpusUsed: Double?
    /// How late a thread of this process woke that had asked for a time: pauses of the machine, and of the tester, that no
    /// server is to blame for.
    public var wakeDelay: LatencyReport
    /// Most memory this process had, in bytes.
    public var peakMemoryBytes: UInt64
    /// Open loop: how long an operation that was due waited, at most, because `maxInFlight` were under way already.
    public var longestBacklog: UInt64
}
