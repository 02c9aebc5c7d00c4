// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// One axis of a chart: maps values to positions from 0 to 1, and has labelled ticks.
struct Axis: Sendable, Equatable {
    struct Tick: Sendable, Equatable {
        var value: Double
        var label: String
    }

    enum Scale: Sendable, Equatable {
        case linear
        case logarithmic
    }

    let scale: Scale
    let range: ClosedRange<Double>
    let ticks: [Tick]

    /// A linear axis from `low` to a round number of at least `highest`.
    static func linear(from low: Double = 0, to highest: Double, label: (Double) -> String) -> Axis {
        let span = max(highest - low, 1e-9)
        let step = niceStep(span / 4)
        let top = low + (span / step).rounded(.up) * step
        let ticks = stride(from: low, through: top + step / 2, by: step).map { Tick(value: $0, label: label($0)) }
        return Axis(scale: .linear, range: low...top, ticks: ticks)
    }

    /// A logarithmic axis around those values that are over 0. The ticks are powers of ten and, if these are few,
    /// multiples.
    static func logarithmic(_ values: [Double], label: (Double) -> String) -> Axis {
        let positive = values.filter { $0 > 0 }
        let low = max(1, positive.min() ?? 1)
        let high = max(low * 1.01, positive.max() ?? 10)
        let steps = logSteps(low, high)
        let bottom = steps.last { $0 <= low } ?? low
        let top = steps.first { $0 >= high } ?? high
        let ticks = steps.filter { $0 >= bottom && $0 <= top }.map { Tick(value: $0, label: label($0)) }
        return Axis(scale: .logarithmic, range: bottom...top, ticks: ticks)
    }

    /// An axis of quantiles on which each further nine has the same length.
    static func quantiles(count: UInt64) -> Axis {
        let nines = min(5, max(2, log10(Double(max(count, 10)))))
        let labels = ["0", "90 %", "99 %", "99.9 %", "99.99 %", "99.999 %"]
        let ticks = labels.enumerated().filter { Double($0.offset) <= nines + 0.001 }
            .map { Tick(value: Double($0.offset), label: $0.element) }
        let median = Tick(value: position(ofQuantile: 0.5), label: "50 %")
        return Axis(scale: .linear, range: 0...nines, ticks: ticks + [median])
    }

    /// The value of a quantile on an axis made by `quantiles`. The largest of `count` values is put at 1 - 1 / `count`.
    static func position(ofQuantile quantile: Double, count: UInt64 = .max) -> Double {
        -log10(max(1 - quantile, 1 / Double(max(count, 1))))
    }

    /// The position of a value: 0 to 1 within the range. A logarithmic axis does not go below 0.
    func fraction(_ value: Double) -> Double {
        switch scale {
        case .linear:
            (value - range.lowerBound) / (range.upperBound - range.lowerBound)
        case .logarithmic:
            log(max(value, range.lowerBound) / range.lowerBound) / log(range.upperBound / range.lowerBound)
        }
    }

    /// 1, 2, 2.5 or 5 times a power of ten, at least `step`.
    static func niceStep(_ step: Double) -> Double {
        let power = pow(10, log10(step).rounded(.down))
        let factors: [Double] = [1, 2, 2.5, 5, 10]
        return (factors.first { $0 * power >= step * 0.999 } ?? 10) * power
    }

    private static func logSteps(_ low: Double, _ high: Double) -> [Double] {
        let decades = log10(high / low)
        let factors: [Double] = decades < 2 ? [1, 2, 5] : decades < 3.5 ? [1, 3] : [1]
        let first = Int(log10(low).rounded(.down))
        let last = Int(log10(high).rounded(.up))
        return (first...max(first, last)).flatMap { power in factors.map { $0 * pow(10, Double(power)) } }
            + [pow(10, Double(last + 1))]
    }
}
