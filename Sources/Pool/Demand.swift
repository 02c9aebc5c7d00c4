// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// How many warm members a pool needs: enough for the acquires expected while one refill is in flight.
///
/// A pool that replaces each member it hands out is a base-stock system with one-for-one replenishment (Arrow, Harris
/// and Marschak, "Optimal Inventory Policy", 1951; Zipkin, "Foundations of Inventory Management", 2000, chapter 6).
/// With Poisson arrivals of rate λ, the demand over a lead time L is Poisson with mean m = λ·L, and the stock that meets
/// it with probability p is its p-quantile: the newsvendor's critical fractile. For p = 0.99, by the normal
/// approximation:
///
///     target = ⌈m + 2.33·√m⌉,  m = λ·L,  L = batch × measured create time
///
/// Creates are sequential, so a replacement may stand behind a whole batch: hence L.
///
/// λ is the larger of two exponentially weighted rates, over 10 s and over 300 s: the target follows a burst up within
/// seconds, and comes down with the slow one.
struct Demand: Sendable {
    static let fastSeconds = 10.0
    static let slowSeconds = 300.0
    static let quantile = 2.33

    /// Acquires per second, as of `last`.
    private var fast = 0.0
    private var slow = 0.0
    /// Arrivals since `last`, not yet in the rates.
    private var pending = 0.0
    private var last: MonotonicInstant?
    /// Weighted mean of the creates' duration in seconds; nil before the first.
    private(set) var createSeconds: Double?

    mutating func arrived(_ now: MonotonicInstant) {
        pending += 1
        guard let last else { return self.last = now }
        if (now.nanoseconds - last.nanoseconds) > 100_000_000 { fold(now) }
    }

    mutating func created(took: Duration) {
        let seconds = Double(took.saturatedNanoseconds) / 1e9
        createSeconds = createSeconds.map { $0 + 0.2 * (seconds - $0) } ?? seconds
    }

    private mutating func fold(_ now: MonotonicInstant) {
        (fast, slow) = rates(now)
        pending = 0
        last = now
    }

    private func rates(_ now: MonotonicInstant) -> (fast: Double, slow: Double) {
        let passed = last.map { Swift.max(0, Double(now.nanoseconds - $0.nanoseconds) / 1e9) } ?? 0
        return (
            fast * exp(-passed / Self.fastSeconds) + pending / Self.fastSeconds,
            slow * exp(-passed / Self.slowSeconds) + pending / Self.slowSeconds
        )
    }

    /// Expected acquires per second.
    mutating func rate(_ now: MonotonicInstant) -> Double {
        if last != nil { fold(now) }
        return Swift.max(fast, slow)
    }

    mutating func target(_ now: MonotonicInstant, min: Int, max: Int, batch: Int) -> Int {
        guard let createSeconds, min < max else { return min }
        let mean = rate(now) * createSeconds * Double(batch)
        // The remainder of demand long ago does not count.
        guard mean > 0.01 else { return min }
        return Swift.max(min, Int(Swift.min(Double(max), (mean + Self.quantile * mean.squareRoot()).rounded(.up))))
    }
}
