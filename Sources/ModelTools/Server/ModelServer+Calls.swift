// SPDX-License-Identifier: Apache-2.0

import Berth
import BerthSchema
import Synchronization

extension ModelServer {
    /// Starts a call of a tool. What is wrong with its arguments is a result, so that the model can mend it.
    func call(
        _ request: Incoming.Request, _ version: ProtocolVersion, _ send: @escaping @Sendable (JSONValue?) -> Void
    ) throws(ProtocolFailure) {
        guard let given = request.params["name"] else { throw .invalidParameters("tools/call needs \"name\"") }
        guard let name = given.string else {
            throw .invalidParameters("\"name\" must be a string, and is \(given.kind)")
        }
        guard let tool = Tool(rawValue: name) else {
            throw .invalidParameters(
                "there is no tool \"\(name.shortened)\"; there are "
                    + Tool.allCases.map(\.rawValue).joined(separator: ", "))
        }
        let arguments = request.params["arguments"] ?? .object(JSONObject())
        guard let members = arguments.object else {
            throw .invalidParameters("\"arguments\" must be an object, and is \(arguments.kind)")
        }
        func answer(_ result: ToolResult) {
            send(Answer.result(request.id, result.json(version), version, serverVersion: settings.version))
        }
        let asked: ToolCall
        do throws(ArgumentError) {
            asked = try ToolCall(tool, members)
        } catch {
            return answer(.failure(error.message))
        }
        let call = Call(request.id, version, cancelsTask: !asked.isCodeInSession)
        let begun = state.withLock { state -> Begun in
            guard !state.isEnding else { return .refused("the server is ending") }
            guard state.calls.count < settings.maxCalls else {
                return .refused(
                    "\(state.calls.count) calls are under way already, the maximum: try again when one has ended")
            }
            var session: Session?
            if let id = asked.session {
                switch state.sessions.begin(id) {
                case .open(let open): session = open
                case .ended(let reason):
                    if case .endSession = asked { return .hadEnded(id, reason) }
                    return .refused(
                        "the session \(id.shortened) has ended: \(reason). Call start_session for a new one")
                case .unknown:
                    return .refused(
                        "there is no session \"\(id.shortened)\": call start_session, and use the id it returns")
                }
            }
            state.calls[request.id] = call
            return .begun(session)
        }
        switch begun {
        case .refused(let words): answer(.failure(words))
        case .hadEnded(let id, let reason): answer(ModelServer.ended(id, hadEnded: reason))
        case .begun(let session):
            let meter = request.progressToken.map { token in
                ProgressMeter { [output] progress, text in output.offer(Answer.progress(token, progress, text)) }
            }
            start(asked, tool, call, session, meter, send)
        }
    }

    private enum Begun {
        case refused(String)
        case hadEnded(String, String)
        case begun(Session?)
    }

    private func start(
        _ asked: ToolCall, _ tool: Tool, _ call: Call, _ session: Session?, _ meter: ProgressMeter?,
        _ send: @escaping @Sendable (JSONValue?) -> Void
    ) {
        // On the connection's own thread, which saves two switches of threads for each event.
        let run = { @Sendable [self] (before: Task<Void, Never>?) in
            Task(executorPreference: client.executor) {
                await before?.value
                let result =
                    call.isCancelled
                    ? ToolResult.failure("cancelled") : await self.result(asked, tool, call, session, meter)
                self.finish(call, session, meter, result, send)
            }
        }
        if asked.isCodeInSession, let session {
            session.queue { before in
                let task = run(before)
                call.runs(as: task)
                return task
            }
        } else {
            call.runs(as: run(nil))
        }
    }

    private func finish(
        _ call: Call, _ session: Session?, _ meter: ProgressMeter?, _ result: ToolResult,
        _ send: (JSONValue?) -> Void
    ) {
        meter?.end()
        state.withLock { state in
            state.calls[call.id] = nil
            if let session { state.sessions.finish(session.id, .now) }
        }
        // A cancelled call is never answered.
        guard !call.isCancelled else { return send(nil) }
        send(Answer.result(call.id, result.json(call.version), call.version, serverVersion: settings.version))
    }

