// SPDX-License-Identifier: Apache-2.0

/// How a server for models behaves.
package struct ModelServerSettings: Sendable {
    /// Where containers come from; nil is the Berth server's default pool.
    package var pool: String?
    /// Maximum number of open sessions.
    package var maxSessions = 8
    /// How long a session may be without a call before it ends.
    package var sessionIdleTime = Duration.seconds(15 * 60)
    /// Maximum number of calls that are under way.
    package var maxCalls = 16
    /// Time-out of code and commands whose call sets none: a little less than the 60 s after which many hosts give up, and
    /// then show their model nothing of what was printed.
    package var timeout = Duration.seconds(50)
    /// Maximum bytes of a message.
    package var maxMessage = 4 << 20
    /// The version that clients are told.
    package var version = "0"
    /// `sessionIdleTime` in words.
    package var idleWords = "15m"

    package init() {}

    var stated: StatedLimits {
        StatedLimits(idle: idleWords, sessions: maxSessions, timeout: timeout.secondsText)
    }
}

extension Duration {
    /// Seconds as a JSON number: 60, 0.5.
    var secondsText: String {
        let (seconds, attoseconds) = components
        return attoseconds == 0 ? "\(seconds)" : "\(Double(seconds) + Double(attoseconds) / 1e18)"
    }
}
