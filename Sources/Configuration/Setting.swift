// SPDX-License-Identifier: Apache-2.0

internal import Yams

/// One setting: the one description of it, from which come its validation, its help, `berth config` and the reference.
package struct Setting: Sendable {
    /// Its name in the file.
    package let key: String
    /// What it does, in a sentence without its full stop.
    package let meaning: String
    /// Which values it takes.
    package let allowed: String
    /// As YAML.
    package let defaultValue: String
    /// True: what a reload says of it counts only after a restart.
    package let needsRestart: Bool
}

/// A setting, and how it gets into and out of a `Target`.
struct SettingEntry<Target: Sendable>: Sendable {
    let setting: Setting
    let read: @Sendable (Node, inout Target) throws(ValueProblem) -> Void
    let show: @Sendable (Target) -> String

    func isDefault(_ target: Target) -> Bool { show(target) == setting.defaultValue }
}

/// The settings of a `Target`, in the order in which they are shown.
struct SettingTable<Target: Sendable>: Sendable {
    private(set) var entries: [SettingEntry<Target>] = []
    private let standard: Target

    init(standard: Target) {
        self.standard = standard
    }

    mutating func add<Value: Sendable>(
        _ key: String, _ path: any WritableKeyPath<Target, Value> & Sendable, _ kind: ValueKind<Value>,
        _ meaning: String,
        needsRestart: Bool = false
    ) {
        let show: @Sendable (Target) -> String = { kind.show($0[keyPath: path]) }
        entries.append(
            SettingEntry(
                setting: Setting(
                    key: key, meaning: meaning, allowed: kind.allowed, defaultValue: show(standard),
                    needsRestart: needsRestart),
                read: { node, target throws(ValueProblem) in target[keyPath: path] = try kind.read(node) },
                show: show))
    }

    subscript(key: String) -> SettingEntry<Target>? { entries.first { $0.setting.key == key } }
}
