// SPDX-License-Identifier: Apache-2.0

internal import AgentLink
internal import AgentSchema
internal import BerthRPC
internal import BerthSchema
internal import NIOCore
internal import Synchronization

/// The reports and the end of an operation on files. Programs of the same user could manipulate it, so its reports are checked
/// for their form, and not taken for true.
struct FileOutcome {
    /// Maximum bytes of reports.
    private static let maxReports = 64 << 10

    private var reports: [UInt8] = []
    private var reported = 0
    private var failure: RPCError?
    private(set) var info: FileInfo?
    private(set) var count: UInt64 = 0

    /// Takes an event; output is ignored here.
    /// - Returns: the result, with the last event.
    mutating func receive(_ event: ExecutionEvent) -> Result<FileOutcome, RPCError>? {
        switch event {
        case .started, .overdue, .refused, .outputEnded: return nil
        case .output(let chunk):
            if chunk.stream == 1 { report(chunk) }
            return nil
        case .ended(let ended):
            if let error = error(ended) { return .failure(error) }
            return .success(self)
        }
    }

    /// Takes a piece of standard error.
    mutating func report(_ chunk: OutputChunk) {
        reported += chunk.count
        guard reported <= FileOutcome.maxReports, failure == nil else { return }
        reports += chunk.data.readableBytesView
        do throws(SchemaError) {
            while let report = try FileReport.next(from: &reports) {
                switch report {
                case .info(let info): self.info = info
                case .count(let count): self.count = count
                case .failure(let code, let reason, let message): failure = FileOutcome.error(code, reason, message)
                }
            }
        } catch {
            failure = RPCError(.internal, "the operation on files was interfered with: \(error.description)")
        }
    }

    /// Why it failed; nil if it has not.
    func error(_ ended: Agent.Ended) -> RPCError? {
        switch ended.cause {
        case .exited where ended.exitCode == 0: return failure
        case .exited:
            return failure ?? RPCError(.internal, "the operation on files ended with exit code \(ended.exitCode)")
        case .outOfMemory: return RPCError(.resourceExhausted, "the container has no memory left")
        case .timedOut, .idleTimeout, .cpuTimeLimit:
            return RPCError(.deadlineExceeded, "the operation on files took too long")
        case .cancelled:
            // It had failed, and was ended because it took no more input: then the failure is the cause.
            if let failure { return failure }
            return RPCError(.cancelled, ended.message.isEmpty ? "the operation on files was cancelled" : ended.message)
        case .containerLost, .draining: return RPCError(.unavailable, ended.message)
        case .startFailed:
            return RPCError(ended.startFailure == .noResources ? .resourceExhausted : .internal, ended.message)
        case .signalled:
            return RPCError(.internal, "the operation on files was ended by signal \(ended.signal)")
        case .outputLimit, .contextLost, .connectionReset, .unspecified:
            return RPCError(.internal, "the operation on files ended unexpectedly")
        }
    }

    /// The reasons for files; others are not accepted from an operation on files.
    private static let reasons = ErrorReason.noSuchFile.rawValue...ErrorReason.badArchive.rawValue

    private static func error(_ code: Int32, _ reason: UInt32, _ message: String) -> RPCError {
        let codes: [RPCError.Code] = [
            .cancelled, .invalidArgument, .notFound, .permissionDenied, .resourceExhausted, .failedPrecondition,
        ]
        return RPCError(
            codes.first { $0.rawValue == code } ?? .internal, message.oneLine,
            reasons.contains(reason) ? ErrorReason(rawValue: reason) : nil)
    }
}

extension StringProtocol {
    /// What a container says, without control characters: it is shown as one line.
    var oneLine: String {
        String(unicodeScalars.map { $0.properties.generalCategory == .control ? "?" : Character($0) })
    }
}

/// Relays an operation that streams bytes to its client: the stream begins with the file's attributes, and ends with an error
/// or a count.
final class FileRelay: Sendable {
    private struct State {
        var outcome = FileOutcome()
        var pid: UInt32 = 0
        var isStarted = false
        var sent: UInt64 = 0
        var violation: RPCError?
    }

    private let path: SystemString
    private let limit: UInt64?
    private let tellsInfo: Bool
    private let state = Mutex(State())

    /// - Parameters:
    ///   - limit: maximum bytes that were requested.
    ///   - tellsInfo: whether the client gets the file's attributes.
    init(path: SystemString, limit: UInt64? = nil, tellsInfo: Bool = false) {
        self.path = path
        self.limit = limit
        self.tellsInfo = tellsInfo
    }

    /// Passes an event to the execution. The start is held back until the operation has opened its file, so that an earlier
    /// failure fails the call.
    func pass(_ event: ExecutionEvent, to execution: ServedExecution) {
        switch event {
        case .started(let pid, _):
            state.withLock { $0.pid = pid }
        case .output(let chunk) where chunk.stream == 1:
            let pid = state.withLock { state -> UInt32? in
                state.outcome.report(chunk)
                guard !state.isStarted, state.outcome.info != nil else { return nil }
                state.isStarted = true
                return state.pid
            }
            if let pid { execution.receive(.started(pid: pid)) }
        case .output(let chunk):
            let isTooMuch = state.withLock { state in
                state.sent += UInt64(chunk.count)
                guard let limit, state.sent > limit else { return false }
                state.violation = RPCError(.internal, "the operation on files sent more than was asked for")
                return true
            }
            if isTooMuch { execution.cancel(graceMilliseconds: 0) } else { execution.receive(event) }
        case .overdue, .refused, .outputEnded, .ended:
            execution.receive(event)
        }
    }

    var events: WatcherEvents {
        WatcherEvents(
            started: { [self] call, execution, number in
                let info = tellsInfo ? state.withLock { $0.outcome.info } : nil
                call.send(
                    FileEvent.start(
                        FileStart(execution: execution.id, watcher: number, info: info.map { $0.checked(path) })))
            },
            dropped: { call, _ in call.fail(RPCError(.internal, "bytes of the file were lost on their way")) },
            ended: { [self] call, ended in
                let (error, sent, isStarted) = state.withLock {
                    ($0.violation ?? $0.outcome.error(ended), $0.sent, $0.isStarted)
                }
                if let error { return call.fail(error) }
                guard isStarted else {
                    return call.fail(RPCError(.internal, "the operation on files ended before it began"))
                }
                call.send(FileEvent.end(FileEnd(bytes: sent)))
                call.finish()
            })
    }
}

extension FileInfo {
    /// The attributes with the requested name, and only permission bits in the mode.
    func checked(_ path: SystemString) -> FileInfo {
        var info = self
        info.name = path
        info.mode &= 0o7777
        return info
    }
}
