// SPDX-License-Identifier: Apache-2.0

/// The notation of durations and sizes, in the configuration file, in flags, and in output.
package enum Notation {
    /// Reads "250ms", "5s", "1.5m" or "2h"; a number alone is in seconds. Nil if it is not a duration.
    package static func duration(_ text: String) -> Duration? {
        let units: [(suffix: String, seconds: Double)] = [("ms", 0.001), ("s", 1), ("m", 60), ("h", 3600), ("", 1)]
        for (suffix, seconds) in units where text.hasSuffix(suffix) {
            guard let number = Double(text.dropLast(suffix.count)), number >= 0, number * seconds <= 1e9 else {
                continue
            }
            return .seconds(number * seconds)
        }
        return nil
    }

    /// Reads a number of bytes: "128m", "1.5g" or "65536", in powers of 1024. Nil if it is not a size over 0.
    package static func bytes(_ text: String) -> Int64? {
        let text = text.lowercased()
        let units: [(suffix: String, factor: Double)] = [
            ("kib", 0x1p10), ("mib", 0x1p20), ("gib", 0x1p30), ("k", 0x1p10), ("m", 0x1p20), ("g", 0x1p30), ("b", 1),
            ("", 1),
        ]
        for (suffix, factor) in units where text.hasSuffix(suffix) {
            guard let number = Double(text.dropLast(suffix.count)), number * factor >= 1, number * factor < 0x1p62
            else { continue }
            return Int64(number * factor)
        }
        return nil
    }

    /// Writes a duration in the largest unit in which it is a whole number.
    package static func text(_ duration: Duration) -> String {
        let (seconds, attoseconds) = duration.components
        let milliseconds = attoseconds / 1_000_000_000_000_000
        guard attoseconds % 1_000_000_000_000_000 == 0 else {
            return "\(Double(seconds) * 1000 + Double(attoseconds) / 1e15)ms"
        }
        if milliseconds != 0 { return "\(seconds * 1000 + milliseconds)ms" }
        if seconds != 0, seconds % 3600 == 0 { return "\(seconds / 3600)h" }
        if seconds != 0, seconds % 60 == 0 { return "\(seconds / 60)m" }
        return "\(seconds)s"
    }

    /// Writes a size in the largest unit in which it is a whole number.
    package static func text(bytes: Int64) -> String {
        for (suffix, shift) in [("g", Int64(30)), ("m", 20), ("k", 10)] where bytes != 0 && bytes % (1 << shift) == 0 {
            return "\(bytes >> shift)\(suffix)"
        }
        return "\(bytes)"
    }
}
