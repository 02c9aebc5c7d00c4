// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// Keeps requests at a rate that the API can bear: so many a second, and at once as many as in two seconds.
final class RequestPace: Sendable {
    private let interval: Duration
    private let burst: Duration
    /// When the next request would be due without a burst.
    private let next: Mutex<ContinuousClock.Instant>

    init(perSecond rate: Int) {
        interval = .seconds(1) / rate
        burst = .seconds(2)
        next = Mutex(ContinuousClock.now - burst)
    }

    /// The moment at which a request that is wanted now may be sent. Each call takes a place.
    func place(_ now: ContinuousClock.Instant) -> ContinuousClock.Instant {
        next.withLock { next in
            let at = max(next, now - burst + interval)
            next = at + interval
            return max(at, now)
        }
    }

    func turn() async throws {
        let now = ContinuousClock.now
        let at = place(now)
        if at > now { try await Task.sleep(until: at) }
    }
}
