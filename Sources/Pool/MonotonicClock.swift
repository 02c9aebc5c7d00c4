// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// A point in monotonic time. Wall-clock changes do not move it.
package struct MonotonicInstant: Comparable, Hashable, Sendable {
    /// Nanoseconds since an arbitrary start.
    package var nanoseconds: Int64

    package init(nanoseconds: Int64) {
        self.nanoseconds = nanoseconds
    }

    package static func < (a: MonotonicInstant, b: MonotonicInstant) -> Bool { a.nanoseconds < b.nanoseconds }

    /// Saturates instead of overflowing: an instant plus a very long time is "never".
    package static func + (instant: MonotonicInstant, duration: Duration) -> MonotonicInstant {
        let (sum, overflow) = instant.nanoseconds.addingReportingOverflow(duration.saturatedNanoseconds)
        return MonotonicInstant(nanoseconds: overflow ? .max : sum)
    }

    package static func - (a: MonotonicInstant, b: MonotonicInstant) -> Duration {
        .nanoseconds(a.nanoseconds - b.nanoseconds)
    }
}

extension Duration {
    /// Whole nanoseconds; `Int64.max` or `Int64.min` where they don't fit.
    package var saturatedNanoseconds: Int64 { Int64(clamping: attoseconds / 1_000_000_000) }

    /// Whole milliseconds, rounded up, never negative, as sent to clients.
    package var wholeMilliseconds: UInt64 { roundedUp(to: 1_000_000) }

    /// Whole microseconds, rounded up, never negative.
    package var wholeMicroseconds: UInt64 { roundedUp(to: 1000) }

    private func roundedUp(to nanoseconds: Int64) -> UInt64 {
        let (whole, rest) = saturatedNanoseconds.quotientAndRemainder(dividingBy: nanoseconds)
        return UInt64(max(0, whole + (rest > 0 ? 1 : 0)))
    }
}

/// The pool's source of time. It is passed in, so that tests control it.
package protocol MonotonicClock: Sendable {
    func now() -> MonotonicInstant
    /// Returns at `instant`, or throws `CancellationError` when the task is cancelled.
    func sleep(until instant: MonotonicInstant) async throws
}

/// CLOCK_MONOTONIC.
package struct SystemClock: MonotonicClock {
    package init() {}

    package func now() -> MonotonicInstant {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return MonotonicInstant(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
    }

    package func sleep(until instant: MonotonicInstant) async throws {
        let left = instant - now()
        guard left > .zero else { return }
        try await Task.sleep(for: left)
    }
}
