// SPDX-License-Identifier: Apache-2.0

import BerthRPC
import BerthSchema
import NIOCore
import NIOPosix
import Synchronization
import TestSupport

@testable import Berth

/// A connection without a client library, for the calls of the contract.
struct RawConnection: Sendable {
    let rpc: ClientConnection

    static func open(_ server: TestServer) async throws -> RawConnection {
        guard case .tcp(let host, let port) = server.address else { throw NeverHappened(description: "no address") }
        return RawConnection(
            rpc: try await ClientConnection.connect(
                host: host, port: port, group: MultiThreadedEventLoopGroup.singleton, timeout: .seconds(5)))
    }

    func close() { rpc.close() }

    func call<R: Message>(_ method: String, _ request: some Message, returning: R.Type = R.self) async throws -> R {
        try await rpc.unary(service: PoolService.name, method: method, request)
    }

    func execute(_ request: ExecuteRequest) -> RawStream { RawStream(self, "Execute", request) }
    func attach(_ request: AttachRequest) -> RawStream { RawStream(self, "Attach", request) }

    func acknowledge(_ stream: RawStream, lease: String = "") async throws {
        guard let started = stream.started else { return }
        let _: Empty = try await call(
            "Acknowledge",
            AcknowledgeRequest(
                lease: lease, execution: started.execution, watcher: started.watcher,
                stdoutOffset: stream.position.stdout, stderrOffset: stream.position.stderr))
    }
}

/// The events of an Execute or Attach. It checks that each stream has no gaps. For one task.
final class RawStream {
    struct Position: Equatable {
        var stdout: UInt64 = 0
        var stderr: UInt64 = 0
    }

    private var iterator: AsyncThrowingStream<ExecuteEvent, any Error>.Iterator
    private(set) var started: Started?
    /// The offset of the next byte of each stream.
    private(set) var position = Position()
    private(set) var stdout: [UInt8] = []
    private(set) var stderr: [UInt8] = []
    /// The ranges of stdout that were reported as dropped.
    private(set) var dropped: [Range<UInt64>] = []
    private(set) var ended: Ended?
    /// Of a connection: the other side has sent all.
    private(set) var hasOutputEnded = false

    init(_ connection: RawConnection, _ method: String, _ request: some Message) {
        if let attach = request as? AttachRequest, !attach.isFromNow {
            position = Position(stdout: attach.stdoutOffset, stderr: attach.stderrOffset)
        }
        let (stream, continuation) = AsyncThrowingStream.makeStream(of: ExecuteEvent.self)
        iterator = stream.makeAsyncIterator()
        connection.rpc.stream(service: PoolService.name, method: method, request) { event in
            switch event {
            case .message(let bytes):
                do {
                    continuation.yield(try ExecuteEvent(decoding: [UInt8](bytes.readableBytesView)))
                } catch {
                    continuation.finish(throwing: error)
                }
            case .end(let error): continuation.finish(throwing: error)
            }
        }
    }

    /// - Returns: nil at the end.
    @discardableResult
    func next() async throws -> ExecuteEvent? {
        guard let event = try await iterator.next() else { return nil }
        if ended != nil { throw NeverHappened(description: "nothing after the end") }
        switch event {
        case .started(let value):
            guard started == nil else { throw NeverHappened(description: "one start") }
            started = value
        case .output(let output) where output.stream == .stdout:
            guard !hasOutputEnded else { throw NeverHappened(description: "no output after its end") }
            guard output.offset == position.stdout else {
                throw NeverHappened(description: "output at \(position.stdout), it is at \(output.offset)")
            }
            position.stdout += UInt64(output.data.count)
            stdout += output.data
        case .output(let output):
            guard output.offset == position.stderr else {
                throw NeverHappened(description: "error output at \(position.stderr), it is at \(output.offset)")
            }
            position.stderr += UInt64(output.data.count)
            stderr += output.data
        case .dropped(let gap) where gap.stream == .stdout:
            guard gap.offset == position.stdout else { throw NeverHappened(description: "a gap in its place") }
            position.stdout += gap.bytes
            dropped.append(gap.offset..<gap.offset + gap.bytes)
        case .dropped(let gap): position.stderr += gap.bytes
        case .ended(let value): ended = value
        case .outputEnded:
            guard !hasOutputEnded else { throw NeverHappened(description: "one end of output") }
            hasOutputEnded = true
        case .display, .failure, .prompt, .unknown:
            throw NeverHappened(description: "an event that is known")
        }
        return event
    }

    /// Forgets what it has read.
    func forget() { (stdout, stderr) = ([], []) }

    /// Reads to the end.
    func finish(acknowledging: RawConnection? = nil, lease: String = "") async throws -> Ended {
        var acknowledged: UInt64 = 0
        repeat {
            let total = position.stdout + position.stderr
            guard let acknowledging, total >= acknowledged + 16_000, ended == nil else { continue }
            acknowledged = total
            try await acknowledging.acknowledge(self, lease: lease)
        } while try await next() != nil
        guard let ended else { throw NeverHappened(description: "an end") }
        return ended
    }

    /// Reads until this many bytes of stdout have come.
    func read(stdout count: Int) async throws {
        while stdout.count < count, try await next() != nil {}
    }
}
