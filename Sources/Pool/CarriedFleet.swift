// SPDX-License-Identifier: Apache-2.0

/// The members of a fleet and their leases, as they go over to the program that takes this one's place. All times are nanoseconds of
/// the monotonic clock, which the programs share.
public struct CarriedFleet: Codable, Sendable, Equatable {
    public var pools: [Pool]
    public var members: [Member]
    /// Tokens of leases that were released a while ago.
    public var released: [String]

    public struct Pool: Codable, Sendable, Equatable {
        public var name: String
        public var template: MemberTemplate
        /// The failure that has opened its breaker, and until when; nil: it is closed.
        public var breaker: Breaker?
        public var failuresInRow: Int
        public var creates: UInt64
        public var createFailures: UInt64
        public var leases: UInt64
        public var removed: UInt64
        public var recycled: UInt64
        public var retired: [UInt64]
    }

    public struct Breaker: Codable, Sendable, Equatable {
        public var until: Int64
        public var cause: String
        public var message: String
    }

    public struct Member: Codable, Sendable, Equatable {
        public var id: String
        /// The name of its pool.
        public var pool: String
        /// Whether it was created from an earlier template of its pool.
        public var isOutdated: Bool
        public var memoryBytes: Int64
        public var readySince: Int64
        public var jitter: Double
        public var uses: Int
        public var isUnhealthy: Bool
        /// The user id that it has of the fleet's own.
        public var user: UInt32?
        /// Whether it is given up, and not removed yet.
        public var isLeaving = false
        /// Nil if it is idle, waits for its reset or leaves.
        public var lease: Lease?
        /// Since when it is idle; nil if it is not.
        public var idleSince: Int64?
    }

    public struct Lease: Codable, Sendable, Equatable {
        public var token: String
        public var owner: UInt64?
        public var client: String?
        public var since: Int64
        public var time: Int64
        public var expires: Int64
        public var active: Int
        public var isOrphaned: Bool
        public var isUsed: Bool
    }
}

extension CarriedFleet {
    public init() { self.init(pools: [], members: [], released: []) }
}
