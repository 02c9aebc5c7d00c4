// SPDX-License-Identifier: Apache-2.0

internal import Pool

/// Metrics as text in Prometheus' exposition format, version 0.0.4.
/// Source: https://prometheus.io/docs/instrumenting/exposition_formats/
struct Exposition {
    typealias Labels = [(name: String, value: String)]

    enum Kind: String {
        case counter, gauge, histogram
    }

    private(set) var text = ""

    /// Begins a family of series; its samples follow.
    mutating func family(_ name: String, _ kind: Kind, _ help: String) {
        text += "# HELP \(name) \(help.escaped(quotes: false))\n# TYPE \(name) \(kind.rawValue)\n"
    }

    mutating func sample(_ name: String, _ labels: Labels, _ value: Double) {
        text += name
        if !labels.isEmpty {
            let pairs = labels.map { "\($0.name)=\"\($0.value.escaped(quotes: true))\"" }
            text += "{\(pairs.joined(separator: ","))}"
        }
        text += " \(Self.number(value))\n"
    }

    /// The samples of one histogram, in seconds.
    mutating func histogram(_ name: String, _ labels: Labels, _ histogram: DurationHistogram) {
        var count: UInt64 = 0
        for (bound, more) in zip(DurationHistogram.bounds, histogram.counts) {
            count += more
            sample("\(name)_bucket", labels + [("le", Self.number(bound.inSeconds))], Double(count))
        }
        count += histogram.counts.last ?? 0
        sample("\(name)_bucket", labels + [("le", "+Inf")], Double(count))
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
