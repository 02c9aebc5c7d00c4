// SPDX-License-Identifier: Apache-2.0

internal import AgentLink
internal import AgentSchema
internal import BerthRPC
internal import BerthSchema
internal import NIOCore
internal import Pool
internal import Synchronization

/// Calls about files. Each is an execution of the agent's own program in the container, as the pool's user, with the arguments
/// of `FileOperation`: so it has the rights of a program, and can be limited and ended like one.
extension PoolServiceHandler {
    /// Path of the agent's own program, for a child of it.
    private static let tool: SystemString = "/proc/self/exe"

    /// Maximum bytes of data in one call.
    static let maxData = 256 << 10
    private static let maxPath = 4096

    // MARK: Calls

    func readFile(_ call: ServerCall, _ session: Session) throws(RPCError) {
        let request = try call.decode(ReadFileRequest.self)
        let path = request.path
        try stream(
            .read(path: path, offset: request.offset, length: request.length), path: path,
            FileRelay(path: path, limit: request.length == 0 ? nil : request.length, tellsInfo: true),
            lease: request.lease, window: request.windowBytes, call, session)
    }

    func readArchive(_ call: ServerCall, _ session: Session) throws(RPCError) {
        let request = try call.decode(ReadArchiveRequest.self)
        let path = request.path
        try stream(
            .pack(path: path), path: path, FileRelay(path: path), lease: request.lease, window: request.windowBytes,
            call, session)
    }

    func listDirectory(_ call: ServerCall, _ session: Session) throws(RPCError) {
        let request = try call.decode(ListDirectoryRequest.self)
        let path = request.path
        let job = try begin(.list(path: path), path: path, lease: request.lease, session)
        let memory = call.connection.memory
        guard memory.reserve(ListRelay.window, sixteenths: 15) else {
            job.atEnd(nil)
            throw memory.refusal
        }
        ListRelay(call, grace: limits.defaultGrace, memory).begin { sink in
            job.run(stdin: [], keepsOpen: false, window: ListRelay.window, sink)
        }
    }

    func removeFile(_ call: ServerCall, _ session: Session) throws(RPCError) {
        let request = try call.decode(RemoveFileRequest.self)
        let path = request.path
        let job = try begin(
            .remove(path: path, isRecursive: request.isRecursive), path: path, lease: request.lease, session)
        run(job, stdin: [], for: call) { _ in .success(RemoveFileResponse()) }
    }

    func stat(_ call: ServerCall, _ session: Session) throws(RPCError) {
        let request = try call.decode(StatRequest.self)
        let path = request.path
        let job = try begin(
            .stat(path: path, followsLink: request.followsLink), path: path, lease: request.lease, session)
        run(job, stdin: [], for: call) { outcome -> Result<StatResponse, RPCError> in
            guard let info = outcome.info else {
                return .failure(RPCError(.internal, "the operation on files said nothing"))
            }
            return .success(StatResponse(info: info.checked(path)))
        }
    }

    func makeDirectory(_ call: ServerCall, _ session: Session) throws(RPCError) {
        let request = try call.decode(MakeDirectoryRequest.self)
        let path = request.path
        try Self.checkMode(request.mode)
        let operation = FileOperation.makeDirectory(
            path: path, mode: request.mode == 0 ? 0o755 : request.mode, makesParents: request.makesParents)
        let job = try begin(operation, path: path, lease: request.lease, session)
        run(job, stdin: [], for: call) { _ in .success(MakeDirectoryResponse()) }
    }

    func renameFile(_ call: ServerCall, _ session: Session) throws(RPCError) {
        let request = try call.decode(RenameFileRequest.self)
        try Self.check("to", request.to)
        let operation = FileOperation.rename(
            from: request.from, to: request.to, neverReplaces: request.neverReplaces)
        let job = try begin(operation, path: request.from, named: "from", lease: request.lease, session)
        run(job, stdin: [], for: call) { _ in .success(RenameFileResponse()) }
    }

    func changeMode(_ call: ServerCall, _ session: Session) throws(RPCError) {
        let request = try call.decode(ChangeModeRequest.self)
        let path = request.path
        try Self.checkMode(request.mode)
        let job = try begin(.changeMode(path: path, mode: request.mode), path: path, lease: request.lease, session)
        run(job, stdin: [], for: call) { _ in .success(ChangeModeResponse()) }
    }

    private static func checkMode(_ mode: UInt32) throws(RPCError) {
        guard mode <= 0o777 else { throw RPCError(.invalidArgument, "mode is \(mode), more than 0777") }
    }

    // MARK: How

