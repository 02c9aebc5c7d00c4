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
    /// What a piece of code has shown, in order.
    public var displays: [Display] = []
    /// Number of displays that are missing here, because they were over the limit of the caller.
    public var displaysMissing = 0
    /// How a piece of code failed, if it did.
    public var failure: Failure?
    private var displayBytes = 0

    public init() {}

    /// stdout as text; U+FFFD replaces what is not UTF-8.
    public var text: String { String(decoding: stdout, as: UTF8.self) }

    /// The value of a piece's last expression as text; nil if it has none, or it is not shown.
    public var value: String? {
        displays.last { $0.isResult }?.text
    }

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
        case .display(let display):
            let size = display.data.reduce(0) { $0 + $1.data.count }
            guard displayBytes + size <= limit else {
                displaysMissing += 1
                return
            }
            displayBytes += size
            displays.append(display)
        case .failure(let failure): self.failure = failure
        case .started, .dropped, .prompt, .outputEnded, .unknown: break
        }
    }

    private static func append(_ data: [UInt8], to kept: inout [UInt8], missing: inout UInt64, _ limit: Int) {
        let room = max(0, limit - kept.count)
        kept.append(contentsOf: data.prefix(room))
        missing += UInt64(data.count - min(room, data.count))
    }
}
