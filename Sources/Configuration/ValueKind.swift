// SPDX-License-Identifier: Apache-2.0

internal import Console
internal import Pool
internal import Yams

/// What is wrong with a value.
struct ValueProblem: Error {
    var message: String
    /// False if the message itself says what would be right.
    var showsAllowed = true
}

/// Reads, checks and shows one kind of value.
struct ValueKind<Value: Sendable>: Sendable {
    let allowed: String
    let read: @Sendable (Node) throws(ValueProblem) -> Value
    /// Writes a value as YAML that `read` accepts.
    let show: @Sendable (Value) -> String

    /// This kind, or a word that stands for nil.
    func or(_ word: String) -> ValueKind<Value?> {
        ValueKind<Value?>(allowed: "\(allowed), or \(word)") { node throws(ValueProblem) -> Value? in
            if node.scalar?.string == word { return nil }
            return try read(node)
        } show: {
            $0.map(show) ?? word
        }
    }
}

/// The text of a scalar.
func text(_ node: Node) throws(ValueProblem) -> String {
    switch node {
    case .scalar(let scalar): return scalar.string
    case .sequence: throw ValueProblem(message: "a list is not one value")
    case .mapping: throw ValueProblem(message: "a map is not one value")
    case .alias: throw ValueProblem(message: "an alias is not one value")
    }
}

/// Writes a string as YAML, without quotes if that is safe.
func quoted(_ text: String) -> String {
    let safe = text.unicodeScalars.allSatisfy {
        $0.isASCII && ($0.properties.isAlphabetic || ("0"..."9").contains($0) || "_./:@+-".unicodeScalars.contains($0))
    }
    if let first = text.first, safe, first.isLetter || first.isNumber || first == "/", text.last != ":" { return text }
    let escaped = text.unicodeScalars.map { scalar in
        switch scalar {
        case "\\": "\\\\"
        case "\"": "\\\""
        case "\n": "\\n"
        case "\t": "\\t"
        default: String(scalar)
        }
    }
    return "\"\(escaped.joined())\""
}

extension ValueKind<Int> {
    static func integer(_ range: ClosedRange<Int>) -> Self {
        Self(allowed: "a whole number from \(range.lowerBound) to \(range.upperBound)") { node throws(ValueProblem) in
            let text = try text(node)
            guard let number = Int(text) else { throw ValueProblem(message: "\(quoted(text)) is not a whole number") }
            guard range.contains(number) else {
                throw ValueProblem(
                    message: "\(number) is not from \(range.lowerBound) to \(range.upperBound)", showsAllowed: false)
            }
            return number
        } show: {
            "\($0)"
        }
    }
}

extension ValueKind<Int64> {
    static func count(_ range: ClosedRange<Int>) -> Self {
        let integer = ValueKind<Int>.integer(range)
        return Self(allowed: integer.allowed) { node throws(ValueProblem) in
            Int64(try integer.read(node))
        } show: {
            "\($0)"
        }
    }

    static func size(_ range: ClosedRange<Int64>) -> Self {
        let (least, most) = (Notation.text(bytes: range.lowerBound), Notation.text(bytes: range.upperBound))
        return Self(allowed: "a size from \(least) to \(most)") { node throws(ValueProblem) in
            let text = try text(node)
            guard let bytes = Notation.bytes(text) else { throw ValueProblem(message: "\(quoted(text)) is not a size") }
            guard range.contains(bytes) else { throw ValueProblem(message: "\(text) is not from \(least) to \(most)") }
            return bytes
        } show: {
            Notation.text(bytes: $0)
        }
    }

    static func size(atLeast least: Int64) -> Self {
        let shown = Notation.text(bytes: least)
        return Self(allowed: "a size of at least \(shown), e.g. 65536, 128m or 1.5g") { node throws(ValueProblem) in
            let text = try text(node)
            guard let bytes = Notation.bytes(text) else { throw ValueProblem(message: "\(quoted(text)) is not a size") }
            guard bytes >= least else { throw ValueProblem(message: "\(text) is less than \(shown)") }
            return bytes
        } show: {
            Notation.text(bytes: $0)
        }
    }

