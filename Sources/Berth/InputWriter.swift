// SPDX-License-Identifier: Apache-2.0

internal import BerthRPC
internal import BerthSchema
internal import DequeModule
internal import NIOCore
internal import Synchronization

/// An execution's standard input: one `Input` at a time, so that bytes arrive in order, whoever writes them.
///
/// A turn belongs to a write from its first byte to its last. A write that is cancelled leaves at once; its turn then ends
/// when the server has answered for the bytes that are on their way, and not before.
final class InputWriter: Sendable {
    /// What one `Input` carries.
    static let maxPiece = 256 << 10

    private enum Outcome {
        case taken
        case failed(BerthError)
        /// The writer has left. The answer, which is still to come, ends its turn.
        case left
    }

    private struct State {
        /// Of the next byte, as the server last said; nil: not known, as when somebody else wrote before.
        var offset: UInt64?
        var isBusy = false
        var waiting: Deque<(ticket: Int, turn: CheckedContinuation<Bool, Never>)> = []
        var lastTicket = 0
        /// Of the write whose piece is on its way.
        var answer: CheckedContinuation<Outcome, Never>?
    }

    private let stream: EventStream<ExecuteEvent>
    private let lease: String
    private let state: Mutex<State>

    /// - Parameter isBusy: the first turn is that of `feed`.
    init(_ stream: EventStream<ExecuteEvent>, lease: String, offset: UInt64?, isBusy: Bool) {
        self.stream = stream
        self.lease = lease
        var state = State(offset: offset)
        state.isBusy = isBusy
        self.state = Mutex(state)
    }

    /// How many bytes the server has taken for sure; nil: not known.
    var offset: UInt64? { state.withLock { $0.offset } }

    /// Writes all of `bytes`, and the end of the input after it if `ends`. Waits for the start.
    func write(_ bytes: [UInt8], ends: Bool) async throws(BerthError) {
        let execution = try await stream.started().execution
        try await turn()
        try await send(all: bytes, ends: ends, to: execution)
    }

    /// Writes what did not go with the call, in the first turn. A program that does not read all of it is no failure, and a
    /// connection that is lost tells who reads.
    func feed(_ bytes: [UInt8], ends: Bool) async {
        do throws(BerthError) {
            let execution = try await stream.started().execution
            try? await send(all: bytes, ends: ends, to: execution)
        } catch {
            endTurn()
        }
    }

    /// Sends in pieces, then ends the turn; also when it throws.
    private func send(all bytes: [UInt8], ends: Bool, to execution: String) async throws(BerthError) {
        // With an offset of 0, and nothing to take, it only says what it expects.
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

    /// Sends one piece. When it throws, the turn ends.
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
