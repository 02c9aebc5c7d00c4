// SPDX-License-Identifier: Apache-2.0

internal import BerthSchema

/// A leased member. The lease ends with `BerthClient.release`, after its time without use, and, unless it is detached, when
/// the connection closes on which it was acquired.
public struct Lease: Sendable, Equatable {
    /// The key to the lease: anyone who knows it can use the lease.
    public var token: String
    /// The member's name, for logs; empty if only the token is known.
    public var member: String
    /// How long the lease lasts without use; 0 if only the token is known.
    public var time: Duration
    /// Whether the member was warm, and not created while the call waited.
    public var isWarm: Bool

    /// A lease that was acquired elsewhere, by its token.
    public init(token: String) {
        self.token = token
        member = ""
        time = .zero
        isWarm = false
    }

    init(_ response: AcquireResponse) {
        token = response.lease
        member = response.member
        time = .milliseconds(response.ttlMilliseconds)
        isWarm = response.isWarm
    }
}
