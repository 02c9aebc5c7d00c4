// SPDX-License-Identifier: Apache-2.0

internal import BerthRPC
internal import BerthSchema
internal import NIOCore
internal import Synchronization

/// A client's connection: opened for its first call, and again for the first call after it was lost.
final class Connector: Sendable {
    private typealias Waiter = CheckedContinuation<Result<Line, BerthError>, Never>

    /// The loop of all its connections.
    let eventLoop: any EventLoop
    private let address: ServerAddress
    private let configuration: BerthClient.Configuration
    private let state = Mutex(ConnectorState<Line, Waiter>())

    init(_ address: ServerAddress, _ configuration: BerthClient.Configuration, on eventLoop: any EventLoop) {
        self.address = address
        self.configuration = configuration
        self.eventLoop = eventLoop
    }

    deinit { close() }

    /// The connection, if there is one now.
    var current: Line? {
        state.withLock { state in
            guard case .open(let line) = state.phase else { return nil }
            guard line.isOver else { return line }
            // Nobody has looked since it was lost.
            state.lost(for: configuration.reconnects ? nil : line.loss)
            return nil
        }
    }

    /// The connection, which is opened if there is none.
    /// - Parameter deadline: the deadline of the call that needs it.
    /// - Throws: `unavailable` if there is none in time, `cancelled` if the task is cancelled.
    func line(until deadline: NIODeadline? = nil) async throws(BerthError) -> Line {
        if let current { return current }
        let ticket = state.withLock { $0.ticket() }
        let timer = deadline.map { deadline in
            eventLoop.scheduleTask(deadline: deadline) { [weak self] in
                self?.leave(ticket, BerthError(.unavailable, "no connection to the server in time"))
            }
        }
        defer { timer?.cancel() }
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let answer = state.withLock { state -> ConnectorState<Line, Waiter>.Answer in
                    if Task.isCancelled { return .refuse(.leftCall) }
                    return state.wants(continuation, ticket)
                }
                switch answer {
                case .use(let line): continuation.resume(returning: .success(line))
                case .refuse(let error): continuation.resume(returning: .failure(error))
                case .wait(let connects): if connects { Task { await self.connect() } }
                }
            }
        } onCancel: {
            leave(ticket, .leftCall)
        }
        return try result.get()
    }

    /// Closes the connection. Every later call fails.
    func close() {
        let (line, waiters) = state.withLock { $0.close(BerthError(.unavailable, "the client was closed")) }
        line?.rpc.close()
        for waiter in waiters { waiter.resume(returning: .failure(BerthError(.unavailable, "the client was closed"))) }
    }

    private func leave(_ ticket: Int, _ error: BerthError) {
        state.withLock { $0.leave(ticket) }?.resume(returning: .failure(error))
    }

    // MARK: Connecting

    private func connect() async {
        let end = ContinuousClock.now + configuration.connectTimeout
        var pause = Duration.milliseconds(50)
        while true {
            do throws(RPCError) {
                let line = try await Line.open(
                    to: address, on: eventLoop, timeout: max(.milliseconds(1), end - .now), configuration)
                return connected(line)
            } catch {
                let wait = pause * Double.random(in: 0.5...1)
                pause = min(pause * 2, .seconds(1))
                guard configuration.retries, error.code != .invalidArgument, isWanted, wait < end - .now else {
                    return failed(error)
                }
                // Nobody cancels this task: it ends when the time is over, or when the client is closed.
                try? await Task.sleep(for: wait)
            }
        }
    }

    private var isWanted: Bool {
        state.withLock { if case .connecting = $0.phase { true } else { false } }
    }

    private func connected(_ line: Line) {
        let (waiters, isWanted) = state.withLock { $0.connected(line) }
        guard isWanted else { return line.rpc.close() }
        for waiter in waiters { waiter.resume(returning: .success(line)) }
    }

    private func failed(_ error: RPCError) {
        let failure =
            switch (error.code, address) {
            case (.invalidArgument, _): BerthError(error)
            // The server is there, or TLS may be what failed: its words say it.
            case (_, .tls): BerthError(.unavailable, error.message)
            default:
                BerthError(
                    .unavailable,
                    "no Berth server at \(address): \(error.message); start one with \"berth serve\", "
                        + "or name another with --server or BERTH_SERVER")
            }
        for waiter in state.withLock({ $0.failed(failure, isFinal: !configuration.reconnects) }) {
            waiter.resume(returning: .failure(failure))
        }
    }
}

extension BerthError {
    /// The error of every call on a client that does not reconnect.
    static let lost = BerthError(.unavailable, "the connection has ended")
}
