// SPDX-License-Identifier: Apache-2.0

/// The name of a lease, and the key to it: 128 bits that nobody can guess.
public struct LeaseToken: Hashable, Sendable, Codable, CustomStringConvertible {
    let high: UInt64
    let low: UInt64

    /// - Parameter generator: for real leases it must be cryptographic, as the system's is.
    public init(using generator: inout some RandomNumberGenerator) {
        high = generator.next()
        low = generator.next()
    }

    public init(from decoder: any Decoder) throws {
        let text = try decoder.singleValueContainer().decode(String.self)
        guard let token = LeaseToken(text) else {
            throw DecodingError.dataCorrupted(
                .init(codingPath: decoder.codingPath, debugDescription: "no token of a lease"))
        }
        self = token
    }

    public func encode(to encoder: any Encoder) throws {
        var value = encoder.singleValueContainer()
        try value.encode(description)
    }

    /// A token that nobody can guess.
    @Sendable public static func unguessable() -> LeaseToken {
        var random = SystemRandomNumberGenerator()
        return LeaseToken(using: &random)
    }

    /// The token that `text` stands for; nil if it is not of a token's form, 32 hexadecimal digits.
    public init?(_ text: String) {
        var words: (UInt64, UInt64) = (0, 0)
        var count = 0
        for byte in text.utf8 {
            let digit: UInt8
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = byte - UInt8(ascii: "0")
            case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = byte - UInt8(ascii: "a") + 10
            default: return nil
            }
            if count < 16 { words.0 = words.0 << 4 | UInt64(digit) } else { words.1 = words.1 << 4 | UInt64(digit) }
            count += 1
            if count > 32 { return nil }
        }
        guard count == 32 else { return nil }
        (high, low) = words
    }

    /// Another token, from which this one comes back with the same mask.
    public func mixed(with mask: (high: UInt64, low: UInt64)) -> LeaseToken {
        LeaseToken(high: high ^ mask.high, low: low ^ mask.low)
    }

    private init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// One random word is enough for a hash.
    public func hash(into hasher: inout Hasher) { hasher.combine(low) }

    /// The word itself instead of `Hasher`'s mix of it: it is random already, and nobody but this server makes tokens that are
    /// kept. An acquire and its release hash a token four times, which was a tenth of their time.
    public func _rawHashValue(seed: Int) -> Int { Int(truncatingIfNeeded: low) ^ seed }

    public var description: String {
        String(unsafeUninitializedCapacity: 32) { buffer in
            for index in 0..<32 {
                let word = index < 16 ? high : low
                let nibble = UInt8(truncatingIfNeeded: word >> UInt64(60 - 4 * (index % 16))) & 15
                buffer[index] = nibble < 10 ? UInt8(ascii: "0") + nibble : UInt8(ascii: "a") + nibble - 10
            }
            return 32
        }
    }
}

/// A connection of a client, with which its leases end.
public struct ConnectionID: Hashable, Sendable {
    public let number: UInt64

    public init(_ number: UInt64) {
        self.number = number
    }
}

/// The client of an acquire, for the limit per client: its token if it has one, else its address.
public struct ClientID: Hashable, Sendable {
    public let name: String

    public init(_ name: String) {
        self.name = name
    }
}

/// One queued acquire.
public struct WaiterID: Hashable, Sendable {
    public let number: UInt64

    public init(_ number: UInt64) {
        self.number = number
    }
}

/// The request of an acquire.
public struct AcquireOrder: Sendable {
    /// The pool's name; empty is the default pool.
    public var pool: String
    /// The token that the lease will have.
    public var token: LeaseToken
    /// The id of the acquire, in case it has to wait.
    public var waiter: WaiterID
    /// The connection that will own the lease.
    public var connection: ConnectionID
    /// Whether the lease outlives its connection.
    public var isDetached: Bool
    /// How long the lease lasts without use; nil is the pool's time, which is also the maximum.
    public var leaseTime: Duration?
    /// How long to wait in the queue, up to the server's `maxWait`; nil is the default.
    public var wait: Duration?
    /// The client whose limit counts it; nil if no such limit applies.
    public var client: ClientID?
    /// The client's own maximum of leases and waiting acquires; nil is the fleet's.
    public var maxOfClient: Int?
    /// Whether the queue serves those clients first who have the fewest leases, and lets those who have as many take turns.
    public var isFair: Bool
    /// The client between whom and others the queue is fair; nil if it is first in, first out.
    var fairClient: ClientID? { isFair ? client : nil }

    public init(
        pool: String = "", token: LeaseToken, waiter: WaiterID, connection: ConnectionID, isDetached: Bool = false,
        leaseTime: Duration? = nil, wait: Duration? = nil, client: ClientID? = nil, maxOfClient: Int? = nil,
        isFair: Bool = false
    ) {
        self.client = client
        self.maxOfClient = maxOfClient
        self.isFair = isFair
        self.pool = pool
        self.token = token
        self.waiter = waiter
        self.connection = connection
        self.isDetached = isDetached
        self.leaseTime = leaseTime
        self.wait = wait
    }
}

/// A granted lease.
public struct Grant: Sendable {
    public var token: LeaseToken
    public var member: MemberID
    public var link: any MemberLink
    /// How long the lease lasts without use.
    public var leaseTime: Duration
    /// Whether the member was idle, and not created while the acquire waited.
    public var isWarm: Bool
}

/// Why an acquire got no member.
public enum AcquireError: Error, Sendable, Equatable {
    case unknownPool(String, known: [String])
    /// Nothing is created until `nextTry` from now, since the last create failed.
    case unavailable(RuntimeError, nextTry: Duration)
    /// The queue is full: so many wait already.
    case queueFull(waiting: Int)
    /// It has waited that long; a create was in flight or due.
    case timedOut(after: Duration)
    /// It has waited that long; a limit prevented a create.
    case exhausted(HeldReason, after: Duration)
    case draining
    /// The client already has, or waits for, as many members as one client may have.
    case clientLimit(Int)
    /// The pool is being drained.
    case poolDraining(String)
}

/// Which limit prevents a create.
public enum HeldReason: Sendable, Equatable, CustomStringConvertible {
    case poolMax(Int)
    case fleetMax(Int)
    case memoryBudget(needed: Int64, used: Int64, budget: Int64)
    case hostMemory(needed: Int64, available: Int64)

    public var description: String {
        switch self {
        case .poolMax(let max): "the pool has its most members (\(max))"
        case .fleetMax(let max): "the server has its most members (\(max))"
        case .memoryBudget(let needed, let used, let budget):
            "a member needs \(needed >> 20) MiB, and \(used >> 20) of the budget's \(budget >> 20) MiB are taken"
        case .hostMemory(let needed, let available):
            "a member needs \(needed >> 20) MiB, and the host has \(available >> 20) MiB available"
        }
    }
}
