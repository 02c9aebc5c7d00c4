// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// User ids for members, each for one at a time.
///
/// What the kernel counts for each user (inotify instances, message queues, pending signals, locked memory, pipes, descriptors
/// in flight) is then counted for each member, and not together with the host or other members.
final class UserIDs: Sendable {
    private struct State {
        var next: UInt32
        var taken: [MemberID: UInt32] = [:]
        var inUse: Set<UInt32> = []
    }

    private let range: ClosedRange<UInt32>
    private let state: Mutex<State>

    /// - Parameter first: where to begin, anywhere in the range: two servers of a host then seldom have the same.
    init(_ range: ClosedRange<UInt32>, first: UInt32) {
        self.range = range
        state = Mutex(State(next: range.contains(first) ? first : range.lowerBound))
    }

    /// Takes an id that no member has, the one not used for longest; nil if all are taken.
    func take(_ member: MemberID) -> UInt32? {
        state.withLock { state in
            if let own = state.taken[member] { return own }
            guard state.inUse.count < range.count else { return nil }
            while state.inUse.contains(state.next) { state.next = after(state.next) }
            let uid = state.next
            state.next = after(uid)
            state.taken[member] = uid
            state.inUse.insert(uid)
            return uid
        }
    }

    func user(of member: MemberID) -> UInt32? { state.withLock { $0.taken[member] } }

    /// Counts an id as a member's that was taken for it in another program.
    func keep(_ uid: UInt32, _ member: MemberID) {
        state.withLock { state in
            state.taken[member] = uid
            state.inUse.insert(uid)
        }
    }

    /// Gives back the id of a member that is confirmed gone.
    func giveBack(_ member: MemberID) {
        state.withLock { state in
            if let uid = state.taken.removeValue(forKey: member) { state.inUse.remove(uid) }
        }
    }

    private func after(_ uid: UInt32) -> UInt32 { uid == range.upperBound ? range.lowerBound : uid + 1 }
}
