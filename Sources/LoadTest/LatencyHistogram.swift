// SPDX-License-Identifier: Apache-2.0

internal import Histogram

/// Durations, to three significant digits, from 8 ns to an hour: 250 KiB whatever is recorded.
struct LatencyHistogram: Sendable {
    /// What is recorded of a longer one.
    static let longest: Nanoseconds = 3_600_000_000_000

    private var counts = Histogram<UInt64>(
        lowestDiscernibleValue: 10, highestTrackableValue: longest, numberOfSignificantValueDigits: .three)

    var count: UInt64 { counts.totalCount }
    var min: Nanoseconds { count == 0 ? 0 : counts.min }
    var max: Nanoseconds { count == 0 ? 0 : counts.max }
    var mean: Double { count == 0 ? 0 : counts.mean }

    mutating func record(_ duration: Nanoseconds) {
        counts.record(Swift.min(duration, LatencyHistogram.longest))
    }

    mutating func add(_ other: LatencyHistogram) {
        if other.count > 0 { counts.add(other.counts) }
    }

    mutating func reset() {
        if count > 0 { counts.reset() }
    }

    /// The smallest duration that at least the fraction `quantile` of all do not exceed, up to the precision; 0 without
    /// any.
    func value(at quantile: Double) -> Nanoseconds {
        count == 0 ? 0 : Swift.min(counts.valueAtPercentile(quantile * 100), max)
    }

    /// The whole distribution in at most a few hundred points: steps get finer towards the slow end.
    var distribution: [LatencyReport.Point] {
        guard count > 0 else { return [] }
        var points: [LatencyReport.Point] = []
        for value in counts.percentiles(ticksPerHalfDistance: 10) {
            points.append(
                LatencyReport.Point(quantile: value.percentile / 100, nanoseconds: Swift.min(value.value, max)))
        }
        return points
    }

    var report: LatencyReport {
        LatencyReport(
            count: count, min: min, mean: mean, p50: value(at: 0.5), p90: value(at: 0.9), p99: value(at: 0.99),
            p999: value(at: 0.999), p9999: value(at: 0.9999), max: max, distribution: distribution)
    }
}
