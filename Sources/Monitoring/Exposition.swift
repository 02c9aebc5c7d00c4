// SPDX-License-Identifier: Apache-2.0

internal import Pool

/// Metrics as text in Prometheus' exposition format, version 0.0.4.
/// Source: https://prometheus.io/docs/instrumenting/exposition_formats/
struct Exposition {
    typealias Labels = [(name: String, value: String)]

    enum Kind: String {
        case counter, gauge, histogram
    }

    /// The histograms' bounds in seconds. To write one takes as long as the rest of its line.
    private static let bounds = DurationHistogram.bounds.map { number($0.inSeconds) }

    private(set) var text = ""

    /// Begins a family of series; its samples follow.
    mutating func family(_ name: String, _ kind: Kind, _ help: String) {
        text += "# HELP \(name) \(help.escaped(quotes: false))\n# TYPE \(name) \(kind.rawValue)\n"
    }

    mutating func sample(_ name: String, _ labels: Labels, _ value: Double) {
        text += name
        for (index, label) in labels.enumerated() {
            text += index == 0 ? "{" : ","
            text += label.name
            text += "=\""
            text += label.value.escaped(quotes: true)
            text += "\""
        }
        text += labels.isEmpty ? " " : "} "
        text += Self.number(value)
        text += "\n"
    }

    /// The samples of one histogram, in seconds.
    mutating func histogram(_ name: String, _ labels: Labels, _ histogram: DurationHistogram) {
        var count: UInt64 = 0
        let bucket = "\(name)_bucket"
        for (bound, more) in zip(Self.bounds, histogram.counts) {
            count += more
            sample(bucket, labels + [("le", bound)], Double(count))
        }
        count += histogram.counts.last ?? 0
        sample(bucket, labels + [("le", "+Inf")], Double(count))
        sample("\(name)_sum", labels, histogram.sum.inSeconds)
        sample("\(name)_count", labels, Double(count))
    }

    /// A number without a point if it is whole: `3`, not `3.0`.
    static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        return Int64(exactly: value).map { "\($0)" } ?? "\(value)"
    }
}

extension Duration {
    var inSeconds: Double {
        let (seconds, attoseconds) = components
        return Double(seconds) + Double(attoseconds) / 1e18
    }
}

extension String {
    /// With backslashes and line ends escaped, and quotes too in the value of a label.
    fileprivate func escaped(quotes: Bool) -> String {
        // Names of pools, states and methods have none of these.
        guard utf8.contains(where: { $0 == 0x5c || $0 == 0x0a || $0 == 0x22 }) else { return self }
        var result = ""
        for character in unicodeScalars {
            switch character {
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\"" where quotes: result += "\\\""
            default: result.unicodeScalars.append(character)
            }
        }
        return result
    }
}
