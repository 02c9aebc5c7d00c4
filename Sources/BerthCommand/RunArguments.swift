import ArgumentParser
import Configuration
import BerthSchema

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// "10m", "10m,truncate" or "10m,kill".
struct OutputLimitArgument {
    let bytes: Int
    let policy: OutputPolicy

    /// - Throws: `ValidationError` that says what would be right.
    init(parsing text: String) throws {
        let parts = text.split(separator: ",", omittingEmptySubsequences: false)
        let policies: [Substring: OutputPolicy] = ["truncate": .truncate, "kill": .kill]
        guard let size = parts.first, parts.count <= 2, let bytes = Notation.bytes(String(size)),
            let policy = policies[parts.count == 2 ? parts[1] : "truncate"]
        else { throw ValidationError("a size is 65536, 64k, 10m or 1g, and may end in \",kill\"") }
        self.bytes = Int(bytes)
        self.policy = policy
    }
}

/// "drop" or "wait".
struct UnwatchedArgument {
    let value: Unwatched

    /// - Throws: `ValidationError` that says what would be right.
    init(parsing text: String) throws {
        switch text {
        case "drop": value = .runOn
        case "wait": value = .wait
        default: throw ValidationError("it is drop or wait")
        }
    }
}

extension Ended {
    /// What `berth run` says about an end that is not the program's own, and about output that was cut.
    var words: [String] {
        var words = [inWords].compactMap(\.self)
        if [.timedOut, .idleTimeout, .cpuTimeLimit].contains(cause), !words.isEmpty { words[0] += "; \(written)" }
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
        case .containerLost, .startFailed, .draining, .contextLost: message
        }
    }

    func exitStatus(interruptedBy interrupt: Int32?) -> Int32 {
        switch cause {
        case .exited: exitCode
        // A server may say anything.
        case .signalled: 128 + min(max(signal, 0), 127)
        case .timedOut, .idleTimeout, .cpuTimeLimit: 124
        case .outOfMemory: 128 + SIGKILL
        case .cancelled: interrupt.map { 128 + $0 } ?? Run.ownFailure
        case .startFailed:
            switch startFailure {
            case .programNotFound: 127
            case .programNotExecutable: 126
            case .badWorkingDirectory, .noResources, .unspecified: Run.ownFailure
            }
        case .outputLimit, .containerLost, .contextLost, .draining, .unspecified: Run.ownFailure
        }
    }
}
