// SPDX-License-Identifier: Apache-2.0

import BerthSchema

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Detects a server that is gone although the connection exists: if it is silent, it gets a `Hello`, and it is given up
/// if it does not answer.
struct Watchdog {
    /// Milliseconds of silence before the `Hello`, and again before the end.
    private static let silence: Int64 = 30_000

    /// When to call `look` next.
    private(set) var next = Watchdog.now() + silence
    private var hasHeard = true
    private var hasAsked = false

    /// Must be called when something has arrived.
    mutating func heard() { hasHeard = true }

    /// Returns why the connection is lost; nil if it is not.
    mutating func look(_ connection: inout Connection) -> String? {
        let now = Watchdog.now()
        guard now >= next else { return nil }
        next = now + Watchdog.silence
        defer { hasHeard = false }
        if hasHeard {
            hasAsked = false
        } else if hasAsked {
            return "the connection failed: the server has said nothing for "
                + "\(Duration.milliseconds(2 * Watchdog.silence)), and did not answer a Hello"
        } else {
            hasAsked = true
            connection.call(PoolService.hello, HelloRequest(client: "berth"))
        }
        return nil
    }

    /// The monotonic time in milliseconds.
    static func now() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
    }
}