    func cancel(_ id: RequestID) {
        state.withLock { $0.calls[id] }?.cancel()
    }

    // MARK: What a call does

    private func result(
        _ asked: ToolCall, _ tool: Tool, _ call: Call, _ session: Session?, _ meter: ProgressMeter?
    ) async -> ToolResult {
        do {
            switch (asked, session) {
            case (.runCode(let code, let language, _, let timeout), let session?):
                return try await run(code, language, timeout ?? settings.timeout, in: session, call, meter)
            case (.runCode(let code, let language, _, let timeout), nil):
                return try await run(code, language ?? "python", timeout ?? settings.timeout, call, meter)
            case (.runCommand(let line, _, let timeout), _):
                var command = Command(shell: line)
                command.timeout = timeout ?? settings.timeout
                // A server that a model starts with "&" is there for its next commands.
                command.keepsBackground = session != nil
                let execution =
                    session.map { client.execute(command, in: $0.lease) }
                    ?? client.execute(command, pool: settings.pool)
                let report = try await follow(execution, call, meter, session)
                if let session { settle(report, session) }
                return report.result(.runCommand)
            case (.startSession(let language), _): return try await startSession(language, call)
            case (.endSession, let session?):
                await end(session, "end_session was called")
                return ModelServer.ended(session.id, hadEnded: nil)
            case (.writeFile(_, let path, let content), let session?): return try await write(path, content, session)
            case (.readFile(_, let path, let offset, let length, let encoding), let session?):
                return try await read(path, offset, length, encoding, session)
            case (.listFiles(_, let path), let session?): return try await list(path, session)
            case (.endSession, nil), (.writeFile, nil), (.readFile, nil), (.listFiles, nil):
                preconditionFailure("\(tool) has no session")
            }
        } catch let error as BerthError {
            return failure(error, session)
        } catch {
            return .failure("\(error)")
        }
    }

    /// Runs a piece of code in a session's interpreter.
    private func run(
        _ code: String, _ language: String?, _ timeout: Duration, in session: Session, _ call: Call,
        _ meter: ProgressMeter?
    ) async throws -> ToolResult {
        let context = try await session.context(language ?? session.language, client)
        guard !call.isCancelled else { return .failure("cancelled") }
        do {
            let report = try await follow(
                client.execute(code, in: context, timeout: timeout), call, meter, session)
            if report.ended?.isContextLost == true || report.ended?.cause == .contextLost { session.forget(context) }
            settle(report, session)
            return report.result(.runCode)
        } catch let error as BerthError where error.reason == .noSuchContext {
            session.forget(context)
            return .failure(
                "the session's \(context.language) interpreter has ended since the last call, and its variables are "
                    + "gone. The code was not run. Files are still there, and the next run_code starts a new interpreter"
            )
        }
    }

    /// Runs code in a container of its own, in a new interpreter, so that values and pictures are shown as in a session.
    private func run(
        _ code: String, _ language: String, _ timeout: Duration, _ call: Call, _ meter: ProgressMeter?
    ) async throws -> ToolResult {
        try await client.withLease(pool: settings.pool) { lease in
            let context = try await client.openContext(language, in: lease)
            let report = try await follow(client.execute(code, in: context, timeout: timeout), call, meter, nil)
            return report.result(.runCode)
        }
    }

    /// Reads an execution to its end.
    private func follow(
        _ execution: Execution, _ call: Call, _ meter: ProgressMeter?, _ session: Session?
    ) async throws -> ProgramReport {
        var report = ProgramReport(session: session?.id)
        // Before its start it waits for a container, and has nothing that could be ended with care.
        if session != nil { call.runs(execution) }
        for try await event in execution {
            if case .started = event { call.runs(execution) }
            if case .output(let output) = event { meter?.take(output) }
            report.take(event)
        }
        return report
    }
}

extension ToolCall {
    /// Whether it waits for the pieces of code before it.
    var isCodeInSession: Bool {
        if case .runCode(_, _, _?, _) = self { true } else { false }
    }
}
