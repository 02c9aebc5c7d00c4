/// Sees every decision of the pool: for the log and for counters. Called outside the pool's lock, in any order of threads.
public protocol PoolObserver: Sendable {
    func record(_ event: PoolEvent)
}

/// A decision, or what became of one.
public enum PoolEvent: Sendable, Equatable {
    case createStarted(MemberID, pool: String, onDemand: Bool)
    case created(MemberID, pool: String, took: Duration)
    case createFailed(MemberID, pool: String, RuntimeError, failuresInRow: Int, nextTry: Duration)
    case breakerClosed(pool: String)
    case held(pool: String, HeldReason)
    case leaseExpired(MemberID, pool: String)
    case memberDied(MemberID, pool: String, wasLeased: Bool)
    case removed(MemberID, pool: String)
    case removeFailed(MemberID, pool: String, RuntimeError, retryIn: Duration)
    case leftoverFound(MemberID)
    case sweepFailed(RuntimeError)
}