    /// A number of CPUs, stored in thousandths of a CPU.
    static var milliCPUs: Self {
        Self(allowed: "a number from 0.01 to 4096") { node throws(ValueProblem) in
            let text = try text(node)
            guard let cpus = Double(text), cpus.isFinite else {
                throw ValueProblem(message: "\(quoted(text)) is not a number")
            }
            guard cpus >= 0.01, cpus <= 4096 else {
                throw ValueProblem(message: "\(text) is not from 0.01 to 4096", showsAllowed: false)
            }
            return Int64((cpus * 1000).rounded())
        } show: {
            $0 % 1000 == 0 ? "\($0 / 1000)" : "\(Double($0) / 1000)"
        }
    }
}

extension ValueKind<String> {
    /// The name that an engine or a cluster has for a low-level runtime.
    static var runtimeName: Self {
        string("a runtime's name: at most 253 of letters, digits, - _ .") { text in
            text.utf8.count <= 253
                && text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || ["-", "_", "."].contains($0)) }
        }
    }
}

extension ValueKind<UInt32> {
    static var uid: Self {
        Self(allowed: "a user id from 1 to 4294967294") { node throws(ValueProblem) in
            let text = try text(node)
            guard let uid = UInt32(text), uid != .max else {
                throw ValueProblem(message: "\(quoted(text)) is not a user id")
            }
            guard uid != 0 else { throw ValueProblem(message: "0 is root, and no program may run as root") }
            return uid
        } show: {
            "\($0)"
        }
    }
}

extension ValueKind<UInt32> {
    static var user: Self {
        Self(allowed: "a user id from 0 to 4294967294") { node throws(ValueProblem) in
            let text = try text(node)
            guard let user = UInt32(text), user != .max else {
                throw ValueProblem(message: "\(quoted(text)) is not a user id")
            }
            return user
        } show: {
            "\($0)"
        }
    }
}

extension ValueKind<ClosedRange<UInt32>> {
    static var uids: Self {
        Self(allowed: "FIRST-LAST, user ids from 1 to 4294967294") { node throws(ValueProblem) in
            let text = try text(node)
            let ends = text.split(separator: "-", omittingEmptySubsequences: false).map { UInt32($0) }
            guard ends.count == 2, let first = ends[0], let last = ends[1], first > 0, last < .max else {
                throw ValueProblem(message: "\(quoted(text)) is not a range of user ids")
            }
            guard first <= last else { throw ValueProblem(message: "\(first) is more than \(last)") }
            return first...last
        } show: {
            "\($0.lowerBound)-\($0.upperBound)"
        }
    }
}

extension ValueKind<UInt32> {
    /// Permissions of a file, in octal.
    static var socketMode: Self {
        Self(allowed: "permissions in octal from 0600 to 0777") { node throws(ValueProblem) in
            let text = try text(node)
            guard let mode = UInt32(text.hasPrefix("0o") ? String(text.dropFirst(2)) : text, radix: 8), mode <= 0o777
            else {
                throw ValueProblem(message: "\(quoted(text)) is not a set of permissions")
            }
            guard mode & 0o600 == 0o600 else {
                throw ValueProblem(message: "\(text) gives the server's own user no access", showsAllowed: false)
            }
            return mode
        } show: {
            let digits = String($0, radix: 8)
            return String(repeating: "0", count: max(0, 4 - digits.count)) + digits
        }
    }
}

extension ValueKind<[UInt32]> {
    static var uids: Self { list(.uid) }

    /// Users of the host, of whom root may be one.
    static var users: Self { list(.user) }

    private static func list(_ item: ValueKind<UInt32>) -> Self {
        Self(allowed: "one or a list, each \(item.allowed)") { node throws(ValueProblem) in
            guard let items = node.sequence else { return [try item.read(node)] }
            var values: [UInt32] = []
            for node in items { values.append(try item.read(node)) }
            guard Set(values).count == values.count else { throw ValueProblem(message: "a value is listed twice") }
            return values
        } show: {
            "[\($0.map(item.show).joined(separator: ", "))]"
        }
    }
}

extension ValueKind<Double> {
    static var fraction: Self {
        Self(allowed: "a number from 0 to 1") { node throws(ValueProblem) in
            let text = try text(node)
            guard let number = Double(text) else { throw ValueProblem(message: "\(quoted(text)) is not a number") }
            guard number >= 0, number <= 1 else {
                throw ValueProblem(message: "\(text) is not from 0 to 1", showsAllowed: false)
            }
            return number
        } show: {
            "\($0)"
        }
    }
}

