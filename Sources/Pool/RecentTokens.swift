// SPDX-License-Identifier: Apache-2.0

internal import DequeModule

/// The last released tokens, so that a second release of the same lease succeeds.
struct RecentTokens: Sendable {
    private let capacity: Int
    private var order: Deque<LeaseToken> = []
    private var known: Set<LeaseToken> = []

    init(capacity: Int) {
        self.capacity = capacity
    }

    mutating func insert(_ token: LeaseToken) {
        if order.count == capacity, let oldest = order.popFirst() { known.remove(oldest) }
        order.append(token)
        known.insert(token)
    }

    /// The oldest first.
    var all: [LeaseToken] { Array(order) }

    func contains(_ token: LeaseToken) -> Bool { known.contains(token) }
}
