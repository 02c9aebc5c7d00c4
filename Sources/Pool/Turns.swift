// SPDX-License-Identifier: Apache-2.0

internal import DequeModule

/// The waiters of each client in a fair queue, and whose turn it is among clients that have as many leases.
///
/// A client that comes waits for its turn behind those who wait already, and one that was served and still waits goes behind all
/// others. So between two turns of a waiting client each other one has at most one, whether it waits with one acquire or with a
/// thousand, all at once or one after another. Of clients that do not wait nothing is kept.
struct Turns: Sendable {
    private struct Line: Sendable {
        /// First in, first out. The place of a waiter that left remains, without effect.
        var places: Deque<WaiterID> = []
        var living: Set<WaiterID> = []
        /// Lower is earlier.
        var turn: UInt64

        init(turn: UInt64) { self.turn = turn }

        /// The first place is always that of a waiter.
        mutating func dropLeftPlaces() {
            while let first = places.first, !living.contains(first) { places.removeFirst() }
            guard places.count > 2 * living.count + 16 else { return }
            let living = living
            places = Deque(places.filter(living.contains))
        }
    }

    private var lines: [ClientID: Line] = [:]
    private var nextTurn: UInt64 = 0

    mutating func add(_ waiter: WaiterID, of client: ClientID) {
        if lines[client] == nil { lines[client] = Line(turn: takeTurn()) }
        lines[client]?.places.append(waiter)
        lines[client]?.living.insert(waiter)
    }

    mutating func remove(_ waiter: WaiterID, of client: ClientID) {
        guard lines[client]?.living.remove(waiter) != nil else { return }
        guard lines[client]?.living.isEmpty == false else { return lines[client] = nil }
        lines[client]?.dropLeftPlaces()
    }

    /// A waiter of this client has been served, and removed.
    mutating func served(_ client: ClientID) {
        guard lines[client] != nil else { return }
        let turn = takeTurn()
        lines[client]?.turn = turn
    }

    /// The first waiter of the client with the fewest leases; of several such, of the one whose turn is earliest.
    /// - Parameter leases: how many leases a client has.
    func next(_ leases: (ClientID) -> Int) -> WaiterID? {
        lines.min { one, other in
            (leases(one.key), one.value.turn) < (leases(other.key), other.value.turn)
        }?.value.places.first
    }

    private mutating func takeTurn() -> UInt64 {
        defer { nextTurn += 1 }
        return nextTurn
    }
}
