// SPDX-License-Identifier: Apache-2.0

package import Logging
internal import Synchronization

/// Keeps what is logged: each message, with the count of its repetitions if it has one.
package final class LoggedLines: Sendable {
    private struct Handler: LogHandler {
        let lines: LoggedLines
        var logLevel = Logger.Level.info
        var metadata: Logger.Metadata = [:]

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            let count = event.metadata?["log.count"].map { " \($0)" } ?? ""
            lines.lines.withLock { $0.append("\(event.message)\(count)") }
        }
    }

    private let lines = Mutex<[String]>([])

    package init() {}

    package var all: [String] { lines.withLock { $0 } }
    package var logger: Logger { Logger(label: "test") { _ in Handler(lines: self) } }
}
