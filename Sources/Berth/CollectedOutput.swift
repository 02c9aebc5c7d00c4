// SPDX-License-Identifier: Apache-2.0

/// All that a program wrote, and its end.
public struct CollectedOutput: Sendable, Equatable {
    public var stdout: [UInt8] = []
    public var stderr: [UInt8] = []
    /// Bytes of stdout that are missing here: over the limit of the caller, or dropped by the server. What
    /// `Command.maxOutput` cut off is in `ended`.
    public var stdoutMissing: UInt64 = 0
    public var stderrMissing: UInt64 = 0
    public var ended = Ended()

    public init() {}

    /// stdout as text; U+FFFD replaces what is not UTF-8.
    public var text: String { String(decoding: stdout, as: UTF8.self) }

    /// stderr as text; U+FFFD replaces what is not UTF-8.
    public var errorText: String { String(decoding: stderr, as: UTF8.self) }

    mutating func take(_ event: ExecuteEvent, limit: Int) {
        switch event {
        case .output(let output) where output.stream == .stdout:
            Self.append(output.data, to: &stdout, missing: &stdoutMissing, limit)
        case .output(let output):
            Self.append(output.data, to: &stderr, missing: &stderrMissing, limit)
        case .dropped(let dropped) where dropped.stream == .stdout: stdoutMissing += dropped.bytes
        case .dropped(let dropped) where dropped.stream == .stderr: stderrMissing += dropped.bytes
        case .ended(let ended): self.ended = ended
        case .started, .dropped, .display, .failure, .prompt, .unknown: break
        }
    }

    private static func append(_ data: [UInt8], to kept: inout [UInt8], missing: inout UInt64, _ limit: Int) {
        let room = max(0, limit - kept.count)
        kept.append(contentsOf: data.prefix(room))
        missing += UInt64(data.count - min(room, data.count))
    }
}
