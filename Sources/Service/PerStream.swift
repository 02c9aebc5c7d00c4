// SPDX-License-Identifier: Apache-2.0

internal import BerthSchema

/// One value for each of a program's outputs, and for the events that a piece of code shows beside them.
struct PerStream<Value> {
    var stdout: Value
    var stderr: Value
    var events: Value

    init(stdout: Value, stderr: Value, events: Value) {
        self.stdout = stdout
        self.stderr = stderr
        self.events = events
    }

    init(_ value: Value) {
        self.init(stdout: value, stderr: value, events: value)
    }

    subscript(_ stream: OutputStream) -> Value {
        // Not `_read`: that allocated memory at each use.
        get {
            switch stream {
            case .stdout: stdout
            case .stderr: stderr
            case .events: events
            }
        }
        _modify {
            switch stream {
            case .stdout: yield &stdout
            case .stderr: yield &stderr
            case .events: yield &events
            }
        }
    }
}

extension OutputStream {
    /// Allocated once, since this is used for every piece of output.
    static let each: [OutputStream] = [.stdout, .stderr, .events]
}

extension PerStream: Equatable where Value: Equatable {}
extension PerStream: Sendable where Value: Sendable {}
extension PerStream: Codable where Value: Codable {}

extension PerStream where Value == UInt64 {
    /// Of a program that shows no events.
    init(stdout: UInt64, stderr: UInt64) {
        self.init(stdout: stdout, stderr: stderr, events: 0)
    }

    var sum: UInt64 { stdout + stderr + events }
}
