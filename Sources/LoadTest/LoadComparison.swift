// SPDX-License-Identifier: Apache-2.0

/// Compares two load tests, and judges whether they differ by more than noise.
package struct LoadComparison: Sendable, Equatable {
    /// The smallest relative difference that counts as one.
    package static let smallest = 0.05

    /// Explains how the verdicts are made, for `--help`.
    package static let method = """
        Prints throughput and latency of both reports, their ratio, and a verdict.

        How it judges: each run is cut into 20 parts, and each figure is measured in each part. The differences \
        between the parts show how far the mean of the run may be off by chance; parts that resemble their neighbours \
        count for less. Both runs together give the interval that contains the ratio with 95 % certainty (Welch's \
        method). The verdict is "noise" if 1 is in the interval, or if the ratio is within 5 % of 1, since a machine \
        may differ by 5 % from one run to the next, however steady each run is. A single pair can't show what changes \
        between runs (another kernel, a neighbour, a warmer CPU): repeat both in turn, A B A B, before you believe a \
        small difference.
        """

    package enum Verdict: Sendable, Equatable {
        case better
        case worse
        case noise
        /// There is no verdict, for this reason.
        case unknown(String)
    }

    /// One figure of both runs.
    package struct Row: Sendable, Equatable {
        package enum Unit: Sendable, Equatable {
            case perSecond
            case bytesPerSecond
            case nanoseconds
        }

        package var name: String
        package var unit: Unit
        package var before: Double
        package var after: Double
        /// The ratio of the whole runs.
        package var ratio: Double?
        /// The 95 % confidence interval of the ratio, from the parts of the runs.
        package var interval: ClosedRange<Double>?
        package var verdict: Verdict
    }

    /// Throughput, output, then latencies of all operations.
    package var rows: [Row]
    /// p50 and p99 of each step. They have no verdict, since the parts of a run are not measured by step.
    package var steps: [Row]
    /// Differences between the setups of the runs, which may explain different figures.
    package var differences: [String]

    package init(_ before: LoadReport, _ after: LoadReport) {
        var rows = [
            Row("throughput", .perSecond, before, after, \.rate) {
                $0.seconds > 0 ? Double($0.completed) / $0.seconds : 0
            }
        ]
        if before.bytes > 0, after.bytes > 0 {
            rows.append(
                Row("output", .bytesPerSecond, before, after, \.bytesPerSecond) {
                    $0.seconds > 0 ? Double($0.bytes) / $0.seconds : 0
                })
        }
        rows += [
            Row("p50", 0.5, before, after, \.p50, \.p50), Row("p90", 0.9, before, after, \.p90, \.p90),
            Row("p99", 0.99, before, after, \.p99, \.p99), Row("p99.9", 0.999, before, after, \.p999, \.p999),
        ]
        self.rows = rows
        steps = LoadComparison.steps(before, after)
        differences = LoadComparison.differences(before, after)
    }

    static func judge(ratio: Double, interval: ClosedRange<Double>, moreIsBetter: Bool) -> Verdict {
        guard !interval.contains(1), abs(ratio - 1) >= smallest else { return .noise }
        return (ratio > 1) == moreIsBetter ? .better : .worse
    }

    private static func steps(_ before: LoadReport, _ after: LoadReport) -> [Row] {
        var rows: [Row] = []
        for operation in before.operations {
            guard let other = after.operations.first(where: { $0.name == operation.name }) else { continue }
            for step in [Step.total] + Step.allCases.dropLast() {
                guard let one = operation[step], let two = other[step], one.count > 0, two.count > 0 else { continue }
                let name = step == .total ? operation.name : "  \(step.title)"
                for (quantile, fraction, value) in [("p50", 0.5, \LatencyReport.p50), ("p99", 0.99, \.p99)] {
                    guard one.supports(fraction), two.supports(fraction) else { continue }
                    let (a, b) = (Double(one[keyPath: value]), Double(two[keyPath: value]))
                    rows.append(
                        Row(
                            name: "\(name) \(quantile)", unit: .nanoseconds, before: a, after: b,
                            ratio: a > 0 ? b / a : nil, interval: nil, verdict: .unknown("")))
                }
            }
        }
        return rows
    }

    private static func differences(_ before: LoadReport, _ after: LoadReport) -> [String] {
        var found: [String] = []
        func compare(_ name: String, _ value: (LoadReport) -> String) {
            let (a, b) = (value(before), value(after))
            if a != b { found.append("\(name): \(a.isEmpty ? "-" : a) and \(b.isEmpty ? "-" : b)") }
        }
        compare("scenario") { $0.plan.scenario }
        compare("program") { $0.plan.command.joined(separator: " ") }
        compare("concurrency") { $0.plan.concurrency.map { "\($0)" } ?? "" }
        compare("rate") { $0.plan.rate.map { "\(Units.rate($0))/s" } ?? "" }
        compare("spacing") { $0.plan.spacing ?? "" }
        compare("connections") { "\($0.plan.connections)" }
        compare("leases") { "\($0.plan.leases)" }
        compare("measured time") { Units.seconds(($0.seconds * 10).rounded() / 10) }
        compare("server") { $0.server.version }
        compare("runtime") { $0.server.runtime }
        compare("image") { $0.server.image }
        compare("load tester") { $0.harness.version }
        compare("CPUs") { "\($0.harness.cpus) \($0.harness.cpuModel)" }
        compare("kernel") { $0.harness.kernel }
        return found
    }
}

extension LoadComparison.Row {
    /// A row for a throughput, where more is better.
    init(
        _ name: String, _ unit: Unit, _ before: LoadReport, _ after: LoadReport, _ whole: (LoadReport) -> Double,
        _ part: (SliceReport) -> Double
    ) {
        self.init(
            name, unit, whole(before), whole(after), before.slices.map(part), after.slices.map(part),
            moreIsBetter: true, isSupported: true)
    }

    /// A row for a latency, where less is better.
    init(
        _ name: String, _ quantile: Double, _ before: LoadReport, _ after: LoadReport,
        _ whole: KeyPath<LatencyReport, UInt64>, _ part: KeyPath<SliceReport, UInt64>
    ) {
        // At least 90 % of the parts must have enough values for the quantile.
        let isSupported = [before, after].allSatisfy { report in
            report.slices.count { Double($0.completed) * (1 - quantile) >= 1 } * 10 >= report.slices.count * 9
        }
        self.init(
            name, .nanoseconds, Double(before.total[keyPath: whole]), Double(after.total[keyPath: whole]),
            before.slices.map { Double($0[keyPath: part]) }, after.slices.map { Double($0[keyPath: part]) },
            moreIsBetter: false, isSupported: isSupported)
    }

    private init(
        _ name: String, _ unit: Unit, _ before: Double, _ after: Double, _ partsBefore: [Double],
        _ partsAfter: [Double],
        moreIsBetter: Bool, isSupported: Bool
    ) {
        self.init(
            name: name, unit: unit, before: before, after: after, ratio: before > 0 ? after / before : nil,
            interval: nil, verdict: .unknown("too few operations to tell"))
        guard isSupported, let one = SampleMean(partsBefore), let two = SampleMean(partsAfter), let ratio else {
            return
        }
        let interval = RatioNoise(one, two).interval(around: ratio)
        self.interval = interval
        verdict = LoadComparison.judge(ratio: ratio, interval: interval, moreIsBetter: moreIsBetter)
    }
}
