// SPDX-License-Identifier: Apache-2.0

internal import AgentSchema
internal import Glibc
internal import BerthSchema

extension RunningExecution {
    /// Changes the end of an interpreter that ended before it was ready to a failed start, with the last lines of its
    /// stderr as the reason.
    func tellNeverReady(_ ended: inout Agent.Ended) {
        guard let context, context.wasNeverReady, ended.cause != .startFailed, ended.cause != .cancelled else { return }
        var words: String
        switch ended.cause {
        case .signalled: words = "the interpreter was ended by signal \(ended.signal) before it took any code"
        case .exited: words = "the interpreter exited with \(ended.exitCode) before it took any code"
        default: words = "\(ended.message), before it took any code"
        }
        var last = [UInt8](repeating: 0, count: 512)
        let count = read(context.stderrRaw, &last, last.count)
        if count > 0 {
            words +=
                ": " + String(decoding: last[..<count], as: UTF8.self).split(separator: "\n").joined(separator: "; ")
        }
        ended = Agent.Ended(
            cause: .startFailed, message: words, stdoutBytes: ended.stdoutBytes, stderrBytes: ended.stderrBytes,
            stdoutTruncated: ended.stdoutTruncated, stderrTruncated: ended.stderrTruncated)
    }
}