    /// What is needed to start an operation. The lease is in use, and the tenant's limits count it, from its creation to the
    /// end of the operation.
    struct FileJob: Sendable {
        let request: Agent.ExecuteRequest
        let link: AgentConnection
        let lease: LeaseToken
        /// Must be called if it is not run; `run` does at the end.
        /// - Parameter: how it ended.
        let atEnd: @Sendable (Agent.Ended?) -> Void

        /// - Parameter sink: as for `AgentConnection.execute`.
        @discardableResult
        func run(
            stdin: [UInt8], keepsOpen: Bool, window: Int = AgentConnection.window,
            silence: AgentConnection.Silence? = nil,
            _ sink: @escaping @Sendable (ExecutionEvent) -> Void
        ) -> AgentExecution {
            var request = request
            request.stdin = stdin
            request.keepsStdinOpen = keepsOpen
            return link.execute(request, window: window, silence: silence) { [atEnd] event in
                if case .ended(let ended) = event { atEnd(ended) }
                sink(event)
            }
        }
    }

    /// - Parameters:
    ///   - isPaced: whether the client decides how long it takes.
    ///   - isServed: whether it becomes a `ServedExecution`, which the tenant's limits count as such.
    /// - Throws: INVALID_ARGUMENT for an invalid path, NOT_FOUND if there is no such lease, RESOURCE_EXHAUSTED at a limit of the
    ///   lease or the tenant.
    func begin(
        _ operation: FileOperation, path: SystemString, named field: String = "path", lease: String,
        _ session: Session, isPaced: Bool = false, isServed: Bool = false
    ) throws(RPCError) -> FileJob {
        try Self.check(field, path)
        guard !isDraining else { throw .shuttingDown }
        guard let token = session.lease(lease), let use = self.use(token, session, begins: true) else {
            throw .noSuchLease
        }
        guard let link = use.link as? AgentConnection else { preconditionFailure("a member without an agent") }
        let work: TenantWork?
        do throws(RPCError) {
            try checkRoom(link)
            work = isServed ? nil : try TenantWork(session, on: link)
        } catch {
            fleet.endUse(token)
            throw error
        }
        let uid = link.user?.uid ?? programDefaults(of: use.pool).uid ?? limits.uid
        let request = Agent.ExecuteRequest(
            execution: 0, argv: [Self.tool] + operation.arguments, env: [], cwd: "/", uid: uid, gid: uid,
            timeoutMilliseconds: (isPaced ? limits.maxTimeout : limits.defaultTimeout).wholeMilliseconds,
            graceMilliseconds: limits.defaultGrace.wholeMilliseconds)
        return FileJob(request: request, link: link, lease: token) { [fleet] ended in
            work?.end(ended)
            fleet.endUse(token)
        }
    }

    /// Checks a path of a request.
    static func check(_ field: String, _ path: SystemString) throws(RPCError) {
        guard path.hasPrefix("/") else {
            throw RPCError(.invalidArgument, "\(field) \"\(path.description.prefix(256))\" is not absolute")
        }
        guard path.count < maxPath else {
            throw RPCError(
                .invalidArgument, "\(field) has \(path.count) bytes, more than the maximum, \(maxPath - 1)",
                .nameTooLong)
        }
    }

    /// Runs an operation without content, for a unary call.
    func run<M: Message>(
        _ job: FileJob, stdin: [UInt8], for call: ServerCall,
        _ response: @escaping @Sendable (FileOutcome) -> Result<M, RPCError>
    ) {
        let answer = Answer(call)
        let outcome = Mutex(FileOutcome())
        let execution = job.run(stdin: stdin, keepsOpen: false) { event in
            guard let result = outcome.withLock({ $0.receive(event) }) else { return }
            answer.give(result.flatMap(response))
        }
        call.onCancel = { [limits] _ in execution.end(graceMilliseconds: limits.defaultGrace.wholeMilliseconds) }
    }

    private func stream(
        _ operation: FileOperation, path: SystemString, _ relay: FileRelay, lease: String, window: UInt64,
        _ call: ServerCall, _ session: Session
    ) throws(RPCError) {
        let window = try ProgramRequest.window(window)
        let job = try begin(operation, path: path, lease: lease, session, isPaced: true, isServed: true)
        var order = ServedExecution.Order(
            lease: job.lease, client: session.client, member: job.link.member,
            argv: ProgramSource.listed(["berth"] + operation.arguments),
            graceMilliseconds: limits.defaultGrace.wholeMilliseconds)
        if let refusal = order.admit(call, session, on: job.link) {
            job.atEnd(nil)
            throw refusal
        }
        start(order, for: call, relay.events, window: window) { execution in
            // The client may take as long as it likes, but the agent may not.
            job.run(
                stdin: [], keepsOpen: false, window: order.agentWindow, silence: .ofOutput(limits.defaultTimeout)
            ) { event in relay.pass(event, to: execution) }
        }
    }
}
