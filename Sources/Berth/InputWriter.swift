// SPDX-License-Identifier: Apache-2.0

internal import BerthRPC
internal import BerthSchema
internal import DequeModule
internal import NIOCore
internal import Synchronization

/// An execution's standard input. It sends one `Input` at a time, so that bytes arrive in order even if several tasks write.
///
/// A write has the turn from its first byte to its last. A cancelled write returns at once; its turn ends only when the
/// server has answered for the bytes that are in flight.
final class InputWriter: Sendable {
    /// Maximum bytes in one `Input`.
    static let maxPiece = 256 << 10

    private enum Outcome {
        case taken
        case failed(BerthError)
        /// The writer has returned. The answer, which is still outstanding, ends its turn.
        case left
    }

    private struct State {
        /// Offset of the next byte according to the server; nil if unknown, as when another client wrote before.
        var offset: UInt64?
        var isBusy = false
        var waiting: Deque<(ticket: Int, turn: CheckedContinuation<Bool, Never>)> = []
        var lastTicket = 0
        /// The write whose piece is in flight.
        var answer: CheckedContinuation<Outcome, Never>?
    }

    private let stream: EventStream<ExecuteEvent>
    private let lease: String
    private let state: Mutex<State>

    /// - Parameter isBusy: whether `feed` has the first turn.
    init(_ stream: EventStream<ExecuteEvent>, lease: String, offset: UInt64?, isBusy: Bool) {
        self.stream = stream
        self.lease = lease
        var state = State(offset: offset)
        state.isBusy = isBusy
        self.state = Mutex(state)
    }

    /// How many bytes the server has confirmed; nil if unknown.
    var offset: UInt64? { state.withLock { $0.offset } }

    /// Writes all of `bytes`, and the end of the input after it if `ends`. Waits for the start.
    func write(_ bytes: [UInt8], ends: Bool) async throws(BerthError) {
        let execution = try await stream.started().execution
        try await turn()
        try await send(all: bytes, ends: ends, to: execution)
    }

    /// Writes the rest of the standard input, in the first turn. It reports no errors: a program need not read all of its
    /// input, and the reader of the events notices a lost connection.
    func feed(_ bytes: [UInt8], ends: Bool) async {
        do throws(BerthError) {
            let execution = try await stream.started().execution
            try? await send(all: bytes, ends: ends, to: execution)
        } catch {
            endTurn()
        }
    }

    /// Sends the bytes in pieces, then ends the turn, also if it throws.
    private func send(all bytes: [UInt8], ends: Bool, to execution: String) async throws(BerthError) {
        // An empty piece at offset 0 asks the server which offset it expects.
        if state.withLock({ $0.offset == nil }) { try await send([], ends: false, to: execution) }
        var start = 0
        repeat {
            let end = min(start + Self.maxPiece, bytes.count)
            let piece = start == 0 && end == bytes.count ? bytes : Array(bytes[start..<end])
            try await send(piece, ends: ends && end == bytes.count, to: execution)
            start = end
        } while start < bytes.count
        endTurn()
    }

    /// Sends one piece. If it throws, the turn ends.
    private func send(_ piece: [UInt8], ends: Bool, to execution: String) async throws(BerthError) {
        let outcome = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let offset = state.withLock { state -> UInt64? in
                    if Task.isCancelled { return nil }
                    state.answer = continuation
                    return state.offset ?? 0
                }
                guard let offset else { return continuation.resume(returning: .failed(.leftCall)) }
                guard let rpc = try? stream.rpc else { return answered(.failure(RPCError(.unavailable, "it is lost"))) }
                let request = InputRequest(
                    lease: lease, execution: execution, offset: offset, data: piece, isEnd: ends)
                rpc.unary(PoolService.input, request) { self.answered($0) }
            }
        } onCancel: {
            state.withLock { $0.answer.take() }?.resume(returning: .left)
        }
        switch outcome {
        case .taken: return
        case .failed(let error):
            endTurn()
            throw error
        case .left: throw .leftCall
        }
    }

    private func answered(_ result: Result<ByteBuffer, RPCError>) {
        let outcome: Outcome
        var expected: UInt64?
        switch result {
        case .failure(let error): outcome = .failed(BerthError(error))
        case .success(let bytes):
            do throws(SchemaError) {
                expected = try InputResponse(decoding: Array(bytes.readableBytesView)).offset
                outcome = .taken
            } catch {
                outcome = .failed(BerthError(.internal, "the server sent \(error)"))
            }
        }
        let writer = state.withLock { state in
            if let expected { state.offset = expected }
            return state.answer.take()
        }
        if let writer { writer.resume(returning: outcome) } else { endTurn() }
    }

    // MARK: Turns

    private func turn() async throws(BerthError) {
        let ticket = state.withLock { state in
            state.lastTicket += 1
            return state.lastTicket
        }
        let isMine = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let now: Bool? = state.withLock { state in
                    if Task.isCancelled { return false }
                    if state.isBusy {
                        state.waiting.append((ticket, continuation))
                        return nil
                    }
                    state.isBusy = true
                    return true
                }
                if let now { continuation.resume(returning: now) }
            }
        } onCancel: {
            let turn = state.withLock { state -> CheckedContinuation<Bool, Never>? in
                guard let index = state.waiting.firstIndex(where: { $0.ticket == ticket }) else { return nil }
                return state.waiting.remove(at: index).turn
            }
            turn?.resume(returning: false)
        }
        guard isMine else { throw .leftCall }
    }

    private func endTurn() {
        let next = state.withLock { state -> CheckedContinuation<Bool, Never>? in
            if let next = state.waiting.popFirst() { return next.turn }
            state.isBusy = false
            return nil
        }
        next?.resume(returning: true)
    }
}
