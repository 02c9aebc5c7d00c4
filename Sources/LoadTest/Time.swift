// SPDX-License-Identifier: Apache-2.0

internal import CHost

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// Instants and durations in nanoseconds on the monotonic clock: plain integers, since each operation takes several.
typealias Nanoseconds = UInt64

enum Monotonic {
    static func now() -> Nanoseconds {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Nanoseconds(time.tv_sec) &* 1_000_000_000 &+ Nanoseconds(time.tv_nsec)
    }

    /// On the wall clock.
    static func secondsSince1970() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    /// Sleeps, at most until the task is cancelled.
    static func sleep(until instant: Nanoseconds) async {
        let now = now()
        if instant > now { try? await Task.sleep(for: .nanoseconds(instant - now)) }
    }
}

extension Duration {
    /// 0 for negative ones.
    var nanoseconds: Nanoseconds {
        let (seconds, attoseconds) = components
        let (whole, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        return overflow ? .max / 2 : Nanoseconds(clamping: whole + attoseconds / 1_000_000_000)
    }
}