extension ValueKind<Duration> {
    static var duration: Self { duration(isZeroAllowed: true) }
    static var durationOverZero: Self { duration(isZeroAllowed: false) }

    private static func duration(isZeroAllowed: Bool) -> Self {
        let allowed = "a duration\(isZeroAllowed ? "" : " over 0"), e.g. 250ms, 30s, 5m or 2h"
        return Self(allowed: allowed) { node throws(ValueProblem) in
            let text = try text(node)
            guard let duration = Notation.duration(text) else {
                throw ValueProblem(message: "\(quoted(text)) is not a duration")
            }
            guard isZeroAllowed || duration > .zero else { throw ValueProblem(message: "\(text) is not more than 0") }
            return duration
        } show: {
            Notation.text($0)
        }
    }
}

extension ValueKind<Bool> {
    static var boolean: Self {
        Self(allowed: "true or false") { node throws(ValueProblem) in
            let text = try text(node)
            guard let value = Bool(text) else { throw ValueProblem(message: "\(quoted(text)) is not allowed") }
            return value
        } show: {
            "\($0)"
        }
    }
}

extension ValueKind where Value: CaseIterable & RawRepresentable<String> {
    static var word: Self {
        let words = Value.allCases.map(\.rawValue)
        let allowed = words.dropLast().joined(separator: ", ") + " or \(words.last ?? "")"
        return Self(allowed: allowed) { node throws(ValueProblem) in
            let text = try text(node)
            guard let value = Value(rawValue: text) else {
                throw ValueProblem(message: "\(quoted(text)) is not allowed")
            }
            return value
        } show: {
            $0.rawValue
        }
    }
}

extension ValueKind<String> {
    static func string(_ allowed: String, where isAllowed: @escaping @Sendable (String) -> Bool = { _ in true }) -> Self
    {
        Self(allowed: allowed) { node throws(ValueProblem) in
            let text = try text(node)
            guard !text.isEmpty, isAllowed(text) else {
                throw ValueProblem(message: "\(quoted(text)) is not allowed")
            }
            return text
        } show: {
            quoted($0)
        }
    }
}

extension ValueKind<[String]> {
    /// A list of at least one value. A single value counts as a list of one.
    static func list(_ item: ValueKind<String>) -> Self {
        Self(allowed: "one or a list, each \(item.allowed)") { node throws(ValueProblem) in
            guard let items = node.sequence else { return [try item.read(node)] }
            guard !items.isEmpty else { throw ValueProblem(message: "[] is empty") }
            var values: [String] = []
            for node in items { values.append(try item.read(node)) }
            guard Set(values).count == values.count else { throw ValueProblem(message: "a value is listed twice") }
            return values
        } show: {
            "[\($0.map(item.show).joined(separator: ", "))]"
        }
    }
}

extension ValueKind<PoolConfiguration.Sizing> {
    static var sizing: Self {
        let number = ValueKind<Int>.integer(0...100_000)
        let allowed = "\(number.allowed), or {min: N, max: N} to follow demand"
        return Self(allowed: allowed) { node throws(ValueProblem) in
            guard let map = node.mapping else { return .fixed(try number.read(node)) }
            guard map.count == 2, let lowest = map["min"], let highest = map["max"] else {
                throw ValueProblem(message: "the map must have the keys min and max, and no others")
            }
            let (min, max) = (try number.read(lowest), try number.read(highest))
            guard min <= max else {
                throw ValueProblem(message: "min \(min) is more than max \(max)", showsAllowed: false)
            }
            return .adaptive(min: min, max: max)
        } show: {
            switch $0 {
            case .fixed(let size): "\(size)"
            case .adaptive(let min, let max): "{min: \(min), max: \(max)}"
            }
        }
    }
}

extension ValueKind<PoolConfiguration.Reuse> {
    static var reuse: Self {
        Self(allowed: "never or reset") { node throws(ValueProblem) in
            switch try text(node) {
            case "never": return .never
            case "reset": return .reset
            case let text: throw ValueProblem(message: "\(quoted(text)) is not allowed")
            }
        } show: {
            $0 == .never ? "never" : "reset"
        }
    }
}
