// SPDX-License-Identifier: Apache-2.0

internal import AgentLink
internal import AgentSchema
internal import BerthRPC
internal import BerthSchema
internal import NIOCore
internal import Pool

/// Relays a directory's entries to the client as they arrive from the operation, and gives credit as the client takes them,
/// since a directory may have very many. Confined to the call's loop.
final class ListRelay {
    /// Entries that the operation may have sent and the client's connection has had no room for, in bytes: they wait there,
    /// and there is room for them in the budget before there are any.
    static let window = 256 << 10

    private let call: ServerCall
    private let grace: UInt64
    private let memory: MemoryAccount
    private var execution: AgentExecution?
    private var outcome = FileOutcome()
    private var bytes: [UInt8] = []
    /// Bytes passed to a connection without room, to be acknowledged when it has room.
    private var withheld = 0
    private var isOver = false
    private var error: RPCError?

    /// - Parameter memory: in which `window` is counted, until it is given back here.
    init(_ call: ServerCall, grace: Duration, _ memory: MemoryAccount) {
        self.call = call
        self.memory = memory
        self.grace = grace.wholeMilliseconds
    }

    deinit { memory.give(ListRelay.window) }

    /// - Parameter start: starts the operation; its argument is called with the events.
    func begin(_ start: (@escaping @Sendable (ExecutionEvent) -> Void) -> AgentExecution) {
        let loop = call.connection.eventLoop
        let bound = NIOLoopBound(self, eventLoop: loop)
        let execution = start { event in
            if loop.inEventLoop { bound.value.receive(event) } else { loop.execute { bound.value.receive(event) } }
        }
        guard !isOver else { return }
        self.execution = execution
        call.onWritable = { [weak self] in self?.giveCredit() }
        call.onCancel = { [weak self] _ in self?.stop() }
    }

    private func receive(_ event: ExecutionEvent) {
        if case .overdue = event {
            error = error ?? RPCError(.deadlineExceeded, "the operation on files took too long")
            giveCredit()
        } else if case .output(let chunk) = event, chunk.stream == 0 {
            withheld += chunk.count
            if error == nil, !call.isEnded { pass(chunk) }
            if call.isWritable || call.isEnded || error != nil { giveCredit() }
        } else if let result = outcome.receive(event) {
            isOver = true
            execution = nil
            end(result)
        }
    }

    private func pass(_ chunk: OutputChunk) {
        bytes += chunk.data.readableBytesView
        var start = 0
        defer { bytes.removeFirst(start) }
        while bytes.count - start >= 4 {
            let length = bytes[start..<start + 4].reduce(0) { $0 << 8 | Int($1) }
            guard (1...FileOperation.maxPiece).contains(length) else { return refuse("a message of \(length) bytes") }
            guard bytes.count - start >= 4 + length else { return }
            do throws(SchemaError) {
                call.send(try ListDirectoryResponse(decoding: Array(bytes[start + 4..<start + 4 + length])))
            } catch {
                return refuse(error.description)
            }
            start += 4 + length
        }
    }

    private func refuse(_ what: String) {
        error = RPCError(.internal, "the operation on files was interfered with: \(what)")
        stop()
    }

    private func end(_ result: Result<FileOutcome, RPCError>) {
        guard !call.isEnded else { return }
        switch (result, error) {
        case (_, let error?), (.failure(let error), nil): call.fail(error)
        case (.success, nil) where !bytes.isEmpty: call.fail(RPCError(.internal, "the list of files is not whole"))
        case (.success, nil): call.finish()
        }
    }

    private func stop() {
        giveCredit()
        execution?.end(graceMilliseconds: grace)
    }

    private func giveCredit() {
        guard withheld > 0, let execution else { return }
        execution.acknowledge(withheld)
        withheld = 0
    }
}
