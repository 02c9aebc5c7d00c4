// SPDX-License-Identifier: Apache-2.0

/// Lets Berth and the baseline take turns in a closed loop: each runs for half a second, or for one operation if that
/// takes longer. One operation each in turn would not be fair: after an engine has answered an exec, it cleans up, on
/// the same CPUs and for longer than Berth's next operation takes.
struct Turns {
    static let length: Nanoseconds = 500_000_000

    private var isBaselines = false
    private var end: Nanoseconds

    init(start: Nanoseconds) {
        end = start + Turns.length
    }

    /// Whether the operation that begins now is for the baseline.
    mutating func isBaselines(at now: Nanoseconds) -> Bool {
        if now >= end {
            isBaselines.toggle()
            end = now + Turns.length
        }
        return isBaselines
    }
}
