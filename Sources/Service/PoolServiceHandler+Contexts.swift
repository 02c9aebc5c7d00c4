// SPDX-License-Identifier: Apache-2.0

internal import AgentLink
internal import AgentSchema
internal import NIOCore
internal import Pool
internal import BerthRPC
internal import BerthSchema
internal import Synchronization

/// Interpreters that keep their state, and the pieces of code that run in them.
extension PoolServiceHandler {
    /// Maximum time until an interpreter is ready.
    private static let startLimit = Duration.seconds(30)
    /// Between TERM and KILL, when a context is closed.
    private static let closeGrace: UInt64 = 500

    func openContext(_ call: ServerCall, _ session: Session) throws(RPCError) {
        let request = try call.decode(OpenContextRequest.self)
        guard let language = Language(rawValue: request.language) else {
            throw RPCError(
                .invalidArgument,
                "there are no contexts of language \"\(request.language)\"; there are: \(Language.names)")
        }
        let program = try ProgramRequest(
            ExecuteRequest(
                lease: request.lease, argv: ["context"], env: request.env, cwd: request.cwd,
                envBytes: request.envBytes, uid: request.uid), limits)
        guard !isDraining else { throw .shuttingDown }
        guard let token = session.lease(request.lease), let use = self.use(token, session),
            let link = use.link as? AgentConnection
        else { throw .noSuchLease }
        let defaults = programDefaults(of: use.pool)
        try program.checkUser(defaults, link.user)
        try checkRoom(link)
        let own = defaults.languages[language.rawValue] ?? []
        var order = program.request(
            argv: language.argv(own.contains(ProgramDefaults.codePlaceholder) ? own.first : nil), defaults,
            image: link.imageEnvironment, user: link.user)
        order.opensContext = true
        order.driver = language.driver
        order.isControlledByLines = language.isShell
        if defaults.warmLanguages.contains(language.rawValue) { order.warmLanguage = language.rawValue }
        // It has no time-out of its own: it ends with its lease, and its processes end at once.
        (order.timeoutMilliseconds, order.outputGraceMilliseconds) = (0, 0)
        open(order, try newContext(of: token, language, link, session), call) { context in
            OpenContextResponse(
                context: context.id, version: context.execution?.interpreter ?? "",
                isWarm: context.execution?.isWarm ?? false)
        } failure: {
            .contextStart($0, "no context of language \(language.rawValue)")
        }
    }

    func forkContext(_ call: ServerCall, _ session: Session) throws(RPCError) {
        let request = try call.decode(ForkContextRequest.self)
        let original = try findContext(request.context, lease: request.lease, session)
        guard original.language.canFork else {
            throw RPCError(
                .unimplemented,
                "contexts of language \(original.language.rawValue) can't be copied; those of python can")
        }
        guard !isDraining else { throw .shuttingDown }
        try checkRoom(original.link)
        var order = Agent.ExecuteRequest(execution: 0, argv: [])
        order.opensContext = true
        order.context = original.execution?.contextNumber ?? 0
        let copy = try newContext(of: original.lease, original.language, original.link, session)
        guard original.beginCopy() else {
            copy.uncount()
            contexts.remove(copy, because: "it was never made")
            throw .contextBusy
        }
        open(order, copy, call) { copy in
            original.endCopy()
            return ForkContextResponse(context: copy.id, version: copy.execution?.interpreter ?? "")
        } failure: {
            original.endCopy()
            return .contextStart($0, "the context can't be copied")
        }
    }

    /// - Throws: RESOURCE_EXHAUSTED if the lease has the maximum number, or its tenant a limit that is reached.
    private func newContext(
        of lease: LeaseToken, _ language: Language, _ link: AgentConnection, _ session: Session
    ) throws(RPCError) -> ServedContext {
        let work = try TenantWork(session, on: link)
        let context = ServedContext(
            id: newToken().description, lease: lease, language: language, link: link,
            opened: clock.now(), work: work)
        guard contexts.insert(context, most: limits.maxContexts) else {
            context.uncount()
            throw RPCError(
                .resourceExhausted,
                "this lease has \(limits.maxContexts) contexts, the maximum (max_contexts); close one", .contextLimit)
        }
        return context
    }

