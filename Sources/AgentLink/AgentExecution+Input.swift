// SPDX-License-Identifier: Apache-2.0

internal import AgentSchema
public import BerthRPC
internal import BerthSchema
internal import NIOCore
internal import Pool
internal import Synchronization

extension AgentExecution {
    /// Writes to the program's standard input. Because of the offset, a call may be repeated with the same bytes.
    ///
    /// - Parameters:
    ///   - offset: offset of the first byte of `data`; input that came with the request counts.
    ///   - data: at most 256 KiB.
    ///   - isEnd: whether end of file follows; on a terminal, its end-of-file character.
    ///   - limit: how long it may take until the bytes are accepted, else it fails with `deadlineExceeded`; nil is no limit.
    ///   - completion: is called once, on the connection's thread, when the bytes were accepted: with the offset that is
    ///     expected next. `failedPrecondition`: bytes before them are missing, the input has ended, or the execution has.
    ///     `resourceExhausted`: too much is waiting already. `notFound`: the execution no longer exists.
    public func input(
        offset: UInt64, data: [UInt8], isEnd: Bool, within limit: Duration? = nil,
        completion: @escaping @Sendable (Result<UInt64, RPCError>) -> Void
    ) {
        state.withLock { $0.gives(data.count, at: offset) }
        let request = Agent.InputRequest(execution: number, offset: offset, data: data, isEnd: isEnd)
        let count = data.count
        link.rpc.unary(
            AgentService.input, request, timeout: limit.map { .nanoseconds($0.saturatedNanoseconds) }
        ) { [self] answer in
            switch answer {
            case .failure(let error): completion(.failure(error))
            case .success(let buffer): completion(checked(buffer, after: count, at: offset))
            }
        }
    }

    private func checked(_ answer: ByteBuffer, after count: Int, at offset: UInt64) -> Result<UInt64, RPCError> {
        let next = answer.withUnsafeReadableBytes { bytes in
            try? Agent.InputResponse(decoding: bytes, arena: Arena()).offset
        }
        if let next, state.withLock({ $0.mayExpect(next, after: count, at: offset) }) { return .success(next) }
        let what =
            "\(next.map(String.init) ?? "nonsense") as the next offset after input of \(count) bytes at \(offset)"
        link.violate(what)
        return .failure(RPCError(.unavailable, "the container broke the protocol: \(what)"))
    }

    /// Changes the size of the program's terminal, in characters.
    ///
    /// - Parameter completion: is called once, on the connection's thread. `failedPrecondition`: the program has no
    ///   terminal. `notFound`: the execution no longer exists.
    public func resize(
        rows: UInt32, columns: UInt32, completion: @escaping @Sendable (Result<Void, RPCError>) -> Void
    ) {
        let request = Agent.ResizeRequest(execution: number, terminal: Agent.Terminal(rows: rows, columns: columns))
        // The content of the answer does not matter.
        link.rpc.unary(AgentService.resize, request, timeout: AgentConnection.answerLimit) {
            completion($0.map { _ in })
        }
    }
}
