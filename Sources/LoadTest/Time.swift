// SPDX-License-Identifier: Apache-2.0

internal import CHost

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// Instants and durations of the monotonic clock in nanoseconds. They are plain integers because each operation needs
/// several.
typealias Nanoseconds = UInt64

enum Monotonic {
    static func now() -> Nanoseconds {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Nanoseconds(time.tv_sec) &* 1_000_000_000 &+ Nanoseconds(time.tv_nsec)
    }

    /// The time of the wall clock.
    static func secondsSince1970() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    /// Sleeps until then, or until the task is cancelled.
    static func sleep(until instant: Nanoseconds) async {
        let now = now()
        if instant > now { try? await Task.sleep(for: .nanoseconds(instant - now)) }
    }
}

extension Duration {
    /// The duration in nanoseconds; 0 if it is negative.
    var nanoseconds: Nanoseconds {
        let (seconds, attoseconds) = components
        let (whole, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        return overflow ? .max / 2 : Nanoseconds(clamping: whole + attoseconds / 1_000_000_000)
    }
}
