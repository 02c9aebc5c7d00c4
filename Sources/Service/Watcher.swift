// SPDX-License-Identifier: Apache-2.0

internal import AgentSchema
internal import BerthRPC
internal import BerthSchema
internal import NIOCore
internal import Pool

/// How a stream reports events other than output, which is encoded in the same way in all streams.
struct WatcherEvents: Sendable {
    /// - Parameter number: number of the watcher.
    var started: @Sendable (ServerCall, ServedExecution, _ number: UInt32) -> Void
    var dropped: @Sendable (ServerCall, Dropped) -> Void
    /// Ends the call.
    var ended: @Sendable (ServerCall, Agent.Ended) -> Void
    /// Maximum bytes of one output.
    var largestOutput = OutputHub.largestOutput

    /// The events of Execute and Attach.
    static let execute = WatcherEvents(
        started: { call, execution, number in
            call.send(
                ExecuteEvent.started(
                    Started(
                        execution: execution.id, member: execution.order.member.description, watcher: number,
                        isWarm: execution.isWarm)))
        },
        dropped: { call, dropped in call.send(ExecuteEvent.dropped(dropped)) },
        ended: { call, ended in
            call.send(ExecuteEvent.ended(Ended(ended)))
            call.finish()
        })
}

/// One stream that watches an execution. It takes the next output whenever its client has room. Confined to its call's loop.
final class Watcher {
    private let call: ServerCall
    private let events: WatcherEvents
    private let number: UInt32
    private let execution: ServedExecution

    init(_ call: ServerCall, _ events: WatcherEvents, number: UInt32, of execution: ServedExecution) {
        self.call = call
        self.events = events
        self.number = number
        self.execution = execution
    }

    func begin() {
        if execution.order.ending != nil { call.carriage = .watches(execution: execution.id, watcher: number) }
        call.onCancel = { [execution, number] _ in execution.leave(number) }
        call.onWritable = { self.pump() }
        pump()
    }

    /// Sends what there is, as long as there is room.
    func pump() {
        while call.isWritable {
            switch execution.next(number) {
            case .start: events.started(call, execution, number)
            case .output(let slice): slice.send(on: call)
            case .dropped(let dropped): events.dropped(call, dropped)
            case .outputEnded(let offset):
                call.send(ExecuteEvent.outputEnded(OutputEnded(stream: .stdout, offset: offset)))
            case .end(let ended):
                // Checked only here: a failed start is not the hot path.
                if ended.cause == .startFailed, let refusal = execution.refusal { return call.fail(refusal) }
                return events.ended(call, ended)
            case .wait: return
            }
        }
    }

    /// Ends the stream; the execution has removed this watcher already.
    func fail(_ error: RPCError) { call.fail(error) }
}

extension OutputSlice: Message {
    static var name: String { ExecuteEvent.name }

    init(decoding bytes: UnsafeRawBufferPointer, arena: Arena) throws(SchemaError) {
        guard case .output(let output) = try ExecuteEvent(decoding: bytes, arena: arena) else {
            throw SchemaError("an event that is not output")
        }
        self.init(stream: output.stream, offset: output.offset, data: ByteBuffer(bytes: output.data))
    }

    private var head: OutputHead {
        OutputHead(stream: stream.rawValue, offset: offset, count: data.readableBytes)
    }

    /// Sends it; a large one is not copied.
    func send(on call: ServerCall) {
        guard stream != .events else { return ShownEvent.send(data, endingAt: offset, on: call) }
        call.send(headSize: head.size, { head.write(into: $0) }, tail: data)
    }

    func encode<R>(arena: Arena, _ body: (Int, (UnsafeMutableRawBufferPointer) -> Void) -> R) -> R {
        body(head.size + data.readableBytes) { room in
            head.write(into: room)
            data.withUnsafeReadableBytes { bytes in
                UnsafeMutableRawBufferPointer(rebasing: room[head.size...]).copyMemory(from: bytes)
            }
        }
    }
}

extension Ended {
    init(_ ended: Agent.Ended) {
        self.init(
            cause: ended.cause, exitCode: ended.exitCode, signal: ended.signal, message: ended.message,
            startFailure: ended.startFailure,
            usage: Usage(
                wallMicroseconds: ended.wallMicroseconds, userMicroseconds: ended.userMicroseconds,
                systemMicroseconds: ended.systemMicroseconds, peakMemoryBytes: ended.peakMemoryBytes),
            stdoutBytes: ended.stdoutBytes, stderrBytes: ended.stderrBytes, stdoutTruncated: ended.stdoutTruncated,
            stderrTruncated: ended.stderrTruncated, outOfMemoryKills: ended.outOfMemoryKills,
            isContextLost: ended.isContextLost)
    }
}
