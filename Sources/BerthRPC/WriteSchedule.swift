// SPDX-License-Identifier: Apache-2.0

/// Decides when gathered frames are written, one write at a time, and counts what waits. `FrameOutput` does as it says.
struct WriteSchedule {
    /// In a read burst, the first write comes after so many frames, and each later one after twice as many as the one before.
    /// Were all held back to the burst's end, the two peers would take turns, each idle while the other works; were each
    /// written at once, the kernel would cost more than the frames.
    private static let firstOfBurst = 4

    private var unsentBytes = 0
    private var unsentFrames = 0
    private var inFlightBytes = 0
    private(set) var isWriting = false
    private var isFlushDue = false
    /// In a read burst: so many frames are to gather before they are written; 0 outside of one.
    private var enoughInBurst = 0

    /// Bytes that have been gathered, or are under way, and are not written yet.
    var pendingBytes: Int { unsentBytes + inFlightBytes }

    /// A frame was gathered, or several that belong together.
    /// - Returns: whether a flush is to be scheduled at the end of the event loop's tick.
    mutating func gathered(_ bytes: Int) -> Bool {
        unsentBytes += bytes
        unsentFrames += 1
        guard !isFlushDue, enoughInBurst == 0, !isWriting else { return false }
        isFlushDue = true
        return true
    }

    /// The scheduled flush has come.
    mutating func tickEnded() { isFlushDue = false }

    /// What a channel reads at once is about to be worked off, piece by piece.
    mutating func beginBurst() {
        if enoughInBurst == 0 { enoughInBurst = WriteSchedule.firstOfBurst }
    }

    /// Between two pieces of a burst.
    /// - Returns: whether to flush.
    mutating func continueBurst() -> Bool {
        guard enoughInBurst > 0, unsentFrames >= enoughInBurst else { return false }
        enoughInBurst *= 2
        return true
    }

    /// The burst is over: flush.
    mutating func endBurst() { enoughInBurst = 0 }

    /// - Returns: whether to write all that was gathered; it is then under way, until `written`.
    mutating func beginWrite() -> Bool {
        guard !isWriting, unsentBytes > 0 else { return false }
        isWriting = true
        inFlightBytes = unsentBytes
        unsentBytes = 0
        unsentFrames = 0
        return true
    }

    /// The write that was under way is done.
    /// - Returns: whether more has gathered meanwhile.
    @discardableResult
    mutating func written() -> Bool {
        isWriting = false
        inFlightBytes = 0
        return unsentBytes > 0
    }

    /// Nothing that waits will ever be written.
    mutating func closed() {
        unsentBytes = 0
        unsentFrames = 0
        inFlightBytes = 0
    }
}
