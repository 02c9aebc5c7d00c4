// SPDX-License-Identifier: Apache-2.0

internal import Console

extension LoadComparison {
    /// The comparison as text for a terminal. `before` and `after` are the names of the two reports.
    package func text(before: String, after: String) -> String {
        var lines = ["before: \(before)", "after:  \(after)", ""]
        if !differences.isEmpty {
            lines += ["differences between the runs"] + differences.map { "  \($0)" } + [""]
        }
        let header = ["", "before", "after", "ratio", "95 % interval", "verdict"]
        lines += TextTable.lines([header] + rows.map(\.cells), leading: [0, 5])
        if !steps.isEmpty {
            lines += ["", "by step, without a verdict"]
            lines += TextTable.lines(steps.map { Array($0.cells.prefix(4)) }, leading: [0])
        }
        return lines.joined(separator: "\n")
    }
}

extension LoadComparison.Row {
    fileprivate var cells: [String] {
        var range = ""
        if let interval { range = "\(Units.fixed(interval.lowerBound, 2)) to \(Units.fixed(interval.upperBound, 2))" }
        return [
            name, figure(before), figure(after), ratio.map { "\(Units.fixed($0, 2)) ×" } ?? "-", range, verdictInWords,
        ]
    }

    private func figure(_ value: Double) -> String {
        switch unit {
        case .perSecond: "\(Units.rate(value))/s"
        case .bytesPerSecond: "\(Units.bytes(value))/s"
        case .nanoseconds: Units.duration(value)
        }
    }

    private var verdictInWords: String {
        switch verdict {
        case .better: unit == .nanoseconds ? "faster" : "more"
        case .worse: unit == .nanoseconds ? "slower" : "less"
        case .noise: "noise"
        case .unknown(let why): why
        }
    }
}
