// SPDX-License-Identifier: Apache-2.0

/// Durations in buckets of a fixed number, four to each doubling, from 1 µs to over 18 minutes: quantiles to within
/// 25 %. Old ones count less and less: at 65 536 all counts are halved.
struct LatencyHistogram: Sendable {
    private static let octaves = 30
    private static let capacity = 1 << 16

    private var counts = [UInt32](repeating: 0, count: 4 * octaves + 1)
    private var total = 0

    mutating func record(_ duration: Duration) {
        counts[duration == .zero ? 0 : Self.bucket(duration.saturatedNanoseconds)] += 1
        total += 1
        guard total >= Self.capacity else { return }
        total = 0
        for index in counts.indices {
            counts[index] /= 2
            total += Int(counts[index])
        }
    }

    /// Up to 1 µs, then from 2^(10 + o) + f·2^(8 + o) on, for octave o and quarter f.
    private static func bucket(_ nanoseconds: Int64) -> Int {
        guard nanoseconds >= 1024 else { return 0 }
        let octave = 63 - nanoseconds.leadingZeroBitCount - 10
        let quarter = Int(nanoseconds >> (octave + 8)) & 3
        return min(1 + 4 * octave + quarter, 4 * octaves)
    }

    /// The upper end of the bucket that holds the quantile; zero when nothing was recorded.
    func quantile(_ fraction: Double) -> Duration {
        guard total > 0 else { return .zero }
        let rank = max(1, Int((Double(total) * fraction).rounded(.up)))
        var seen = 0
        for (index, count) in counts.enumerated() {
            seen += Int(count)
            guard seen >= rank else { continue }
            guard index > 0 else { return .nanoseconds(1024) }
            let (octave, quarter) = ((index - 1) / 4, (index - 1) % 4)
            return .nanoseconds((Int64(5 + quarter)) << (octave + 8))
        }
        return .zero
    }

    var quantiles: LatencyQuantiles {
        LatencyQuantiles(p50: quantile(0.5), p90: quantile(0.9), p99: quantile(0.99))
    }
}

/// How long acquires took until they had a member, mostly recent ones; rounded up to the next quarter of a power of two.
public struct LatencyQuantiles: Sendable, Equatable {
    public var p50: Duration
    public var p90: Duration
    public var p99: Duration
}
