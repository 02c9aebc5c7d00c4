// SPDX-License-Identifier: Apache-2.0

/// Decides when gathered frames are written, one write at a time, and counts pending bytes. `FrameOutput` acts on it.
struct WriteSchedule {
    /// In a read burst, the first write comes after this many frames, and each later one after twice as many as the one
    /// before. If all frames waited for the end of the burst, the two peers would take turns, each idle while the other works;
    /// if each were written at once, system calls would cost more than the frames.
    private static let firstOfBurst = 4

    private var unsentBytes = 0
    private var unsentFrames = 0
    private var inFlightBytes = 0
    private(set) var isWriting = false
    private var isFlushDue = false
    /// In a read burst, how many frames gather before they are written; 0 outside one.
    private var enoughInBurst = 0

    /// Bytes that are gathered or in flight, and not written yet.
    var pendingBytes: Int { unsentBytes + inFlightBytes }

    /// A frame was gathered, or several that belong together.
    /// - Returns: whether to schedule a flush at the end of the event loop's tick.
    mutating func gathered(_ bytes: Int) -> Bool {
        unsentBytes += bytes
        unsentFrames += 1
        guard !isFlushDue, enoughInBurst == 0, !isWriting else { return false }
        isFlushDue = true
        return true
    }

    /// The scheduled flush begins.
    mutating func tickEnded() { isFlushDue = false }

    /// A read burst begins: the frames that the channel has read at once are about to be handled, one after another.
    mutating func beginBurst() {
        if enoughInBurst == 0 { enoughInBurst = WriteSchedule.firstOfBurst }
    }

    /// Called between two frames of a burst.
    /// - Returns: whether to flush.
    mutating func continueBurst() -> Bool {
        guard enoughInBurst > 0, unsentFrames >= enoughInBurst else { return false }
        enoughInBurst *= 2
        return true
    }

    /// The burst is over: flush.
    mutating func endBurst() { enoughInBurst = 0 }

    /// - Returns: whether to write everything gathered; it is then in flight until `written`.
    mutating func beginWrite() -> Bool {
        guard !isWriting, unsentBytes > 0 else { return false }
        isWriting = true
        inFlightBytes = unsentBytes
        unsentBytes = 0
        unsentFrames = 0
        return true
    }

    /// The write in flight is done.
    /// - Returns: whether more has gathered meanwhile.
    @discardableResult
    mutating func written() -> Bool {
        isWriting = false
        inFlightBytes = 0
        return unsentBytes > 0
    }

    /// The channel is closed: nothing more will be written.
    mutating func closed() {
        unsentBytes = 0
        unsentFrames = 0
        inFlightBytes = 0
    }
}
