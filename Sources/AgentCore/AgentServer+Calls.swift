// SPDX-License-Identifier: Apache-2.0

internal import AgentSchema
internal import BerthSchema
internal import BerthWire
internal import Glibc

/// Those status codes of gRPC that the agent uses.
enum StatusCode: Int32 {
    case invalidArgument = 3
    case notFound = 5
    case resourceExhausted = 8
    case failedPrecondition = 9
    case unimplemented = 12
}

/// An error with which a call is answered.
struct CallError: Error {
    let code: StatusCode
    let message: String
    /// The reason in more detail, for errors that a client can cause.
    let reason: ErrorReason?

    init(_ code: StatusCode, _ message: String, _ reason: ErrorReason? = nil) {
        self.code = code
        self.message = message
        self.reason = reason
    }
}

extension AgentServer {
    /// Handles a frame from the server.
    func take(_ header: FrameHeader, _ data: UnsafeRawBufferPointer) {
        guard header.streamID % 2 == 1 else {
            return refuse(header.streamID, .init(.invalidArgument, "stream \(header.streamID) is not odd"))
        }
        let isActive =
            executions.contains { $0?.streamID == header.streamID }
            || connections.contains { $0?.streamID == header.streamID }
        switch header.type {
        case .request where isActive:
            refuse(header.streamID, .init(.invalidArgument, "stream \(header.streamID) is active"))
        case .request:
            do throws(CallError) {
                try call(header.streamID, data)
            } catch {
                refuse(header.streamID, error)
            }
        case .data where !isActive:
            refuse(header.streamID, .init(.invalidArgument, "stream \(header.streamID) is not there"))
        default:
            // Responses and unknown types are not for the agent, and an execution takes no data.
            break
        }
    }

    func refuseOversized(_ header: FrameHeader) {
        let message = "a frame of \(header.length) bytes; at most \(FrameHeader.maxDataLength) are taken"
        refuse(header.streamID, .init(.resourceExhausted, message))
    }

    func refuse(_ streamID: UInt32, _ error: CallError) {
        let status = Status(
            code: error.code.rawValue, message: error.message.clipped(toUTF8: 512),
            info: error.reason.map { ErrorInfo($0) })
        sendBuffer.append(ResponseHead(status: status), Empty(), streamID: streamID)
    }

    func respond(_ streamID: UInt32, _ answer: some Message) {
        sendBuffer.append(ResponseHead(), answer, streamID: streamID)
    }

    private func call(_ streamID: UInt32, _ data: UnsafeRawBufferPointer) throws(CallError) {
        var range = 0..<0
        let head: RequestHead
        do throws(SchemaError) {
            head = try RequestHead(reading: data, payload: &range)
        } catch {
            throw CallError(.invalidArgument, error.description)
        }
        guard head.service == AgentService.name else {
            throw CallError(.unimplemented, "no service \(head.service)")
        }
        guard let method = AgentService.Method(rawValue: head.method) else {
            throw CallError(.unimplemented, "no method \(head.method) in \(AgentService.name)")
        }
        let payload = UnsafeRawBufferPointer(rebasing: data[range])
        switch method {
        case .ping:
            let _: Agent.PingRequest = try decode(payload)
            try ping(streamID)
        case .warm:
            try warm(try decode(payload), streamID)
        case .execute:
            try execute(try decode(payload), streamID)
        case .acknowledge:
            try acknowledge(try decode(payload))
            respond(streamID, Agent.AcknowledgeResponse())
        case .signal:
            try signal(try decode(payload))
            respond(streamID, Agent.SignalResponse())
        case .input:
            try input(try decode(payload), streamID)
        case .resize:
            try resize(try decode(payload))
            respond(streamID, Agent.ResizeResponse())
        case .reset:
            let request: Agent.ResetRequest = try decode(payload)
            guard request.timeoutMilliseconds > 0 else { throw CallError(.invalidArgument, "timeout_ms is 0") }
            do throws(Unprovable) {
                let took = try reset(request)
                respond(streamID, Agent.ResetResponse(tookMicroseconds: took))
            } catch {
                throw CallError(.failedPrecondition, error.words)
            }
        }
    }