    /// - Parameters:
    ///   - response: called when it is ready. Either this or `failure` is called, once.
    private func open<Response: Message>(
        _ order: Agent.ExecuteRequest, _ context: ServedContext, _ call: ServerCall,
        response: @escaping @Sendable (ServedContext) -> Response,
        failure: @escaping @Sendable (Agent.Ended) -> RPCError
    ) {
        let answer = Answer(call)
        call.onCancel = { _ in context.execution?.end(graceMilliseconds: 0) }
        let execution = context.link.execute(order, silence: .ofStart(PoolServiceHandler.startLimit)) {
            [contexts] event in
            switch event {
            case .started:
                guard context.open() else { return }
                answer.give(.success(response(context)))
            case .output, .overdue, .refused, .outputEnded: break
            case .ended(let ended):
                contexts.remove(context, because: ended.contextEnd)
                context.ended(ended)
                guard context.open() else { return }
                answer.give(Result<Response, RPCError>.failure(failure(ended)))
            }
        }
        context.begin(execution)
    }

    func closeContext(_ call: ServerCall, _ session: Session) throws(RPCError) {
        let request = try call.decode(CloseContextRequest.self)
        let context = try findContext(request.context, lease: request.lease, session)
        contexts.remove(context, because: "it was closed")
        context.uncount()
        context.execution?.end(graceMilliseconds: PoolServiceHandler.closeGrace)
        call.respond(CloseContextResponse())
    }

    func listContexts(_ call: ServerCall, _ session: Session) throws(RPCError) {
        let request = try call.decode(ListContextsRequest.self)
        guard let lease = session.lease(request.lease), use(lease, session) != nil else { throw .noSuchLease }
        let now = clock.now()
        call.respond(
            ListContextsResponse(contexts: contexts.list(lease).filter { $0.isOpen }.map { $0.info(now: now) }))
    }

    /// The context of a call. This counts as a use of its lease.
    private func findContext(_ id: String, lease: String, _ session: Session) throws(RPCError) -> ServedContext {
        guard let token = session.lease(lease), use(token, session) != nil else { throw .noSuchLease }
        let (context, end) = contexts.find(id, lease: token)
        guard let context, context.isOpen else { throw .noSuchContext(end) }
        return context
    }

    // MARK: Pieces

    func executePiece(_ request: ExecuteRequest, _ call: ServerCall, _ session: Session) throws(RPCError) {
        let program = try ProgramRequest(piece: request, session.limits(limits))
        audit?.follow(call, session, "execute", argv: [SystemString(request.code)])
        guard !isDraining else { throw .shuttingDown }
        let context = try findContext(request.context, lease: request.lease, session)
        try checkRoom(context.link)
        guard use(context.lease, session, begins: true) != nil else { throw .noSuchLease }
        var order = ServedExecution.Order(
            lease: context.lease, client: session.client, member: context.link.member,
            argv: ProgramSource.listed([SystemString(context.language.rawValue), SystemString(request.code)]),
            graceMilliseconds: program.graceMilliseconds, resumable: program.resumable, unwatched: program.unwatched,
            maxWatchers: limits.maxWatchers)
        order.context = context.id
        order.maxDisplay = limits.maxDisplay
        let id = newToken().description
        guard context.take(id, isPiece: true) else {
            fleet.endUse(context.lease)
            throw .contextBusy
        }
        if let refusal = order.admit(call, session, on: context.link, in: context) {
            context.leave()
            fleet.endUse(context.lease)
            throw refusal
        }
        let piece = piece(
            program.request(argv: [], ProgramDefaults(), image: ImageEnvironment([]), user: nil), in: context,
            request.code)
        start(order, id: id, for: call, .execute, window: program.window) { [link = context.link] execution in
            link.execute(piece, window: order.agentWindow) { [contexts, fleet] event in
                if case .ended(let ended) = event {
                    // Before the caller learns of it: the end of the interpreter comes on another stream.
                    if ended.isContextLost {
                        contexts.remove(context, because: ended.contextEnd)
                        context.uncount()
                    }
                    context.leave(ended)
                    fleet.endUse(context.lease)
                }
                execution.receive(event)
            }
        }
    }

    /// - Parameter base: the limits and the input of the piece.
    private func piece(_ base: Agent.ExecuteRequest, in context: ServedContext, _ code: String) -> Agent.ExecuteRequest
    {
        var piece = base
        (piece.argv, piece.env) = ([], [])
        piece.context = context.execution?.contextNumber ?? 0
        piece.code = Array(code.utf8)
        piece.maxDisplayBytes = UInt64(limits.maxDisplay)
        return piece
    }

    // MARK: Completion and inspection

    func complete(_ call: ServerCall, _ session: Session) throws(RPCError) {
        let request = try call.decode(CompleteRequest.self)
        try look(
            call, .complete, request.code, request.cursor,
            in: try findContext(request.context, lease: request.lease, session), session
        ) { (bytes, arena) throws(SchemaError) -> CompleteResponse in
            try CompleteResponse(decoding: bytes, arena: arena)
        }
    }

