// SPDX-License-Identifier: Apache-2.0

import BerthSchema
import Console

/// The flags of a command, and its other arguments.
///
/// The initializer returns nil for everything that the whole program might understand differently: an unknown flag, a
/// flag that is given twice, a value that is missing, empty or looks like a flag, and a word in an unusual place.
struct Flags {
    private var values: [String: String] = [:]
    private var repeated: [String: [String]] = [:]
    private var switches: Set<String> = []
    /// The words after the flags.
    private(set) var words: [String] = []

    /// The flags of a command, each by its long name.
    struct Table {
        /// Flags with a value.
        var values: Set<String> = []
        /// Those of them that may be repeated.
        var repeated: Set<String> = []
        /// Flags without a value.
        var switches: Set<String> = []
        /// Short flags, with the flags that they stand for.
        var short: [String: String] = [:]
    }

    init?(_ arguments: ArraySlice<String>, _ table: Table) {
        var rest = arguments
        while let argument = rest.popFirst() {
            if argument == "--" {
                // Words on both sides of it are unusual.
                guard words.isEmpty else { return nil }
                words = Array(rest)
                return
            }
            guard argument.utf8.first == UInt8(ascii: "-") else {
                words.append(argument)
                continue
            }
            // A flag after a word may be meant for the program.
            guard words.isEmpty, take(argument, &rest, table) else { return nil }
        }
    }

    private mutating func take(_ argument: String, _ rest: inout ArraySlice<String>, _ table: Table) -> Bool {
        var name = argument
        var value: String?
        if argument.hasPrefix("--") {
            if let sign = argument.firstIndex(of: "=") {
                name = String(argument[..<sign])
                value = String(argument[argument.index(after: sign)...])
            }
        } else if let long = table.short[argument] {
            name = long
        }
        if table.switches.contains(name) { return value == nil && switches.insert(name).inserted }
        guard table.values.contains(name) else { return false }
        if value == nil {
            value = rest.popFirst()
            if value?.utf8.first == UInt8(ascii: "-") { return false }
        }
        guard let value, !value.isEmpty else { return false }
        if table.repeated.contains(name) {
            repeated[name, default: []].append(value)
            return true
        }
        return values.updateValue(value, forKey: name) == nil
    }

    func value(_ name: String) -> String? { values[name] }

    /// The value of a flag that is a duration, in milliseconds; 0 if it is not given. Nil if it is not a duration, or
    /// less than a millisecond.
    func milliseconds(_ name: String) -> UInt32? {
        guard let text = values[name] else { return 0 }
        guard let time = Notation.duration(text), time >= .milliseconds(1) else { return nil }
        return time.milliseconds
    }

    func all(_ name: String) -> [String] { repeated[name] ?? [] }

    func has(_ name: String) -> Bool { values[name] != nil || switches.contains(name) }
}
