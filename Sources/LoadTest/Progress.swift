// SPDX-License-Identifier: Apache-2.0

/// A load test that is under way.
package struct LoadProgress: Sendable, Equatable {
    package enum Stage: String, Sendable {
        case warmup
        case measuring
        /// The time is over, and what is under way is waited for.
        case draining
    }

    package var stage: Stage
    /// Seconds since the measured time began; before it, until it begins.
    package var seconds: Double
    /// The measured time as planned.
    package var plannedSeconds: Double
    /// In the last second or so: operations and bytes a second, and latencies in nanoseconds.
    package var rate: Double
    package var bytesPerSecond: Double
    package var p50: UInt64
    package var p99: UInt64
    package var max: UInt64
    /// Since the measured time began.
    package var failed: UInt64
    /// Warm members that the server has left; nil when it did not tell.
    package var idle: UInt32?
}

extension LoadProgress {
    /// For people.
    package var line: String {
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
