// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// The mean of values that were measured one after the other, and how sure it is.
struct SampleMean: Sendable, Equatable {
    let mean: Double
    /// Of the mean.
    let standardError: Double
    /// How many independent values these are worth: neighbours that resemble each other tell less than their number.
    let effectiveCount: Double

    /// nil with fewer than 5 values, or a mean of 0.
    init?(_ values: [Double]) {
        let count = Double(values.count)
        guard values.count >= 5 else { return nil }
        let mean = values.reduce(0, +) / count
        guard mean > 0 else { return nil }
        let deviations = values.map { $0 - mean }
        let squares = deviations.reduce(0) { $0 + $1 * $1 }
        var correlation = 0.0
        if squares > 0 {
            correlation = zip(deviations, deviations.dropFirst()).reduce(0) { $0 + $1.0 * $1.1 } / squares
        }
        // A negative one would make the mean surer than its values; so few values don't show that.
        correlation = min(max(correlation, 0), 0.9)
        self.mean = mean
        effectiveCount = max(2, count * (1 - correlation) / (1 + correlation))
        standardError = (squares / (count - 1) / effectiveCount).squareRoot()
    }
}

/// How far the ratio of two means may be off by chance.
struct RatioNoise: Sendable, Equatable {
    /// The ratio lies between itself divided by this and itself times this, with 95 % certainty, as far as the noise
    /// within the two runs tells.
    let factor: Double

    init(_ before: SampleMean, _ after: SampleMean) {
        // The error of a logarithm is the relative error, so that of a ratio is both together.
        let (a, b) = (RatioNoise.relativeVariance(before), RatioNoise.relativeVariance(after))
        guard a + b > 0 else {
            factor = 1
            return
        }
        // Welch and Satterthwaite.
        let freedom =
            (a + b) * (a + b) / (a * a / max(1, before.effectiveCount - 1) + b * b / max(1, after.effectiveCount - 1))
        factor = exp(RatioNoise.quantile95(freedom) * (a + b).squareRoot())
    }

    func interval(around ratio: Double) -> ClosedRange<Double> { ratio / factor...ratio * factor }

    private static func relativeVariance(_ mean: SampleMean) -> Double {
        let relative = mean.standardError / mean.mean
        return relative * relative
    }

    /// Student's t for 95 % on both sides, from the normal distribution's (Cornish and Fisher).
    static func quantile95(_ freedom: Double) -> Double {
        let f = max(1, freedom)
        return 1.960 + 2.372 / f + 2.823 / (f * f) + 2.556 / (f * f * f)
    }
}