    private func decode<M: Message>(_ bytes: UnsafeRawBufferPointer) throws(CallError) -> M {
        do throws(SchemaError) {
            return try M(decoding: bytes, arena: arena)
        } catch {
            throw CallError(.invalidArgument, error.description)
        }
    }

    private func ping(_ streamID: UInt32) throws(CallError) {
        let answer = Agent.PingResponse(
            version: AgentCommand.version, pid: UInt32(getpid()), env: AgentCommand.environment)
        let size = answer.encode(arena: arena) { size, _ in size }
        guard size <= SendBuffer.maxAnswer else {
            throw CallError(
                .resourceExhausted,
                "the image's environment has about \(size) bytes, at most \(SendBuffer.maxAnswer) are taken")
        }
        respond(streamID, answer)
    }

    private func execute(_ request: Agent.ExecuteRequest, _ streamID: UInt32) throws(CallError) {
        func require(_ condition: Bool, _ message: @autoclosure () -> String) throws(CallError) {
            if !condition { throw CallError(.invalidArgument, message()) }
        }
        try require(request.execution != 0, "execution is 0")
        try require(
            !executions.contains { $0?.number == request.execution }, "execution \(request.execution) is active")
        try require(connection(of: request.execution) == nil, "execution \(request.execution) is active")
        if let endpoint = request.connectTo {
            try require(request.windowBytes > 0, "window_bytes is 0")
            return try connect(request, to: endpoint, streamID)
        }
        let isCopy = request.context != 0 && request.opensContext
        let isPiece = request.context != 0 && !isCopy
        try require(isPiece || isCopy || request.argv.first?.isEmpty == false, "argv names no program")
        try require(isPiece || isCopy || request.cwd.hasPrefix("/"), "cwd is not absolute")
        try require(!request.opensContext || request.terminal == nil, "an interpreter with a terminal")
        try require(!isPiece || request.terminal == nil, "a piece of code with a terminal")
        try require(request.windowBytes > 0, "window_bytes is 0")
        guard let place = executions.firstIndex(where: { $0 == nil }) else {
            throw CallError(.resourceExhausted, "\(AgentServer.maxExecutions) executions are active", .executionLimit)
        }
        guard !isPiece else { return try startPiece(request, streamID, at: place) }
        guard !isCopy else { return try startCopy(request, streamID, at: place) }
        guard !request.keepsBackground || canKeepBackground else {
            throw CallError(
                .resourceExhausted, "\(AgentServer.maxBackground) programs have left something running",
                .backgroundLimit)
        }
        let execution = RunningExecution(request, streamID: streamID, processors: processors)
        execution.machine.willStart(now: monotonicNow())
        hasExecuted = true
        if !zygotes.isEmpty { users.insert(request.uid) }
        start(execution, at: place, from: newborn(for: request))
    }

    func place(of number: UInt64) throws(CallError) -> (RunningExecution, Int) {
        for (place, execution) in executions.enumerated() {
            if let execution, execution.number == number { return (execution, place) }
        }
        throw CallError(.notFound, "no execution \(number)")
    }

    private func acknowledge(_ request: Agent.AcknowledgeRequest) throws(CallError) {
        if let (connection, _) = connection(of: request.execution) {
            return try acknowledge(request.bytes, of: connection)
        }
        let (execution, _) = try place(of: request.execution)
        guard execution.machine.acknowledge(request.bytes, now: monotonicNow()) else {
            let outstanding = execution.machine.outstanding
            throw CallError(.invalidArgument, "\(request.bytes) bytes acknowledged, \(outstanding) outstanding")
        }
    }

    private func signal(_ request: Agent.SignalRequest) throws(CallError) {
        guard (0...64).contains(request.signal) else {
            throw CallError(.invalidArgument, "\(request.signal) is not a signal")
        }
        if let (connection, place) = connection(of: request.execution) {
            guard request.signal == 0 else { throw CallError(.failedPrecondition, "a connection takes no signals") }
            return cancel(connection, at: place)
        }
        let (execution, place) = try place(of: request.execution)
        let actions =
            request.signal == 0
            ? execution.machine.cancel(graceMilliseconds: request.graceMilliseconds, now: monotonicNow())
            : execution.machine.signal(request.signal)
        perform(actions, on: execution, at: place)
    }
}
