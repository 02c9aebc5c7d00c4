// SPDX-License-Identifier: Apache-2.0

/// Durations since the server's start, counted in fixed buckets: what a monitoring system needs to compute quantiles over any
/// time and over several servers.
public struct DurationHistogram: Sendable, Equatable {
    /// Upper ends of the buckets, each included in its bucket; a last bucket has no end.
    public static let bounds: [Duration] = [
        .microseconds(100), .microseconds(250), .microseconds(500), .milliseconds(1), .microseconds(2500),
        .milliseconds(5), .milliseconds(10), .milliseconds(25), .milliseconds(50), .milliseconds(100),
        .milliseconds(250), .milliseconds(500), .seconds(1), .milliseconds(2500), .seconds(5), .seconds(10),
        .seconds(30), .seconds(60), .seconds(300), .seconds(1800),
    ]

    /// How many durations each bucket has: one bucket more than there are bounds.
    public private(set) var counts = [UInt64](repeating: 0, count: bounds.count + 1)
    public private(set) var sum = Duration.zero

    public init() {}

    public mutating func record(_ duration: Duration) {
        // Most acquires take no time at all: no search for them.
        let bucket = duration == .zero ? 0 : Self.bounds.firstIndex { duration <= $0 } ?? Self.bounds.count
        counts[bucket] += 1
        sum += duration
    }
}
