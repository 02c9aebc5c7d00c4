// SPDX-License-Identifier: Apache-2.0

package import BerthSchema

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

extension Ended {
    /// The messages of `berth run` about an end that was not the program's own, and about output that was cut off.
    package var words: [String] {
        var words = [inWords].compactMap(\.self)
        if [.timedOut, .idleTimeout, .cpuTimeLimit].contains(cause), !words.isEmpty { words[0] += "; \(written)" }
        if isContextLost, words.isEmpty { words.append("the context ended with this piece") }
        for (name, bytes, cut) in [
            ("stdout", stdoutBytes, stdoutTruncated), ("stderr", stderrBytes, stderrTruncated),
        ] where cut > 0 {
            words.append("the last \(cut) of \(bytes) bytes of \(name) were cut")
        }
        return words
    }

    private var written: String {
        let counts = [("stdout", stdoutBytes), ("stderr", stderrBytes)].filter { $0.1 > 0 }
        guard !counts.isEmpty else { return "it had written nothing" }
        return "it had written " + counts.map { "\($1) bytes to \($0)" }.joined(separator: " and ")
    }

    private var inWords: String? {
        switch cause {
        case .exited, .signalled, .unspecified: nil
        case .timedOut: message.isEmpty ? "the program's time was up" : message
        case .outOfMemory: message.isEmpty ? "the program ran out of memory" : message
        case .outputLimit: message.isEmpty ? "the program wrote more than it may" : message
        case .cancelled: message.isEmpty ? "the program was cancelled" : message
        case .idleTimeout: message.isEmpty ? "the program wrote nothing for too long" : message
        case .cpuTimeLimit: message.isEmpty ? "the program used all its CPU time" : message
        case .connectionReset: message.isEmpty ? "the other side broke the connection off" : message
        case .containerLost, .startFailed, .draining, .contextLost: message
        }
    }

    package func exitStatus(interruptedBy interrupt: Int32?) -> Int32 {
        switch cause {
        case .exited: exitCode
        // Clamped, since a server may send anything.
        case .signalled: 128 + min(max(signal, 0), 127)
        case .timedOut, .idleTimeout, .cpuTimeLimit: 124
        case .outOfMemory: 128 + SIGKILL
        case .cancelled: interrupt.map { 128 + $0 } ?? ExitStatus.ownFailure
        case .startFailed:
            switch startFailure {
            case .programNotFound: 127
            case .programNotExecutable: 126
            case .badWorkingDirectory, .noResources, .unspecified: ExitStatus.ownFailure
            }
        case .outputLimit, .containerLost, .contextLost, .connectionReset, .draining, .unspecified:
            ExitStatus.ownFailure
        }
    }
}
