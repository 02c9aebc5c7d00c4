// SPDX-License-Identifier: Apache-2.0

package import Logging
package import Pool
internal import Synchronization

/// Keeps conditions that last, or that a client can cause repeatedly, from filling the log. A condition is logged when
/// it begins, then at most every 30 s with the number of messages that were left out, and when it ends.
package final class LogGate: Sendable {
    package static let interval = Duration.seconds(30)
    /// Maximum number of conditions. Usually there are few, since names of pools come from the configuration.
    private static let maxConditions = 1024

    private struct Key: Hashable {
        var message: String
        var subject: String
    }

    private struct Condition {
        var level: Logger.Level
        var metadata: Logger.Metadata
        /// Lines that were logged at the beginning.
        var lines: Int
        /// Messages that were left out since the last line.
        var leftOut = 0
        /// All messages since it began.
        var total = 1
    }

    private let logger: Logger
    private let clock: any MonotonicClock
    private let conditions = Mutex<[Key: Condition]>([:])

    package init(_ logger: Logger, clock: any MonotonicClock = SystemClock()) {
        self.logger = logger
        self.clock = clock
    }

    /// Logs a message, or only counts it.
    ///
    /// - Parameters:
    ///   - subject: what the message is about, for example the name of a pool. Each subject is counted separately.
    ///   - burst: number of messages that are logged before any is only counted.
    package func log(
        _ level: Logger.Level, _ message: String, subject: String = "", burst: Int = 1,
        metadata: @autoclosure () -> Logger.Metadata
    ) {
        guard level >= logger.logLevel else { return }
        let metadata = metadata()
        let key = Key(message: message, subject: subject)
        let (isLogged, begins) = conditions.withLock { conditions -> (Bool, Bool) in
            guard var condition = conditions[key] else {
                guard conditions.count < LogGate.maxConditions else { return (false, false) }
                conditions[key] = Condition(level: level, metadata: metadata, lines: 1)
                return (true, true)
            }
            condition.total += 1
            condition.metadata = metadata
            if condition.lines < burst { condition.lines += 1 } else { condition.leftOut += 1 }
            let isLogged = condition.leftOut == 0
            conditions[key] = condition
            return (isLogged, false)
        }
        if isLogged { logger.log(level: level, "\(message)", metadata: metadata) }
        if begins { Task { [weak self, clock] in await LogGate.watch(key, clock) { self } } }
    }

    /// Checks a condition after each interval, until it has ended.
    private static func watch(_ key: Key, _ clock: any MonotonicClock, _ gate: () -> LogGate?) async {
        repeat {
            do { try await clock.sleep(until: clock.now() + interval) } catch { return }
        } while gate()?.goesOn(key) == true
    }

    /// - Returns: false if nothing was left out since the last check, which ends the condition.
    private func goesOn(_ key: Key) -> Bool {
        let (condition, leftOut) = conditions.withLock { conditions -> (Condition?, Int) in
            guard var condition = conditions[key] else { return (nil, 0) }
            let leftOut = condition.leftOut
            condition.leftOut = 0
            conditions[key] = leftOut > 0 ? condition : nil
            return (condition, leftOut)
        }
        guard let condition else { return false }
        var metadata = condition.metadata
        if leftOut > 0 {
            metadata["log.count"] = "\(leftOut)"
            logger.log(level: condition.level, "\(key.message)", metadata: metadata)
        } else if condition.total > condition.lines {
            logger.log(
                level: condition.level, "it has ended",
                metadata: [
                    "log.condition": "\(key.message)", "log.subject": "\(key.subject)",
                    "log.count": "\(condition.total)",
                ])
        }
        return leftOut > 0
    }
}
