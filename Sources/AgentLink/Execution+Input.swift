// SPDX-License-Identifier: Apache-2.0

internal import AgentSchema
package import BerthRPC
internal import BerthSchema
internal import NIOCore
internal import Pool
internal import Synchronization

extension Execution {
    /// Adds to the program's standard input; may be repeated with the same bytes, by offset.
    ///
    /// - Parameters:
    ///   - offset: of the first byte of `data`; what the request began with counts.
    ///   - data: at most 256 KiB.
    ///   - isEnd: end of file follows; on a terminal, its end-of-file character.
    ///   - limit: how long it may take until they are taken, with which it fails as `deadlineExceeded`; nil: any.
    ///   - completion: is called once, on the connection's thread, when the bytes were taken: with the offset that is
    ///     expected next. `failedPrecondition`: bytes before them are missing, the input has ended, or the execution has.
    ///     `resourceExhausted`: too much is waiting already. `notFound`: there is no such execution any more.
    package func input(
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

    /// Tells the program's terminal its size, in characters.
    ///
    /// - Parameter completion: is called once, on the connection's thread. `failedPrecondition`: the program has no
    ///   terminal. `notFound`: there is no such execution any more.
    package func resize(
        rows: UInt32, columns: UInt32, completion: @escaping @Sendable (Result<Void, RPCError>) -> Void
    ) {
        let request = Agent.ResizeRequest(execution: number, terminal: Agent.Terminal(rows: rows, columns: columns))
        // What it answers says nothing more.
        link.rpc.unary(AgentService.resize, request, timeout: AgentConnection.answerLimit) {
            completion($0.map { _ in })
        }
    }
}
