// SPDX-License-Identifier: Apache-2.0

/// Whose turn it is, Berth's or the baseline's, in a closed loop: each goes on for half a second, or for one operation that
/// takes longer. One of each in turn would not compare them: when an engine has answered an exec, it cleans up after it
/// for longer than Berth's next operation takes, on the same CPUs.
struct Turns {
    static let length: Nanoseconds = 500_000_000

    private var isBaselines = false
    private var end: Nanoseconds

    init(start: Nanoseconds) {
        end = start + Turns.length
    }

    /// Whether the operation that begins now is the baseline's.
    mutating func isBaselines(at now: Nanoseconds) -> Bool {
        if now >= end {
            isBaselines.toggle()
            end = now + Turns.length
        }
        return isBaselines
    }
}
