// SPDX-License-Identifier: Apache-2.0

import Berth

/// An execution, and what of its output was taken and not yet shown.
final class Watched {
    let execution: Execution
    let lease: String
    private var events: Execution.AsyncIterator
    var taken: [OutputStream: [UInt8]] = [:]
    var dropped: [OutputStream: UInt64] = [:]
    private(set) var ended: Ended?

    init(_ execution: Execution, lease: String) {
        self.execution = execution
        self.lease = lease
        events = execution.makeAsyncIterator()
    }

    /// The next event; nil at the end.
    func next() async throws -> ExecuteEvent? {
        let event = try await events.next()
        if case .ended(let ended) = event { self.ended = ended }
        return event
    }

    /// Takes one event; false at the end.
    func take() async throws -> Bool {
        switch try await next() {
        case .output(let output): taken[output.stream, default: []] += output.data
        case .dropped(let dropped): self.dropped[dropped.stream, default: 0] += dropped.bytes
        case .started, .display, .failure, .prompt, .ended, .outputEnded, .unknown: break
        case nil: return false
        }
        return true
    }
}

func shown(_ ended: Ended) -> String {
    var words = snakeCase("\(ended.cause)")
    if ended.cause == .exited || ended.exitCode != 0 { words += " code=\(ended.exitCode)" }
    if ended.signal != 0 { words += " signal=\(ended.signal)" }
    if ended.startFailure != .unspecified {
        let failure = snakeCase("\(ended.startFailure)")
        words += " failure=\(failure == "bad_working_directory" ? "bad_cwd" : failure)"
    }
    if ended.stdoutTruncated != 0 { words += " stdout_truncated=\(ended.stdoutTruncated)" }
    if ended.stderrTruncated != 0 { words += " stderr_truncated=\(ended.stderrTruncated)" }
    if ended.isContextLost { words += " context_lost=1" }
    return words
}
