// SPDX-License-Identifier: Apache-2.0

internal import AgentLink
internal import AgentSchema
internal import BerthRPC
internal import BerthSchema
internal import Pool
internal import Synchronization

/// A file or an archive that arrives in several calls, and the operation that writes it. Calls are handled one after another.
/// A client may repeat a call: content that was taken before is skipped.
final class Upload: Sendable {
    /// The content of one call, and its answer.
    struct Piece: Sendable {
        var offset: UInt64
        var data: [UInt8]
        var isLast: Bool
        var answer: @Sendable (Result<Progress, RPCError>) -> Void
    }

    struct Progress: Sendable {
        /// Offset of the next expected byte.
        var offset: UInt64
        /// Number of unpacked files, at the end.
        var files: UInt64 = 0
    }

    /// Maximum number of calls that wait for those before them.
    private static let maxWaiting = 8

    let id: String
    let lease: LeaseToken
    private let grace: UInt64
    /// How long the operation may take for the content it was given.
    private let patience: Duration

    private struct State {
        var execution: AgentExecution?
        var outcome = FileOutcome()
        /// Bytes of content that were taken.
        var offset: UInt64
        /// Bytes of standard input, including the framing of pieces.
        var inputOffset: UInt64
        var current: Piece?
        var waiting: [Piece] = []
        /// Whether the last piece was taken, so that the operation finishes.
        var isComplete = false
        /// Whether it was given up, or the operation accepts nothing more.
        var isStopped = false
        var end: Result<Progress, RPCError>?
        var lastUse: MonotonicInstant
    }

    private let state: Mutex<State>
    private let clock: any MonotonicClock

    /// - Parameter first: the content of the first call.
    init(id: String, lease: LeaseToken, limits: ServiceLimits, clock: any MonotonicClock, first: [UInt8]) {
        self.id = id
        self.lease = lease
        grace = limits.defaultGrace.wholeMilliseconds
        patience = limits.defaultTimeout
        self.clock = clock
        state = Mutex(
            State(
                offset: UInt64(first.count), inputOffset: UInt64(Upload.framed(first, isLast: false).count),
                lastUse: clock.now()))
    }

    /// Frames content as the operation reads it.
    static func framed(_ data: [UInt8], isLast: Bool) -> [UInt8] {
        (data.isEmpty ? [] : FileOperation.header(data.count) + data) + (isLast ? FileOperation.header(0) : [])
    }

    /// Whether it has ended.
    var isOver: Bool { state.withLock { $0.end != nil } }

    /// Since when there was no call for it; nil while there is one.
    var idleSince: MonotonicInstant? {
        state.withLock { $0.current == nil || $0.end != nil ? $0.lastUse : nil }
    }

    func begin(_ execution: AgentExecution) {
        let isStopped = state.withLock { state in
            if state.end == nil { state.execution = execution }
            return state.isStopped
        }
        if isStopped { execution.end(graceMilliseconds: grace) }
    }

    /// Takes the operation's events, in order.
    func receive(_ event: ExecutionEvent) {
        let (end, told) = state.withLock { state -> (Result<Progress, RPCError>?, [Piece]) in
            guard let result = state.outcome.receive(event) else { return (nil, []) }
            let end: Result<Progress, RPCError> = result.flatMap { outcome in
                guard state.isComplete else {
                    return .failure(RPCError(.internal, "the operation on files ended before its input"))
                }
                return .success(Progress(offset: state.offset, files: outcome.count))
            }
            state.end = end
            state.execution = nil
            state.lastUse = clock.now()
            defer { (state.current, state.waiting) = (nil, []) }
            return (end, (state.current.map { [$0] } ?? []) + state.waiting)
        }
        if let end { for piece in told { piece.answer(end) } }
    }

    /// Gives it up, because there was no call for too long, or the first call failed.
    func giveUp() {
        let execution = state.withLock { state in
            state.isStopped = true
            return state.execution
        }
        execution?.end(graceMilliseconds: grace)
    }

    // MARK: Pieces

    func add(_ piece: Piece) {
        enum Step {
            case take
            case wait
            case refuse(Result<Progress, RPCError>)
        }
        let step = state.withLock { state -> Step in
            state.lastUse = clock.now()
            if let end = state.end { return .refuse(end) }
            guard state.current != nil else {
                state.current = piece
                return .take
            }
            guard state.waiting.count < Upload.maxWaiting else {
                return .refuse(
                    .failure(RPCError(.resourceExhausted, "\(Upload.maxWaiting) calls of this upload wait already")))
            }
            state.waiting.append(piece)
            return .wait
        }
        switch step {
        case .take: take()
        case .wait: break
        case .refuse(let result): piece.answer(result)
        }
    }

    /// Handles the current piece: feeds the operation with what is new in it.
    private func take() {
        enum Step {
            case feed(AgentExecution, [UInt8], offset: UInt64)
            case answer(Result<Progress, RPCError>)
            /// The end of the operation will answer it.
            case wait
        }
        let step = state.withLock { state -> Step in
            guard let piece = state.current else { return .wait }
            guard piece.offset <= state.offset else {
                return .answer(
                    .failure(
                        RPCError(
                            .failedPrecondition,
                            "offset \(piece.offset) leaves a gap: \(state.offset) is the next that is expected",
                            .inputGap)))
            }
            let known = Int(min(state.offset - piece.offset, UInt64(piece.data.count)))
            let data = Array(piece.data[known...])
            if state.isComplete {
                guard data.isEmpty else {
                    return .answer(
                        .failure(RPCError(.failedPrecondition, "the upload has had its last call", .inputEnded)))
                }
                return piece.isLast ? .wait : .answer(.success(Progress(offset: state.offset)))
            }
            guard !data.isEmpty || piece.isLast else { return .answer(.success(Progress(offset: state.offset))) }
            guard let execution = state.execution else { return .wait }
            return .feed(execution, Upload.framed(data, isLast: piece.isLast), offset: state.inputOffset)
        }
        switch step {
        case .feed(let execution, let bytes, let offset): feed(execution, bytes[...], at: offset)
        case .answer(let result): finish(result)
        case .wait: break
        }
    }

    /// Feeds the operation in inputs of the size that the agent accepts.
    private func feed(_ execution: AgentExecution, _ bytes: ArraySlice<UInt8>, at offset: UInt64) {
        let part = bytes.prefix(FileOperation.maxPiece)
        execution.input(offset: offset, data: Array(part), isEnd: false, within: patience) { [self] result in
            switch result {
            // The operation is ending or has ended: its end says why.
            case .failure: giveUp()
            case .success where part.count < bytes.count:
                feed(execution, bytes.dropFirst(part.count), at: offset + UInt64(part.count))
            case .success: taken(inputOffset: offset + UInt64(part.count))
            }
        }
    }

    private func taken(inputOffset: UInt64) {
        let (progress, last) = state.withLock { state -> (Progress?, AgentExecution?) in
            guard let piece = state.current else { return (nil, nil) }
            state.inputOffset = inputOffset
            state.offset = max(state.offset, piece.offset + UInt64(piece.data.count))
            state.isComplete = piece.isLast
            return piece.isLast ? (nil, state.execution) : (Progress(offset: state.offset), nil)
        }
        last?.mustEnd(within: patience)
        if let progress { finish(.success(progress)) }
    }

    /// Answers the current piece and continues with the next.
    private func finish(_ result: Result<Progress, RPCError>) {
        let piece = state.withLock { state in
            defer { state.current = state.waiting.isEmpty ? nil : state.waiting.removeFirst() }
            state.lastUse = clock.now()
            return state.current
        }
        piece?.answer(result)
        take()
    }
}
