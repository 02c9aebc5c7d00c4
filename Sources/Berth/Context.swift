// SPDX-License-Identifier: Apache-2.0

internal import BerthRPC
internal import BerthSchema

/// An interpreter in a lease that keeps its state from one piece of code to the next. It ends with `closeContext`, with its
/// lease, or if a piece ends it.
public struct Context: Sendable, Equatable {
    public var id: String
    public var lease: Lease
    /// "python", "bash", "sh" or "node"; empty if only the id is known.
    public var language: String
    /// Version of the interpreter; empty if it is unknown.
    public var version: String

    /// A context that was opened elsewhere.
    public init(id: String, lease: Lease) {
        self.init(id: id, lease: lease, language: "", version: "")
    }

    init(id: String, lease: Lease, language: String, version: String) {
        self.id = id
        self.lease = lease
        self.language = language
        self.version = version
    }
}

extension BerthClient {
    /// Starts an interpreter, and returns when it is ready to run code. If the task is cancelled meanwhile, this throws at
    /// once, and a context that comes of it all the same is closed.
    ///
    ///     let context = try await client.openContext("python", in: lease)
    ///     try await client.run("x = 6", in: context)
    ///     print(try await client.run("x * 7", in: context).value ?? "")
    ///
    /// - Parameters:
    ///   - language: "python", "bash", "sh" or "node".
    ///   - lease: the lease in which it runs.
    ///   - env: added to the environment from the server and the image.
    ///   - cwd: an absolute path; nil is the server's default, /workspace.
    ///   - uid: user id; nil is the server's default.
    /// - Throws: `failedPrecondition` (`contextStartFailed`) if it can't be started, with the reason.
    public func openContext(
        _ language: String, in lease: Lease, env: [String: String] = [:], cwd: String? = nil, uid: UInt32? = nil
    ) async throws(BerthError) -> Context {
        let request = OpenContextRequest(
            lease: lease.token, language: language, cwd: SystemString(cwd ?? ""), env: env, uid: uid ?? 0)
        return try await make { [self] () async throws(BerthError) in
            let response = try await call(PoolService.openContext, request)
            return Context(id: response.context, lease: lease, language: language, version: response.version)
        }
    }

    /// If the task is cancelled meanwhile, this throws at once, and a context that comes of it all the same is closed.
    private func make(
        _ ask: @escaping @Sendable () async throws(BerthError) -> Context
    ) async throws(BerthError) -> Context {
        let (answers, answer) = AsyncStream.makeStream(of: Result<Context, BerthError>.self)
        // In a task of its own, as in `acquire`: a unary call can't be withdrawn.
        let asking = Task { () -> Result<Context, BerthError> in
            let result: Result<Context, BerthError>
            do throws(BerthError) {
                result = .success(try await ask())
            } catch {
                result = .failure(error)
            }
            answer.yield(result)
            return result
        }
        for await result in answers { return try result.get() }
        Task { if case .success(let context) = await asking.value { try? await closeContext(context) } }
        throw BerthError(.cancelled, "the caller left the call")
    }

    /// Copies a context with its whole state, in milliseconds. Later changes in one of them are not seen in the other.
    ///
    ///     let copy = try await client.forkContext(context)
    ///
    /// - Throws: `unimplemented` if its language is not Python; `failedPrecondition` while a piece runs in it (`contextBusy`),
    ///   and if it can't be copied, for example because it has threads (`contextStartFailed`), with the reason.
    public func forkContext(_ context: Context) async throws(BerthError) -> Context {
        let request = ForkContextRequest(lease: context.lease.token, context: context.id)
        return try await make { [self] () async throws(BerthError) in
            let response = try await call(PoolService.forkContext, request)
            return Context(
                id: response.context, lease: context.lease, language: context.language, version: response.version)
        }
    }

    /// Ends a context and everything that it started.
    public func closeContext(_ context: Context) async throws(BerthError) {
        _ = try await call(
            PoolService.closeContext, CloseContextRequest(lease: context.lease.token, context: context.id))
    }

    /// The contexts of a lease, oldest first.
    public func contexts(in lease: Lease) async throws(BerthError) -> [ContextInfo] {
        try await call(PoolService.listContexts, ListContextsRequest(lease: lease.token)).contexts
    }

    /// Runs a piece of code in a context. Cancelling interrupts it, which keeps the context if the piece then ends.
    /// - Parameters:
    ///   - code: the source text, at most 1 MiB.
    ///   - context: the context that runs it.
    ///   - timeout: time after which it is interrupted; nil is the server's default, 60 s.
    ///   - window: maximum bytes of output that wait here for their reader; then the piece waits.
    public func execute(
        _ code: String, in context: Context, timeout: Duration? = nil, window: Int = standardWindow
    ) -> Execution {
        execute(Command(piece: code, in: context, timeout: timeout), in: context.lease, window: window)
    }

    /// Runs a piece of code in a context to its end, and returns its output, its displays, its failure and its end.
    /// - Parameters:
    ///   - code: the source text, at most 1 MiB.
    ///   - context: the context that runs it.
    ///   - timeout: time after which it is interrupted; nil is the server's default, 60 s.
    ///   - limit: maximum bytes that are kept of both streams, and of displays; the rest is only counted.
    @discardableResult
    public func run(
        _ code: String, in context: Context, timeout: Duration? = nil, limit: Int = 16 << 20
    ) async throws -> CollectedOutput {
        try await execute(code, in: context, timeout: timeout).collect(limit: limit)
    }

    /// Returns completions at a position in code.
    /// - Parameters:
    ///   - code: the unfinished code.
    ///   - cursor: position in bytes of UTF-8; nil is the end of the code.
    ///   - context: the context that would run it.
    public func complete(
        _ code: String, at cursor: Int? = nil, in context: Context
    ) async throws(BerthError) -> CompleteResponse {
        try await call(
            PoolService.complete,
            CompleteRequest(
                lease: context.lease.token, context: context.id, code: code,
                cursor: UInt64(max(0, cursor ?? code.utf8.count))))
    }

    /// Describes the name at a position in code.
    /// - Parameters:
    ///   - code: the unfinished code.
    ///   - cursor: position in bytes of UTF-8; nil is the end of the code.
    ///   - context: the context that would run it.
    ///   - detail: whether to include the source code, if there is any.
    public func inspect(
        _ code: String, at cursor: Int? = nil, in context: Context, detail: Bool = false
    ) async throws(BerthError) -> InspectResponse {
        try await call(
            PoolService.inspect,
            InspectRequest(
                lease: context.lease.token, context: context.id, code: code,
                cursor: UInt64(max(0, cursor ?? code.utf8.count)), detail: detail))
    }
}

extension Display {
    /// One of its formats, by its MIME type.
    public subscript(_ mime: String) -> [UInt8]? { data.first { $0.mime == mime }?.data }

    /// Its plain text; nil if it has none.
    public var text: String? { self["text/plain"].map { String(decoding: $0, as: UTF8.self) } }
}
