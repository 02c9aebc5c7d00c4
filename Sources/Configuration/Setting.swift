// SPDX-License-Identifier: Apache-2.0

internal import Yams

/// The description of one setting: its validation, its help, `berth config` and the reference are all made from it.
package struct Setting: Sendable {
    /// The name in the file.
    package let key: String
    /// What the setting does: a sentence without its full stop.
    package let meaning: String
    /// The values that are allowed.
    package let allowed: String
    /// The default as YAML.
    package let defaultValue: String
    /// Whether a change takes effect only after a restart, not by a reload.
    package let needsRestart: Bool
}

/// A setting, and how it is read into a `Target` and shown.
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
