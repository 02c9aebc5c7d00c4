// SPDX-License-Identifier: Apache-2.0

internal import BerthRPC
internal import BerthSchema

/// An interpreter in a lease that keeps its state from one piece of code to the next. It ends with `closeContext`, by what a
/// piece does, or with its lease.
public struct Context: Sendable, Equatable {
    public var id: String
    public var lease: Lease
    /// "python", "bash", "sh" or "node"; empty where only the id is known.
    public var language: String
    /// Of the interpreter; empty where it does not tell, or only the id is known.
    public var version: String

    /// One that was opened elsewhere, by its id.
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
    /// Starts an interpreter, and returns when it takes code.
    ///
    ///     let context = try await client.openContext("python", in: lease)
    ///     try await client.run("x = 6", in: context)
    ///     print(try await client.run("x * 7", in: context).value ?? "")
    ///
    /// - Parameters:
    ///   - language: "python", "bash", "sh" or "node".
    ///   - lease: whose member it runs in.
    ///   - env: added to the environment that the server and the image give.
    ///   - cwd: absolute; nil is the server's choice, /workspace.
    ///   - uid: nil is the server's choice.
    /// - Throws: `failedPrecondition` (`contextStartFailed`) when it can't be started, with the reason.
    public func openContext(
        _ language: String, in lease: Lease, env: [String: String] = [:], cwd: String? = nil, uid: UInt32? = nil
    ) async throws(BerthError) -> Context {
        let response = try await call(
            PoolService.openContext,
            OpenContextRequest(
                lease: lease.token, language: language, cwd: SystemString(cwd ?? ""), env: env, uid: uid ?? 0))
        return Context(id: response.context, lease: lease, language: language, version: response.version)
    }

    /// Copies a context with all that it holds, in milliseconds. What a piece does in one of them, the other does not see.
    ///
    ///     let copy = try await client.forkContext(context)
    ///
    /// - Throws: `unimplemented` where its language is not Python; `failedPrecondition` while a piece runs in it
    ///   (`contextBusy`), and where it can't be copied, as while threads run in it (`contextStartFailed`), with the reason.
    public func forkContext(_ context: Context) async throws(BerthError) -> Context {
        let response = try await call(
            PoolService.forkContext, ForkContextRequest(lease: context.lease.token, context: context.id))
        return Context(
            id: response.context, lease: context.lease, language: context.language, version: response.version)
    }

    /// Ends a context, with all that it started.
    public func closeContext(_ context: Context) async throws(BerthError) {
        _ = try await call(
            PoolService.closeContext, CloseContextRequest(lease: context.lease.token, context: context.id))
    }

    /// The contexts of a lease, the oldest first.
    public func contexts(in lease: Lease) async throws(BerthError) -> [ContextInfo] {
        try await call(PoolService.listContexts, ListContextsRequest(lease: lease.token)).contexts
    }

    /// Runs a piece of code in a context. Cancelling interrupts it, and keeps the context where that is enough.
    /// - Parameters:
    ///   - code: at most 1 MiB.
    ///   - context: where it runs.
    ///   - timeout: after this it is interrupted; nil is the server's choice, 60 s.
    ///   - window: output, in bytes, that may wait here for its reader; the piece then waits.
    public func execute(
        _ code: String, in context: Context, timeout: Duration? = nil, window: Int = standardWindow
    ) -> Execution {
        execute(Command(piece: code, in: context, timeout: timeout), in: context.lease, window: window)
    }

    /// Runs a piece of code in a context to its end: what it wrote and showed, whether it failed, and how it ended.
    /// - Parameters:
    ///   - code: at most 1 MiB.
    ///   - context: where it runs.
    ///   - timeout: after this it is interrupted; nil is the server's choice, 60 s.
    ///   - limit: bytes kept, of both streams and of displays each; what is over it is counted.
    @discardableResult
    public func run(
        _ code: String, in context: Context, timeout: Duration? = nil, limit: Int = 16 << 20
    ) async throws -> CollectedOutput {
        try await execute(code, in: context, timeout: timeout).collect(limit: limit)
    }

    /// What could stand at a place in code.
    /// - Parameters:
    ///   - code: what is being written.
    ///   - cursor: in bytes of UTF-8; nil is its end.
    ///   - context: where it would run.
    public func complete(
        _ code: String, at cursor: Int? = nil, in context: Context
    ) async throws(BerthError) -> CompleteResponse {
        try await call(
            PoolService.complete,
            CompleteRequest(
                lease: context.lease.token, context: context.id, code: code,
                cursor: UInt64(max(0, cursor ?? code.utf8.count))))
    }

    /// What is known about the name at a place in code.
    /// - Parameters:
    ///   - code: what is being written.
    ///   - cursor: in bytes of UTF-8; nil is its end.
    ///   - context: where it would run.
    ///   - detail: the source too, where there is one.
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
    /// One of its forms, by its MIME type.
    public subscript(_ mime: String) -> [UInt8]? { data.first { $0.mime == mime }?.data }

    /// Its plain text; nil where it has none.
    public var text: String? { self["text/plain"].map { String(decoding: $0, as: UTF8.self) } }
}
