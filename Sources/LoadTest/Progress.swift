// SPDX-License-Identifier: Apache-2.0

/// The progress of a load test.
package struct LoadProgress: Sendable, Equatable {
    package enum Stage: String, Sendable {
        case warmup
        case measuring
        /// The time is over, and the tester waits for operations in flight.
        case draining
    }

    package var stage: Stage
    /// Seconds since the measured time began; in the warm-up, until it begins.
    package var seconds: Double
    /// The measured time as planned.
    package var plannedSeconds: Double
    /// Operations per second in about the last second; so are the bytes and latencies (in nanoseconds) that follow.
    package var rate: Double
    package var bytesPerSecond: Double
    package var p50: UInt64
    package var p99: UInt64
    package var max: UInt64
    /// Number of failures since the measured time began.
    package var failed: UInt64
    /// Number of idle members of the pool; nil if it is unknown.
    package var idle: UInt32?
}

extension LoadProgress {
    /// The progress as one line of text.
    package var line: String {
        let time =
            switch stage {
            case .warmup: "warm-up, \(Units.fixed(seconds, 0)) s left"
            case .measuring: "\(Units.fixed(seconds, 0)) of \(Units.seconds(plannedSeconds))"
            case .draining: "waiting for operations in flight"
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
