import ArgumentParser
import Configuration
import Schema

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// "10m", "10m,truncate" or "10m,kill".
struct OutputLimitArgument: ExpressibleByArgument {
    let bytes: Int
    let policy: OutputPolicy

    init?(argument: String) {
        let parts = argument.split(separator: ",", omittingEmptySubsequences: false)
        guard let size = parts.first, parts.count <= 2, let bytes = Notation.bytes(String(size)) else { return nil }
        switch parts.count == 2 ? parts[1] : "truncate" {
        case "truncate": policy = .truncate
        case "kill": policy = .kill
        default: return nil
        }
        self.bytes = Int(bytes)
    }
}

/// "drop" or "wait".
struct UnwatchedArgument: ExpressibleByArgument {
    let value: Unwatched

    init?(argument: String) {
        switch argument {
        case "drop": value = .runOn
        case "wait": value = .wait
        default: return nil
        }
    }
}

extension Ended {
    /// What `berth run` says about an end that is not the program's own, and about output that was cut.
    var words: [String] {
        var words = [inWords].compactMap(\.self)
        for (name, bytes, cut) in [
            ("stdout", stdoutBytes, stdoutTruncated), ("stderr", stderrBytes, stderrTruncated),
        ] where cut > 0 {
            words.append("the last \(cut) of \(bytes) bytes of \(name) were cut")
        }
        return words
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
        case .containerLost, .startFailed, .draining: message
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
        case .outputLimit, .containerLost, .draining, .unspecified: Run.ownFailure
        }
    }
}
