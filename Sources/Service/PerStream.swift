// SPDX-License-Identifier: Apache-2.0

internal import BerthSchema

/// One value for each of a program's outputs.
struct PerStream<Value> {
    var stdout: Value
    var stderr: Value

    init(stdout: Value, stderr: Value) {
        self.stdout = stdout
        self.stderr = stderr
    }

    init(_ value: Value) {
        self.init(stdout: value, stderr: value)
    }

    subscript(_ stream: OutputStream) -> Value {
        // Not `_read`: that allocated memory at each use.
        get { stream == .stdout ? stdout : stderr }
        _modify {
            if stream == .stdout { yield &stdout } else { yield &stderr }
        }
    }
}

extension OutputStream {
    /// Allocated once, since this is used for every piece of output.
    static let both: [OutputStream] = [.stdout, .stderr]
}

extension PerStream: Equatable where Value: Equatable {}
extension PerStream: Sendable where Value: Sendable {}

extension PerStream where Value == UInt64 {
    var sum: UInt64 { stdout + stderr }
}
