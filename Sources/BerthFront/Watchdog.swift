// SPDX-License-Identifier: Apache-2.0

import BerthSchema

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Notices a server that is no longer there, though its connection is: one that says nothing is asked, and given up when it
/// does not answer.
struct Watchdog {
    /// Milliseconds to the question, and again to the end.
    private static let silence: Int64 = 30_000

    /// When to look.
    private(set) var next = Watchdog.now() + silence
    private var hasHeard = true
    private var hasAsked = false

    /// Something has come.
    mutating func heard() { hasHeard = true }

    /// Returns why the connection is over, if it is.
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

    /// Milliseconds of a clock that only goes on.
    static func now() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
    }
}
