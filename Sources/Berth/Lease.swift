// SPDX-License-Identifier: Apache-2.0

internal import BerthSchema

/// A member, leased. It ends with `BerthClient.release`, after its time without use and, unless it is detached, when the
/// connection that it was acquired on closes.
public struct Lease: Sendable, Equatable {
    /// Whoever knows it may use the lease.
    public var token: String
    /// The member's name, for logs; empty where only the token is known.
    public var member: String
    /// How long the lease lasts without use; 0 where only the token is known.
    public var time: Duration
    /// The member was warm; false: it was created while the call waited.
    public var isWarm: Bool

    /// One that was acquired elsewhere, by its token.
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