    func inspect(_ call: ServerCall, _ session: Session) throws(RPCError) {
        let request = try call.decode(InspectRequest.self)
        try look(
            call, request.detail ? .inspectDetail : .inspect, request.code, request.cursor,
            in: try findContext(request.context, lease: request.lease, session), session
        ) { (bytes, arena) throws(SchemaError) -> InspectResponse in
            try InspectResponse(decoding: bytes, arena: arena)
        }
    }

    /// Time after which a completion or inspection is interrupted, and after which the context is then killed.
    private static let lookLimit = Duration.seconds(5)
    private static let lookGrace = Duration.seconds(10)

    private func look<Response: Message>(
        _ call: ServerCall, _ kind: Agent.PieceKind, _ code: String, _ cursor: UInt64, in context: ServedContext,
        _ session: Session,
        _ decode: @escaping @Sendable (UnsafeRawBufferPointer, Arena) throws(SchemaError) -> Response
    ) throws(RPCError) {
        guard context.language.knowsNames else {
            throw RPCError(.unimplemented, "contexts of language \(context.language.rawValue) can't be asked for names")
        }
        try ProgramSource.checkPiece(code)
        guard cursor <= UInt64(code.utf8.count) else {
            throw RPCError(.invalidArgument, "cursor is \(cursor), after the end of code, \(code.utf8.count)")
        }
        try checkRoom(context.link)
        let work = try TenantWork(session, on: context.link, in: context)
        guard context.take("", isPiece: false) else {
            work.end()
            throw .contextBusy
        }
        var piece = piece(Agent.ExecuteRequest(execution: 0, argv: []), in: context, code)
        piece.pieceKind = kind
        piece.cursor = cursor
        piece.timeoutMilliseconds = PoolServiceHandler.lookLimit.wholeMilliseconds
        piece.graceMilliseconds = PoolServiceHandler.lookGrace.wholeMilliseconds
        let answer = Answer(call)
        let events = Mutex(EventAssembler())
        _ = context.link.execute(piece) { event in
            switch event {
            case .output(let chunk):
                events.withLock { events in
                    events.append(chunk.data.readableBytesView)
                    while events.next(reserve: { _ in true }) != nil {}
                }
            case .ended(let ended):
                context.leave(ended)
                work.end(ended)
                let found = events.withLock { $0.answer?.bytes }
                if let found, ShownEvent.hasFewParts(found),
                    let response = found.withUnsafeBytes({ try? decode($0, Arena()) })
                {
                    return answer.give(.success(response))
                }
                answer.give(
                    Result<Response, RPCError>.failure(
                        ended.isContextLost
                            ? .noSuchContext(ended.contextEnd)
                            : RPCError(
                                ended.cause == .timedOut ? .deadlineExceeded : .internal,
                                ended.message.isEmpty ? "the context gave no answer" : ended.message)))
            case .started, .overdue, .refused, .outputEnded: break
            }
        }
    }
}

extension Agent.Ended {
    /// How a context ended, for later calls on it.
    var contextEnd: String {
        switch cause {
        case .exited: "its interpreter exited with \(exitCode)"
        case .signalled: message.isEmpty ? "its interpreter was ended by signal \(signal)" : message
        default: message.isEmpty ? "\(cause)" : message
        }
    }
}

extension RPCError {
    /// - Parameter end: how it ended, if that is known.
    static func noSuchContext(_ end: String?) -> RPCError {
        RPCError(
            .notFound, end.map { "the context has ended: \($0)" } ?? "no such context in this lease, or it has ended",
            .noSuchContext)
    }

    static var contextBusy: RPCError {
        RPCError(
            .failedPrecondition, "a piece of code runs in this context; wait for its end, or open another", .contextBusy
        )
    }

    /// Why an interpreter did not start.
    /// - Parameter words: what failed.
    static func contextStart(_ ended: Agent.Ended, _ words: String) -> RPCError {
        switch ended.cause {
        case .startFailed:
            RPCError(
                ended.startFailure == .noResources ? .resourceExhausted : .failedPrecondition,
                "\(words): \(ended.message)", .contextStartFailed)
        case .containerLost, .draining: RPCError(.unavailable, ended.message)
        case .cancelled: RPCError(.cancelled, ended.message)
        default:
            RPCError(
                .failedPrecondition, "\(words): \(ended.contextEnd)", .contextStartFailed)
        }
    }
}
