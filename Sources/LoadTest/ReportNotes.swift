// SPDX-License-Identifier: Apache-2.0

/// What a reader must know before believing a report's figures.
struct ReportNotes: Sendable {
    let lines: [String]

    init(_ report: LoadReport) {
        var lines: [String] = []
        let plan = report.plan
        if report.endedEarly {
            lines.append("ended early, after \(Units.seconds(report.seconds)) of \(Units.seconds(plan.duration))")
        }
        if report.total.count == 0, report.failed == 0 {
            lines.append("no operation began within the measured time: they take longer than it; measure longer")
        }
        let failed = report.operations.reduce(0) { $0 + $1.failed }
        if failed > 0 {
            lines.append(
                "\(Units.count(failed)) of \(Units.count(failed + report.total.count)) operations failed; the latencies "
                    + "are those of the others")
        }
        if report.unanswered > 0 {
            lines.append(
                "\(Units.count(report.unanswered)) operations had no answer at the end; the time they had waited by then "
                    + "counts as theirs, which is the least it would have been")
        }
        if let asked = ReportNotes.askedRate(report), report.baseline == nil, report.rate < asked * 0.98 {
            lines.append(
                "the server kept up with \(Units.rate(report.rate)) of the \(Units.rate(asked)) operations a second that "
                    + "were asked for: latency grew with the length of the test, and has no steady value")
        }
        if let most = plan.maxInFlight, report.harness.longestBacklog > 1_000_000 {
            lines.append(
                "at times all \(Units.count(UInt64(most))) that may be in flight were: operations waited up to "
                    + "\(Units.duration(report.harness.longestBacklog)) to begin, which counts as their latency")
        }
        if report.baseline != nil {
            lines.append("throughput is not the most there is: half of the time is docker exec's")
        }
        lines += ReportNotes.members(report)
        lines += ReportNotes.machine(report)
        self.lines = lines
    }

    /// Operations a second that were due. At random intervals chance makes that another number than the one asked for.
    private static func askedRate(_ report: LoadReport) -> Double? {
        guard let rate = report.plan.rate, report.seconds > 0 else { return nil }
        guard report.plan.spacing == LoadPlan.Spacing.random.rawValue else { return rate }
        let failed = report.operations.reduce(0) { $0 + $1.failed }
        return Double(report.total.count + failed) / report.seconds
    }

    /// When the figures are of containers being made rather than of warm ones.
    private static func members(_ report: LoadReport) -> [String] {
        var lines: [String] = []
        let warm = report.operations.reduce(0) { $0 + ($1[.acquireWarm]?.count ?? 0) }
        let waited = report.operations.reduce(0) { $0 + ($1[.acquireWaited]?.count ?? 0) }
        if waited > 0, waited * 100 >= warm + waited {
            let percent = Units.digits(Double(waited) * 100 / Double(warm + waited))
            let meaning =
                waited * 10 >= warm + waited
                ? "this measures how fast members are made, not warm ones" : "they are among the slowest operations"
            lines.append(
                "\(percent) % of the acquires found no warm member and waited for one: \(meaning); a larger pool "
                    + "(berth serve --size) or a lower rate keeps it warm")
        }
        if report.pool.contains(where: \.isBreakerOpen) {
            lines.append("the pool's breaker was open at times: a create had failed (see berth stats)")
        }
        return lines
    }

    /// When the tester or its machine was in the way.
    private static func machine(_ report: LoadReport) -> [String] {
        var lines: [String] = []
        let harness = report.harness
        let cpus = Double(harness.cpus)
        if harness.cpusUsed > cpus * 0.9 {
            lines.append(
                "the load tester itself used \(Units.digits(harness.cpusUsed)) of \(harness.cpus) CPUs: it, not the "
                    + "server, may be what is measured")
        } else if let machine = harness.machineCpusUsed, machine > cpus * 0.95 {
            lines.append(
                "all \(harness.cpus) CPUs were busy: what runs here, the load tester included "
                    + "(\(Units.digits(harness.cpusUsed)) CPUs), shared them, and latencies include waiting for one")
        }
        if harness.wakeDelay.p99 > 2_000_000 {
            lines.append(
                "a thread of the load tester woke up to \(Units.duration(harness.wakeDelay.max)) late (p99 "
                    + "\(Units.duration(harness.wakeDelay.p99))): pauses of this machine are part of the latencies")
        }
        if harness.costPerOperation > Double(report.total.p50) * 0.05, report.total.count > 0 {
            lines.append(
                "timing an operation takes \(Units.duration(harness.costPerOperation)), which is no longer little beside "
                    + "the operation")
        }
        return lines
    }
}
