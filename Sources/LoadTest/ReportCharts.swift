// SPDX-License-Identifier: Apache-2.0

/// The charts of a report's HTML page.
struct ReportCharts: Sendable {
    private let report: LoadReport

    init(_ report: LoadReport) {
        self.report = report
    }

    var all: [Chart] {
        [latencyOverTime, throughput, output, distribution, pool].compactMap { $0 }
    }

    private var end: Double { max(report.seconds, 0.001) }

    private var time: Axis {
        let axis = Axis.linear(to: end) { "\(Units.fixed($0, self.end < 4 ? 1 : 0)) s" }
        // The axis ends with the test, not at the next round number.
        return Axis(scale: .linear, range: 0...end, ticks: axis.ticks.filter { $0.value <= end * 1.001 })
    }

    private var latencyOverTime: Chart? {
        let series = report.series.filter { $0.completed > 0 }
        guard series.count > 1 else { return nil }
        func line(_ name: String, _ color: Int, _ value: KeyPath<IntervalReport, UInt64>) -> Chart.Line {
            Chart.Line(
                name: name, color: color, points: series.map { ($0.at - $0.seconds / 2, Double($0[keyPath: value])) })
        }
        let values = series.flatMap { [Double($0.p50), Double($0.max)] }
        return Chart(
            title: "Latency over time", x: time, y: .logarithmic(values) { Units.tick(Units.duration($0)) },
            lines: [line("max", 6, \.max), line("p99", 2, \.p99), line("p50", 1, \.p50)],
            tips: series.map { interval in
                tip(
                    interval,
                    "p50 \(Units.duration(interval.p50)), p99 \(Units.duration(interval.p99)), "
                        + "max \(Units.duration(interval.max))")
            })
    }

    private var throughput: Chart? {
        let series = report.series.filter { $0.seconds > 0 }
        guard series.count > 1 else { return nil }
        let completed = series.map { ($0.at - $0.seconds / 2, Double($0.completed) / $0.seconds) }
        let failed = series.map { ($0.at - $0.seconds / 2, Double($0.failed) / $0.seconds) }
        var lines = [Chart.Line(name: "completed", color: 1, points: completed)]
        if report.failed > 0 { lines.append(Chart.Line(name: "failed", color: 5, points: failed)) }
        var highest = (completed + failed).map(\.1).max() ?? 1
        if let rate = report.plan.rate, report.baseline == nil {
            lines.append(Chart.Line(name: "target", color: 6, points: [(0, rate), (end, rate)], isDashed: true))
            highest = max(highest, rate)
        }
        return Chart(
            title: "Operations per second", x: time, y: .linear(to: highest) { Units.plain($0) }, lines: lines,
            tips: series.map { interval in
                tip(
                    interval,
                    "\(Units.rate(Double(interval.completed) / interval.seconds))/s"
                        + (interval.failed > 0 ? ", \(Units.count(interval.failed)) failed" : ""))
            })
    }

    private var output: Chart? {
        let series = report.series.filter { $0.seconds > 0 }
        guard series.count > 1, report.bytes > 0 else { return nil }
        let points = series.map { ($0.at - $0.seconds / 2, Double($0.bytes) / $0.seconds) }
        return Chart(
            title: "Output bytes per second", x: time,
            y: .linear(to: points.map(\.1).max() ?? 1) { Units.tick(Units.bytes($0)) },
            lines: [Chart.Line(name: "stdout and stderr", color: 3, points: points)],
            tips: series.map { tip($0, "\(Units.bytes(Double($0.bytes) / $0.seconds))/s") })
    }

    /// The curves of the operation and its steps or, if there are several operations, of all of them.
    private var distribution: Chart? {
        var curves: [(String, LatencyReport)] = []
        if report.operations.count == 1, let operation = report.operations.first {
            curves = operation.steps.map { ($0.name == Step.total.rawValue ? operation.name : $0.title, $0.latency) }
            // If the only step is the whole operation, one curve is enough.
            if curves.count == 2, curves[0].1 == curves[1].1 { curves.removeFirst() }
        } else {
            curves = report.operations.compactMap { operation in operation[.total].map { (operation.title, $0) } }
        }
        curves = curves.filter { $0.1.count > 0 }
        guard !curves.isEmpty else { return nil }
        let colors = [2, 3, 4, 6, 5]
        let most = curves.map(\.1.count).max() ?? 0
        let lines = curves.enumerated().map { index, curve in
            let isWhole = index == curves.count - 1
            return Chart.Line(
                name: curve.0, color: isWhole ? 1 : colors[index % colors.count],
                points: curve.1.distribution.map { point in
                    (Axis.position(ofQuantile: point.quantile, count: curve.1.count), Double(point.nanoseconds))
                })
        }
        let values = lines.flatMap { $0.points.map(\.y) }
        return Chart(
            title: "Latency by percentile", x: .quantiles(count: most),
            y: .logarithmic(values) { Units.tick(Units.duration($0)) },
            lines: lines)
    }

    private var pool: Chart? {
        let points = report.pool.filter { $0.at >= 0 && $0.at <= end }
        guard points.count > 1 else { return nil }
        func line(_ name: String, _ color: Int, _ value: KeyPath<PoolPoint, UInt32>) -> Chart.Line {
            Chart.Line(name: name, color: color, points: points.map { ($0.at, Double($0[keyPath: value])) })
        }
        let members = points.map { Double($0.idle + $0.leased + $0.starting + $0.inReset + $0.stopping) }
        let highest = max(members.max() ?? 1, points.map { Double($0.waiters) }.max() ?? 1, 1)
        var lines: [Chart.Line] = []
        if points.contains(where: { $0.waiters > 0 }) { lines.append(line("waiting for a member", 5, \.waiters)) }
        return Chart(
            title: "Members of the pool", x: time, y: .linear(to: highest) { Units.plain($0) },
            areas: [
                line("leased", 1, \.leased), line("warm", 3, \.idle), line("starting", 2, \.starting),
                line("resetting", 4, \.inReset), line("stopping", 6, \.stopping),
            ],
            lines: lines,
            tips: zip(points, points.dropFirst()).map { point, next in
                Chart.Tip(
                    from: point.at, to: next.at,
                    text: "\(Units.fixed(point.at, 1)) s: \(point.leased) leased, \(point.idle) warm, "
                        + "\(point.starting) starting, \(point.inReset) resetting, \(point.stopping) stopping, "
                        + "\(point.waiters) waiting"
                        + (point.isBreakerOpen ? ", breaker open" : ""))
            })
    }

    private func tip(_ interval: IntervalReport, _ text: String) -> Chart.Tip {
        Chart.Tip(
            from: interval.at - interval.seconds, to: interval.at, text: "\(Units.fixed(interval.at, 1)) s: \(text)")
    }
}

extension PoolPoint {
    fileprivate var inReset: UInt32 { resetting ?? 0 }
}
