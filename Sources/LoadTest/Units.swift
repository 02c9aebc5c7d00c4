// SPDX-License-Identifier: Apache-2.0

/// Figures as text with their units, with three significant digits.
enum Units {
    /// "812 ns", "62.3 µs", "1.23 ms", "4.50 s", "12.5 min".
    static func duration(_ nanoseconds: Double) -> String {
        switch nanoseconds {
        case ..<999.5: "\(Int(nanoseconds.rounded())) ns"
        case ..<999_500: "\(digits(nanoseconds / 1e3)) µs"
        case ..<999_500_000: "\(digits(nanoseconds / 1e6)) ms"
        case ..<100_000_000_000: "\(digits(nanoseconds / 1e9)) s"
        default: "\(digits(nanoseconds / 60e9)) min"
        }
    }

    static func duration(_ nanoseconds: UInt64) -> String { duration(Double(nanoseconds)) }

    /// "10 s", "1.5 s", "2 min".
    static func seconds(_ seconds: Double) -> String {
        if seconds >= 120, seconds.truncatingRemainder(dividingBy: 60) == 0 { return "\(Int(seconds / 60)) min" }
        let text = fixed(seconds, seconds < 1 ? 2 : 1)
        return (text.hasSuffix(".0") ? String(text.dropLast(2)) : text) + " s"
    }

    /// "123 B", "1.23 MB", "4.56 GB".
    static func bytes(_ bytes: Double) -> String {
        for (unit, size) in [("GB", 1e9), ("MB", 1e6), ("kB", 1e3)] where bytes >= size * 0.9995 {
            return "\(digits(bytes / size)) \(unit)"
        }
        return "\(Int(bytes)) B"
    }

    /// "1,234,567".
    static func count(_ count: UInt64) -> String {
        let text = Array(String(count))
        var grouped = ""
        for (index, digit) in text.enumerated() {
            if index > 0, (text.count - index) % 3 == 0 { grouped.append(",") }
            grouped.append(digit)
        }
        return grouped
    }

    /// "0.123", "12.3", "1,234".
    static func rate(_ rate: Double) -> String {
        rate >= 99.95 ? count(UInt64(min(rate.rounded(), 1e18))) : digits(rate)
    }

    /// For an axis: "0", "0.5", "2,500".
    static func plain(_ number: Double) -> String {
        number == number.rounded() ? count(UInt64(min(max(number, 0), 1e18))) : digits(number)
    }

    /// A round figure for an axis, without trailing zeros: "50 ms", "2.5 MB".
    static func tick(_ text: String) -> String {
        let parts = text.split(separator: " ")
        guard parts.count == 2, parts[0].contains(".") else { return text }
        var number = parts[0]
        while number.last == "0" { number.removeLast() }
        if number.last == "." { number.removeLast() }
        return "\(number) \(parts[1])"
    }

    /// Three digits: "0.12", "1.23", "12.3", "123".
    static func digits(_ number: Double) -> String {
        switch abs(number) {
        case ..<9.995: fixed(number, 2)
        case ..<99.95: fixed(number, 1)
        default: fixed(number, 0)
        }
    }

    /// A number with this many digits after the point.
    static func fixed(_ number: Double, _ places: Int) -> String {
        guard number.isFinite else { return "-" }
        var scale: Int64 = 1
        for _ in 0..<places { scale *= 10 }
        let scaled = (min(abs(number), 1e12) * Double(scale)).rounded()
        let whole = Int64(scaled)
        let sign = number < 0 && whole != 0 ? "-" : ""
        guard places > 0 else { return "\(sign)\(whole)" }
        let fraction = String(whole % scale)
        return "\(sign)\(whole / scale)." + String(repeating: "0", count: places - fraction.count) + fraction
    }
}

extension Step {
    /// The name for people.
    var title: String {
        switch self {
        case .queue: "waited to begin"
        case .acquireWarm: "acquire, warm"
        case .acquireWaited: "acquire, waited"
        case .started: "started"
        case .firstByte: "first byte"
        case .end: "end"
        case .release: "release"
        case .total: "total"
        }
    }
}
