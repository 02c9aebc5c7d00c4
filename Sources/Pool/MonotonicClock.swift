// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// A point in monotonic time. Wall-clock changes do not move it.
public struct MonotonicInstant: Comparable, Hashable, Sendable {
    /// Nanoseconds since an arbitrary start.
    public var nanoseconds: Int64

    public init(nanoseconds: Int64) {
        self.nanoseconds = nanoseconds
    }

    public static func < (a: MonotonicInstant, b: MonotonicInstant) -> Bool { a.nanoseconds < b.nanoseconds }

    /// Saturates instead of overflowing: an instant plus a very long time is "never".
    public static func + (instant: MonotonicInstant, duration: Duration) -> MonotonicInstant {
        let (sum, overflow) = instant.nanoseconds.addingReportingOverflow(duration.saturatedNanoseconds)
        return MonotonicInstant(nanoseconds: overflow ? .max : sum)
    }

    public static func - (a: MonotonicInstant, b: MonotonicInstant) -> Duration {
        .nanoseconds(a.nanoseconds - b.nanoseconds)
    }
}

extension Duration {
    /// Whole nanoseconds; `Int64.max` or `Int64.min` where they don't fit.
    public var saturatedNanoseconds: Int64 { Int64(clamping: attoseconds / 1_000_000_000) }

    /// Whole milliseconds, rounded up, never negative, as sent to clients.
    public var wholeMilliseconds: UInt64 { roundedUp(to: 1_000_000) }

    /// Whole microseconds, rounded up, never negative.
    public var wholeMicroseconds: UInt64 { roundedUp(to: 1000) }

    private func roundedUp(to nanoseconds: Int64) -> UInt64 {
        let (whole, rest) = saturatedNanoseconds.quotientAndRemainder(dividingBy: nanoseconds)
        return UInt64(max(0, whole + (rest > 0 ? 1 : 0)))
    }
}

/// The pool's source of time. It is passed in, so that tests control it.
public protocol MonotonicClock: Sendable {
    func now() -> MonotonicInstant
    /// Returns at `instant`, or throws `CancellationError` when the task is cancelled.
    func sleep(until instant: MonotonicInstant) async throws
}

/// CLOCK_MONOTONIC.
public struct SystemClock: MonotonicClock {
    public init() {}

    public func now() -> MonotonicInstant {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return MonotonicInstant(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
    }

    public func sleep(until instant: MonotonicInstant) async throws {
        let left = instant - now()
        guard left > .zero else { return }
        try await Task.sleep(for: left)
    }
}
