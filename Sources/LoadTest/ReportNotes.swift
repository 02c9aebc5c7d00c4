// SPDX-License-Identifier: Apache-2.0

/// Warnings about a report's figures.
struct ReportNotes: Sendable {
    let lines: [String]

    init(_ report: LoadReport) {
        var lines: [String] = []
        let plan = report.plan
        if report.endedEarly {
            lines.append("ended early, after \(Units.seconds(report.seconds)) of \(Units.seconds(plan.duration))")
        }
        if report.total.count == 0, report.failed == 0 {
            lines.append(
                "no operation began within the measured time, since each takes longer than that: use a longer --duration"
            )
        }
        let failed = report.operations.reduce(0) { $0 + $1.failed }
        if failed > 0 {
            lines.append(
                "\(Units.count(failed)) of \(Units.count(failed + report.total.count)) operations failed; the "
                    + "latencies do not include them")
        }
        if report.unanswered > 0 {
            lines.append(
                "\(Units.count(report.unanswered)) operations had no answer at the end; they count with the time "
                    + "that they had waited by then, which is the least that they would have taken")
        }
        if let asked = ReportNotes.askedRate(report), report.baseline == nil, report.rate < asked * 0.98 {
            lines.append(
                "the server kept up with \(Units.rate(report.rate)) of the \(Units.rate(asked)) operations per second "
                    + "of --rate: latency grows with the length of the test, and has no steady value")
        }
        if let most = plan.maxInFlight, report.harness.longestBacklog > 1_000_000 {
            lines.append(
                "at times the maximum of \(Units.count(UInt64(most))) operations was in flight: others waited up to "
                    + "\(Units.duration(report.harness.longestBacklog)) to begin, which counts as their latency")
        }
        if report.baseline != nil {
            lines.append("throughput is not the maximum: docker exec takes half of the time")
        }
        lines += ReportNotes.members(report)
        lines += ReportNotes.machine(report)
        self.lines = lines
    }

    /// Operations per second that were due. With random intervals, that differs from the rate of the plan by chance.
    private static func askedRate(_ report: LoadReport) -> Double? {
        guard let rate = report.plan.rate, report.seconds > 0 else { return nil }
        guard report.plan.spacing == LoadPlan.Spacing.random.rawValue else { return rate }
        let failed = report.operations.reduce(0) { $0 + $1.failed }
        return Double(report.total.count + failed) / report.seconds
    }

    /// Warns if the figures are those of creating containers, not of warm ones.
    private static func members(_ report: LoadReport) -> [String] {
        var lines: [String] = []
        let warm = report.operations.reduce(0) { $0 + ($1[.acquireWarm]?.count ?? 0) }
        let waited = report.operations.reduce(0) { $0 + ($1[.acquireWaited]?.count ?? 0) }
        if waited > 0, waited * 100 >= warm + waited {
            let percent = Units.digits(Double(waited) * 100 / Double(warm + waited))
            let meaning =
                waited * 10 >= warm + waited
                ? "this measures how fast members are created" : "they are among the slowest operations"
            lines.append(
                "\(percent) % of the acquires found no warm member and waited for one: \(meaning). A larger pool "
                    + "(berth serve --size) or a lower rate keeps members warm")
        }
        if report.pool.contains(where: \.isBreakerOpen) {
            lines.append("the pool's breaker was open at times: a create had failed (see berth stats)")
        }
        return lines
    }

    /// Warns if the tester or its machine limited the results.
    private static func machine(_ report: LoadReport) -> [String] {
        var lines: [String] = []
        let harness = report.harness
        let cpus = Double(harness.cpus)
        if harness.cpusUsed > cpus * 0.9 {
            lines.append(
                "the load tester itself used \(Units.digits(harness.cpusUsed)) of \(harness.cpus) CPUs: it, not the "
                    + "server, may be the limit")
        } else if let machine = harness.machineCpusUsed, machine > cpus * 0.95 {
            lines.append(
                "all \(harness.cpus) CPUs were busy: the processes of this machine, including the load tester "
                    + "(\(Units.digits(harness.cpusUsed)) CPUs), shared them, and latencies include waiting for a CPU")
        }
        if harness.wakeDelay.p99 > 2_000_000 {
            lines.append(
                "a thread of the load tester woke up to \(Units.duration(harness.wakeDelay.max)) late (p99 "
                    + "\(Units.duration(harness.wakeDelay.p99))): pauses of this machine are part of the latencies")
        }
        if harness.costPerOperation > Double(report.total.p50) * 0.05, report.total.count > 0 {
            lines.append(
                "timing an operation takes \(Units.duration(harness.costPerOperation)), which is more than 5 % of the "
                    + "median latency")
        }
        return lines
    }
}
