// SPDX-License-Identifier: Apache-2.0

/// Which sessions there are, which there were and why they ended, with bounds on both. It decides, and does nothing.
package struct SessionBook<Handle: Sendable>: Sendable {
    package enum Found: Sendable {
        case open(Handle)
        /// Why it ended.
        case ended(String)
        case unknown
    }

    private struct Entry {
        var handle: Handle
        /// When its last call ended.
        var lastUse: ContinuousClock.Instant
        /// Calls that run in it.
        var calls = 0
    }

    /// Number of ended sessions whose end is remembered.
    private static var maxEnded: Int { 256 }

    private let limit: Int
    private let idleTime: Duration
    private var entries: [String: Entry] = [:]
    /// Sessions that are being started.
    private var reserved = 0
    private var reasons: [String: String] = [:]
    private var order: [String] = []

    /// - Parameters:
    ///   - limit: maximum number of open sessions.
    ///   - idleTime: how long one may be without a call.
    package init(limit: Int, idleTime: Duration) {
        self.limit = limit
        self.idleTime = idleTime
    }

    package var isEmpty: Bool { entries.isEmpty }
    package var handles: [(id: String, handle: Handle)] { entries.map { ($0.key, $0.value.handle) } }

    /// Why one has ended; nil if it is open, or not known.
    package func reason(_ id: String) -> String? { reasons[id] }

    /// Makes room for one that is to be started. False if there are too many.
    package mutating func reserve() -> Bool {
        guard entries.count + reserved < limit else { return false }
        reserved += 1
        return true
    }

    /// It could not be started.
    package mutating func giveUp() { reserved -= 1 }

    /// It was started, in the room that was reserved.
    package mutating func open(_ id: String, _ handle: Handle, _ now: ContinuousClock.Instant) {
        reserved -= 1
        entries[id] = Entry(handle: handle, lastUse: now)
    }

    /// A call in it begins: until `finish`, it is not idle.
    package mutating func begin(_ id: String) -> Found {
        guard let handle = entries[id]?.handle else { return reasons[id].map { .ended($0) } ?? .unknown }
        entries[id]?.calls += 1
        return .open(handle)
    }

    package mutating func finish(_ id: String, _ now: ContinuousClock.Instant) {
        entries[id]?.calls -= 1
        entries[id]?.lastUse = now
    }

    /// It ends now. Nil if it was not open.
    package mutating func end(_ id: String, _ reason: String) -> Handle? {
        guard let entry = entries.removeValue(forKey: id) else { return nil }
        if order.count == Self.maxEnded { reasons[order.removeFirst()] = nil }
        order.append(id)
        reasons[id] = reason
        return entry.handle
    }

    /// Ends those that have been idle for too long.
    package mutating func expire(_ now: ContinuousClock.Instant, _ reason: String) -> [(id: String, handle: Handle)] {
        let idle = entries.filter { $0.value.calls == 0 && $0.value.lastUse + idleTime <= now }.keys.sorted()
        return idle.compactMap { id in end(id, reason).map { (id, $0) } }
    }
}
