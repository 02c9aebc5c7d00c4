// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// The mean of values that were measured one after the other, and its standard error.
struct SampleMean: Sendable, Equatable {
    let mean: Double
    /// The standard error of the mean.
    let standardError: Double
    /// How many independent values these are worth: values that resemble their neighbours count for less.
    let effectiveCount: Double

    /// Nil with fewer than 5 values, or a mean that is not over 0.
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
        // A negative correlation would make the mean look more certain. So few values can't show that.
        correlation = min(max(correlation, 0), 0.9)
        self.mean = mean
        effectiveCount = max(2, count * (1 - correlation) / (1 + correlation))
        standardError = (squares / (count - 1) / effectiveCount).squareRoot()
    }
}

/// How far the ratio of two means may be off by chance.
struct RatioNoise: Sendable, Equatable {
    /// With 95 % certainty, as far as the noise within the two runs shows, the true ratio is between the measured ratio
    /// divided by this and multiplied by this.
    let factor: Double

    init(_ before: SampleMean, _ after: SampleMean) {
        // The error of a logarithm is the relative error, so the variances of both add up for the ratio.
        let (a, b) = (RatioNoise.relativeVariance(before), RatioNoise.relativeVariance(after))
        guard a + b > 0 else {
            factor = 1
            return
        }
        // Degrees of freedom by Welch and Satterthwaite.
        let freedom =
            (a + b) * (a + b) / (a * a / max(1, before.effectiveCount - 1) + b * b / max(1, after.effectiveCount - 1))
        factor = exp(RatioNoise.quantile95(freedom) * (a + b).squareRoot())
    }

    func interval(around ratio: Double) -> ClosedRange<Double> { ratio / factor...ratio * factor }

    private static func relativeVariance(_ mean: SampleMean) -> Double {
        let relative = mean.standardError / mean.mean
        return relative * relative
    }

    /// The two-sided 95 % quantile of Student's t, by the expansion of Cornish and Fisher.
    static func quantile95(_ freedom: Double) -> Double {
        let f = max(1, freedom)
        return 1.960 + 2.372 / f + 2.823 / (f * f) + 2.556 / (f * f * f)
    }
}
