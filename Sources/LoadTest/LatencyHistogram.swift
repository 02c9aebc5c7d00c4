// SPDX-License-Identifier: Apache-2.0

internal import Histogram

/// A histogram of durations with three significant digits, from 8 ns to an hour. It always takes 250 KiB.
struct LatencyHistogram: Sendable {
    /// The maximum: longer durations are recorded as this.
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

    /// The smallest recorded duration that at least the fraction `quantile` of all does not exceed, within the
    /// precision; 0 if nothing was recorded.
    func value(at quantile: Double) -> Nanoseconds {
        count == 0 ? 0 : Swift.min(counts.valueAtPercentile(quantile * 100), max)
    }

    /// The whole distribution as at most a few hundred points, which are denser towards the slow end.
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
