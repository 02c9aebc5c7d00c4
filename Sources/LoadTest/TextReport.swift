// SPDX-License-Identifier: Apache-2.0

internal import Console

/// A report as text for a terminal.
package struct TextReport: CustomStringConvertible, Sendable {
    private let report: LoadReport

    package init(_ report: LoadReport) {
        self.report = report
    }

    package var description: String {
        var lines = head
        lines += ["", summary]
        if report.total.count > 0 { lines += [""] + TextTable.lines(rows, leading: [0]) }
        if let ratio = report.baselineRatio { lines += ["", ratio] }
        if !report.failures.isEmpty {
            lines += ["", "failures"]
            lines += TextTable.lines(
                report.failures.map { [Units.count($0.count), $0.kind, $0.message] }, leading: [1, 2])
        }
        let notes = ReportNotes(report).lines
        if !notes.isEmpty {
            lines.append("")
            for note in notes { lines += TextReport.wrap("note: \(note)", indent: 6) }
        }
        lines += ["", tester]
        return lines.joined(separator: "\n")
    }

    private var head: [String] {
        let plan = report.plan
        var lines = ["\(plan.scenario): \(plan.inWords)"]
        if !plan.command.isEmpty { lines.append("program: \(plan.command.joined(separator: " "))") }
        let server = report.server
        var line = "server: \(server.version) on \(server.runtime) at \(plan.address), pool \(server.pool)"
        if !server.image.isEmpty { line += " of \(server.image)" }
        lines.append(line)
        if let trip = server.roundTrip, trip.count > 0 {
            lines.append("an empty call before the test, one at a time: p50 \(Units.duration(trip.p50))")
        }
        return lines
    }

    private var summary: String {
        var parts = [
            "\(Units.rate(report.rate))/s", "\(Units.count(report.completed)) in \(Units.seconds(report.seconds))",
            "\(Units.count(report.failed)) failed",
        ]
        if report.bytes > 0 { parts.append("\(Units.bytes(report.bytesPerSecond))/s of output") }
        return parts.joined(separator: "   ")
    }

    /// The table of latencies, with its header; steps are indented below their operation.
    var rows: [[String]] {
        var rows = [["", "count", "mean", "p50", "p90", "p99", "p99.9", "p99.99", "max"]]
        for operation in report.operations {
            let total = operation.steps.first { $0.name == Step.total.rawValue }
            if let total { rows.append(TextReport.row(operation.title, total.latency)) }
            let parts = operation.steps.filter { $0.name != Step.total.rawValue }
            // A single step is the operation itself.
            guard parts.count > 1 || parts.first.map({ $0.latency != total?.latency }) ?? false else { continue }
            for step in parts { rows.append(TextReport.row("  " + step.title, step.latency)) }
        }
        if report.operations.count(where: { $0.name != Operation.dockerExec.rawValue }) > 1 {
            rows.append(TextReport.row("all", report.total))
        }
        return rows
    }

    /// Quantiles with too few values are left out, since they would be the maximum.
    private static func row(_ name: String, _ latency: LatencyReport) -> [String] {
        [name, Units.count(latency.count), Units.duration(latency.mean)]
            + latency.quantiles.map { quantile, value in
                latency.supports(quantile) ? Units.duration(value) : "-"
            } + [Units.duration(latency.max)]
    }

    private var tester: String {
        let harness = report.harness
        var parts = [
            "\(Units.digits(harness.cpusUsed)) of \(harness.cpus) CPUs",
            "\(Units.duration(harness.costPerOperation)) to time an operation",
            "woke late by p99 \(Units.duration(harness.wakeDelay.p99)), max \(Units.duration(harness.wakeDelay.max))",
            "\(Units.bytes(Double(harness.peakMemoryBytes)))",
        ]
        if let machine = harness.machineCpusUsed { parts[0] += " (the whole machine: \(Units.digits(machine)))" }
        return "load tester: " + parts.joined(separator: ", ")
    }

    /// Breaks a text into lines of at most 100 columns.
    static func wrap(_ text: String, indent: Int) -> [String] {
        var lines: [String] = []
        var line = ""
        for word in text.split(separator: " ") {
            if line.count + 1 + word.count > 100, !line.isEmpty {
                lines.append(line)
                line = String(repeating: " ", count: indent) + word
            } else {
                line += (line.isEmpty ? "" : " ") + word
            }
        }
        return lines + [line]
    }
}

extension LoadReport {
    /// Says how many times as long the baseline takes; nil without a baseline.
    var baselineRatio: String? {
        guard let baseline, let exec = operations.first(where: { $0.name == Operation.dockerExec.rawValue })?[.total],
            let own = operations.first(where: { $0.name == plan.scenario })?[.total], own.p50 > 0
        else { return nil }
        let slow =
            own.supports(0.9) && exec.supports(0.9)
            ? "; p90: \(Units.digits(Double(exec.p90) / Double(own.p90))) times" : ""
        return "docker exec takes \(Units.digits(Double(exec.p50) / Double(own.p50))) times as long as "
            + "\(plan.scenario) (p50\(slow)): "
            + "\(baseline.engine), in a container of \(baseline.image), in turn with Berth"
    }
}

extension OperationReport {
    /// The name for people.
    var title: String { name == Operation.dockerExec.rawValue ? "docker exec" : name }
}

extension LatencyReport {
    var quantiles: [(Double, UInt64)] {
        [(0.5, p50), (0.9, p90), (0.99, p99), (0.999, p999), (0.9999, p9999)]
    }

    /// Whether there are enough values for this quantile to differ from the maximum.
    func supports(_ quantile: Double) -> Bool { Double(count) * (1 - quantile) >= 0.999 }
}

extension PlanReport {
    var inWords: String {
        var words: String
        if let concurrency {
            words = "closed loop, \(concurrency) in flight at any time"
        } else {
            words = "open loop, \(Units.rate(rate ?? 0))/s"
            if spacing == LoadPlan.Spacing.random.rawValue { words += " at random intervals" }
        }
        words += ", \(connections) connection\(connections == 1 ? "" : "s")"
        if leases > 0 { words += ", \(leases) lease\(leases == 1 ? "" : "s")" }
        words += ", \(Units.seconds(duration))"
        if warmup > 0 { words += " after \(Units.seconds(warmup)) of warm-up" }
        return words
    }
}

extension StepReport {
    var title: String { Step(rawValue: name)?.title ?? name }
}
