// SPDX-License-Identifier: Apache-2.0

/// The server's end of a member's byte stream. It is opaque to the pool, which hands it out with a lease.
public protocol MemberLink: AnyObject, Sendable {
    /// Closes the stream; the agent then kills everything and exits. Idempotent: the first reason counts.
    func close(_ reason: LinkCloseReason)

    /// Why the stream will end, if it does so before `close`: the runtime takes the member back.
    func foretell(_ message: String)

    /// Pings the agent. Returns when it has answered.
    func ping() async throws(MemberLinkError)

    /// Resets the member: no process but the agent, empty writable places, no IPC objects. Returns when that is proven; if it
    /// throws, the member must be destroyed.
    func reset() async throws(MemberLinkError)
}

/// Why a ping or a reset failed.
public enum MemberLinkError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The agent has no such call.
    case unsupported
    /// One line: what went wrong.
    case failed(String)

    public var description: String {
        switch self {
        case .unsupported: "the agent cannot do this"
        case .failed(let message): message
        }
    }
}

extension MemberLink {
    public func foretell(_ message: String) {}
    public func ping() async throws(MemberLinkError) { throw .unsupported }
    public func reset() async throws(MemberLinkError) { throw .unsupported }
}

/// Why the pool gives a member up.
public enum LinkCloseReason: Sendable, Equatable {
    case released
    case leaseExpired
    case connectionClosed
    case memberDied
    case retired
    /// The runtime takes it back.
    case evicted
    case draining
}

/// Why a member was retired, as Stats counts it.
public enum RetireReason: String, Sendable, CaseIterable {
    /// Its lease was released, and the pool does not reuse members.
    case released
    case leaseExpired = "lease expired"
    case connectionClosed = "connection closed"
    /// Its stream ended.
    case died
    case age
    /// It was idle for too long.
    case idle
    /// It was leased as often as the pool allows.
    case uses
    /// It did not answer a health ping.
    case unhealthy
    case resetFailed = "reset failed"
    /// There were more idle members than wanted.
    case surplus
    /// Its pool's configuration has changed.
    case reconfigured
    case draining
    /// The runtime takes it back: its node is drained, its pod was deleted.
    case evicted

    /// The reason that its link gets.
    var closeReason: LinkCloseReason {
        switch self {
        // Only what was released is reset: whatever still ran in it ended with its lease.
        case .released, .resetFailed: .released
        case .leaseExpired: .leaseExpired
        case .connectionClosed: .connectionClosed
        case .died: .memberDied
        case .draining: .draining
        case .evicted: .evicted
        case .age, .idle, .uses, .unhealthy, .surplus, .reconfigured: .retired
        }
    }

    /// Its index in `allCases`.
    var ordinal: Int {
        switch self {
        case .released: 0
        case .leaseExpired: 1
        case .connectionClosed: 2
        case .died: 3
        case .age: 4
        case .idle: 5
        case .uses: 6
        case .unhealthy: 7
        case .resetFailed: 8
        case .surplus: 9
        case .reconfigured: 10
        case .draining: 11
        case .evicted: 12
        }
    }
}
