// SPDX-License-Identifier: Apache-2.0

internal import BerthSchema
internal import BerthWire
internal import NIOCore

/// The memory that a connection holds for its client, as counted in the budget.
struct HeldMemory {
    /// Bytes counted for a call that is not answered at once, in addition to its request.
    static let ofCall = 1024
    /// The share of the limits, in sixteenths, that may be in use with so many bytes: the rest is reserved for small requests,
    /// which start programs, control them and end them.
    static func part(for bytes: Int) -> Int { bytes > 1 << 20 ? 14 : 16 }
    /// Output that waits to be written is counted in steps of this size.
    private static let step = 64 << 10

    let account: MemoryAccount
    /// Bytes for an incomplete large frame.
    private var frame = 0
    /// Bytes for an incomplete small frame.
    private var unread = 0
    private var output = 0

    init(_ account: MemoryAccount) {
        self.account = account
    }

    /// Whether there is room for a frame of so many bytes.
    mutating func admitFrame(_ bytes: Int) -> Bool {
        guard account.reserve(bytes, sixteenths: HeldMemory.part(for: bytes)) else { return false }
        frame += bytes
        return true
    }

    mutating func frameIsWhole() {
        guard frame > 0 else { return }
        account.give(frame)
        frame = 0
    }

    /// Counts what has arrived of a small frame.
    mutating func unread(_ bytes: Int) {
        // A large frame was counted as a whole.
        let counted = frame > 0 ? 0 : bytes
        guard counted != unread else { return }
        account.take(counted - unread)
        unread = counted
    }

    mutating func output(_ bytes: Int) {
        guard bytes >= output + HeldMemory.step || bytes + HeldMemory.step <= output || (bytes == 0 && output > 0)
        else {
            return
        }
        account.take(bytes - output)
        output = bytes
    }

    /// The connection is closed: nothing is held any more.
    mutating func closed() {
        account.give(frame + unread + output)
        (frame, unread, output) = (0, 0, 0)
    }
}
