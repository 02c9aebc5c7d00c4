// SPDX-License-Identifier: Apache-2.0

/// Gets every decision of the pool, for the log and for counters. It is called outside the pool's lock, on any thread.
public protocol PoolObserver: Sendable {
    func record(_ event: PoolEvent)
}

/// A decision, or its result.
public enum PoolEvent: Sendable, Equatable {
    case createStarted(MemberID, pool: String, onDemand: Bool)
    case created(MemberID, pool: String, took: Duration)
    case createFailed(MemberID, pool: String, RuntimeError, failuresInRow: Int, nextTry: Duration)
    case breakerClosed(pool: String)
    case held(pool: String, HeldReason)
    case leaseExpired(MemberID, pool: String)
    case memberDied(MemberID, pool: String, wasLeased: Bool)
    /// The runtime takes it back.
    case evicted(MemberID, pool: String, Eviction, isLeased: Bool)
    /// It is given up, after `uses` leases, and will be removed.
    case retired(MemberID, pool: String, RetireReason, uses: Int)
    /// A member died unused, so soon that it counts as a create that failed.
    case diedYoung(MemberID, pool: String, RuntimeError, failuresInRow: Int, nextTry: Duration)
    case resetFailed(MemberID, pool: String, MemberLinkError)
    case pingFailed(MemberID, pool: String, MemberLinkError)
    /// The target of a pool that follows demand has changed.
    case targetChanged(pool: String, from: Int, to: Int)
    /// The configuration was changed while the server runs.
    case reconfigured(pool: String)
    case removed(MemberID, pool: String)
    case removeFailed(MemberID, pool: String, RuntimeError, retryIn: Duration)
    case leftoverFound(MemberID)
    case sweepFailed(RuntimeError)
}
