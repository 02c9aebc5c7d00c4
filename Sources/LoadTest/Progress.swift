/// A load test that is under way.
public struct LoadProgress: Sendable, Equatable {
    public enum Stage: String, Sendable {
        case warmup
        case measuring
        /// The time is over, and what is under way is waited for.
        case draining
    }

    public var stage: Stage
    /// Seconds since the measured time began; before it, until it begins.
    public var seconds: Double
    /// The measured time as planned.
    public var plannedSeconds: Double
    /// In the last second or so: operations and bytes a second, and latencies in nanoseconds.
    public var rate: Double
    public var bytesPerSecond: Double
    public var p50: UInt64
    public var p99: UInt64
    public var max: UInt64
    /// Since the measured time began.
    public var failed: UInt64
    /// Warm members that the server has left; nil when it did not tell.
    public var idle: UInt32?
}

extension LoadProgress {
    /// For people.
    public var line: String {
        let time =
            switch stage {
            case .warmup: "warm-up, \(Units.fixed(seconds, 0)) s left"
            case .measuring: "\(Units.fixed(seconds, 0)) of \(Units.seconds(plannedSeconds))"
            case .draining: "waiting for what is under way"
            }
        var parts = [time, "\(Units.rate(rate))/s"]
        if p50 > 0 {
            parts += ["p50 \(Units.duration(p50))", "p99 \(Units.duration(p99))", "max \(Units.duration(max))"]
        }
        if bytesPerSecond > 0 { parts.append("\(Units.bytes(bytesPerSecond))/s") }
        parts.append("\(Units.count(failed)) failed")
        if let idle { parts.append("\(idle) warm") }
        return parts.joined(separator: "  ")
    }
}
