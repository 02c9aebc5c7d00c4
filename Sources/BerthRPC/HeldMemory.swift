// SPDX-License-Identifier: Apache-2.0

internal import BerthSchema
internal import BerthWire
internal import NIOCore

/// What a connection holds for its client, as it is counted in the budget.
struct HeldMemory {
    /// A call that is not answered at once costs so much beside its request.
    static let ofCall = 1024
    /// The share of the limits, in sixteenths, up to which so many bytes are taken: what is left is for small requests, which
    /// start programs, move them on and end them.
    static func part(for bytes: Int) -> Int { bytes > 1 << 20 ? 14 : 16 }
    /// What waits to be written is counted in steps of this size.
    private static let step = 64 << 10

    let account: MemoryAccount
    /// For a large frame of which not all has come.
    private var frame = 0
    /// For a small one.
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

    /// What of a small frame has come.
    mutating func unread(_ bytes: Int) {
        // A large one was counted as a whole.
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

    /// The connection is gone, and all of it with it.
    mutating func closed() {
        account.give(frame + unread + output)
        (frame, unread, output) = (0, 0, 0)
    }
}
