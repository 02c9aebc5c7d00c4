internal import AgentLink
internal import NIOCore
internal import Pool
internal import RPC
internal import Schema

extension PoolServiceHandler {
    func execute(_ call: ServerCall) throws(RPCError) {
        let request = try call.decode(ExecuteRequest.self)
        let program = try Program(request, limits)
        guard !isDraining else { throw RPCError(.unavailable, "the server is shutting down") }
        guard request.lease.isEmpty else {
            guard let token = LeaseToken(request.lease), let use = pool.use(token, begins: true) else {
                throw .noSuchLease
            }
            run(program, call, link: use.link, lease: token) { [pool] in pool.endUse(token) }
            return
        }
        obtain(
            call, pool: request.pool, waitMilliseconds: request.waitMilliseconds, isDetached: true, ttlMilliseconds: 0
        ) { [self] call, grant in
            // In a member of its own, the member's end is the execution's end: nothing needs a grace then.
            _ = pool.use(grant.token, begins: true)
            run(program, call, link: grant.link, lease: nil, ownLease: grant.token) { [pool] in
                _ = pool.release(grant.token)
            }
        }
    }

    private func run(
        _ program: Program, _ call: ServerCall, link: any MemberLink, lease: LeaseToken?, ownLease: LeaseToken? = nil,
        atEnd: @escaping @Sendable () -> Void
    ) {
        guard let link = link as? AgentConnection else { preconditionFailure("a member without an agent") }
        var random = SystemRandomNumberGenerator()
        let id = LeaseToken(using: &random).description
        let relay = OutputRelay(call: call, id: id, member: link.member.description)
        let loop = call.connection.eventLoop
        let bound = NIOLoopBound(relay, eventLoop: loop)
        let execution = link.execute(program.request(image: link.imageEnvironment)) { [executions] event in
            if case .ended = event {
                executions.remove(id)
                atEnd()
            }
            // In order also when one comes on the loop and one from elsewhere: the relay's thread is always the loop,
            // and the link's events all come from the link's own.
            if loop.inEventLoop { bound.value.pass(event) } else { loop.execute { bound.value.pass(event) } }
        }
        executions.insert(execution, id: id, lease: lease)
        relay.begin(execution)
        call.onCancel = { [pool, limits] _ in
            if let ownLease {
                _ = pool.release(ownLease)
            } else {
                execution.end(graceMilliseconds: limits.defaultGrace.wholeMilliseconds)
            }
            relay.discard()
        }
    }
}

/// Passes an execution's events on to the client, on the client's loop, and credit back to the agent as fast as the
/// client takes them: what waits in between never exceeds the agent's window.
final class OutputRelay {
    private let call: ServerCall
    private let id: String
    private let member: String
    private var execution: Execution?
    /// Passed on to a connection that had no room: acknowledged when it has.
    private var withheld = 0

    init(call: ServerCall, id: String, member: String) {
        self.call = call
        self.id = id
        self.member = member
    }

    func begin(_ execution: Execution) {
        self.execution = execution
        call.onWritable = { [weak self] in self?.giveCredit() }
    }

    func pass(_ event: ExecutionEvent) {
        guard !call.isEnded else { return swallow(event) }
        switch event {
        case .started:
            call.send(ExecuteEvent.started(Started(execution: id, member: member)))
        case .output(let chunk):
            withheld += chunk.count
            call.send(EncodedEvent(bytes: chunk.encoded))
            if call.isWritable { giveCredit() }
        case .ended(let ended):
            call.onCancel = nil
            call.onWritable = nil
            call.send(ExecuteEvent.ended(Ended(ended)))
            call.finish()
            execution = nil
        }
    }

    /// The client is gone: what still comes is thrown away, so that the program does not block on its way out.
    func discard() {
        giveCredit()
    }

    private func swallow(_ event: ExecutionEvent) {
        switch event {
        case .started: break
        case .output(let chunk): execution?.acknowledge(chunk.count)
        case .ended: execution = nil
        }
    }

    private func giveCredit() {
        guard withheld > 0, let execution else { return }
        execution.acknowledge(withheld)
        withheld = 0
    }
}

/// An `ExecuteEvent` that is encoded already.
struct EncodedEvent: Message {
    static var name: String { ExecuteEvent.name }
    let bytes: ByteBuffer

    init(bytes: ByteBuffer) {
        self.bytes = bytes
    }

    init(decoding bytes: UnsafeRawBufferPointer, arena: Arena) throws(SchemaError) {
        self.init(bytes: ByteBuffer(bytes: bytes))
    }

    func encode<R>(arena: Arena, _ body: (Int, (UnsafeMutableRawBufferPointer) -> Void) -> R) -> R {
        body(bytes.readableBytes) { room in
            bytes.withUnsafeReadableBytes { room.copyMemory(from: $0) }
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
            stdoutBytes: ended.stdoutBytes, stderrBytes: ended.stderrBytes)
    }
}
