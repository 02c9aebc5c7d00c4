// SPDX-License-Identifier: Apache-2.0

internal import BerthRPC
internal import BerthSchema
internal import NIOCore

extension BerthClient {
    /// Default window: how many bytes of output may wait for their reader. The server accepts 64 KiB to 1 MiB.
    public static let standardWindow = 512 << 10

    // MARK: Running

    /// Runs a program in a lease.
    /// - Parameters:
    ///   - command: what to run, and how.
    ///   - lease: whose member it runs in.
    ///   - window: output, in bytes, that may wait here for its reader; the program then waits.
    ///   - deadline: how long the whole call may take, connecting included. After it the program is ended, and reading
    ///     throws `deadlineExceeded`; `Command.timeout`, in contrast, is an end of the program and no error.
    public func execute(
        _ command: Command, in lease: Lease, window: Int = standardWindow, deadline: Duration? = nil
    ) -> Execution {
        start(
            command, command.request(lease: lease.token, pool: "", wait: nil, window: window), lease: lease.token,
            window, deadline)
    }

    /// Runs a program in a member of its own, which is acquired and released around it, in one round trip.
    ///
    /// - Parameters:
    ///   - command: what to run, and how.
    ///   - pool: nil is the server's default pool.
    ///   - wait: how long to wait in line when no member is warm; nil is the server's default, 30 s.
    ///   - window: output, in bytes, that may wait here for its reader; the program then waits.
    ///   - deadline: how long the whole call may take, connecting included; as above.
    public func execute(
        _ command: Command, pool: String? = nil, wait: Duration? = nil, window: Int = standardWindow,
        deadline: Duration? = nil
    ) -> Execution {
        start(
            command, command.request(lease: "", pool: pool ?? "", wait: wait, window: window), lease: "", window,
            deadline)
    }

    /// Runs a program in a lease to its end: what it wrote, and how it ended.
    /// - Parameters:
    ///   - command: what to run, and how.
    ///   - lease: whose member it runs in.
    ///   - limit: maximum bytes kept of each stream; what exceeds it is only counted.
    ///   - deadline: how long the whole call may take, connecting included.
    /// - Throws: `BerthError` when the call fails, for example `invalidArgument` for a command whose input stays open.
    ///   However the program ends, that is in the result.
    public func run(
        _ command: Command, in lease: Lease, limit: Int = 16 << 20, deadline: Duration? = nil
    ) async throws -> CollectedOutput {
        try command.requireNoMoreInput()
        return try await execute(command, in: lease, deadline: deadline).collect(limit: limit)
    }

    /// Runs a program in a member of its own to its end: what it wrote, and how it ended.
    ///
    ///     let output = try await client.run(Command(shell: "echo hello"))
    ///     print(output.text, output.ended.exitCode)
    ///
    /// - Parameters:
    ///   - command: what to run, and how.
    ///   - pool: nil is the server's default pool.
    ///   - wait: how long to wait in line when no member is warm; nil is the server's default, 30 s.
    ///   - limit: maximum bytes kept of each stream; what exceeds it is only counted.
    ///   - deadline: how long the whole call may take, connecting included.
    /// - Throws: `BerthError` when the call fails, for example `invalidArgument` for a command whose input stays open.
    ///   However the program ends, that is in the result.
    public func run(
        _ command: Command, pool: String? = nil, wait: Duration? = nil, limit: Int = 16 << 20,
        deadline: Duration? = nil
    ) async throws -> CollectedOutput {
        try command.requireNoMoreInput()
        return try await execute(command, pool: pool, wait: wait, deadline: deadline).collect(limit: limit)
    }

    // MARK: Watching

    /// Where attaching begins in an execution's output.
    public enum Beginning: Sendable, Equatable {
        /// With everything that the server still holds.
        case held
        /// With what is written from now on.
        case now
        /// After these offsets: what comes before them, the caller already has.
        case offsets(stdout: UInt64, stderr: UInt64, events: UInt64 = 0)
    }

    /// Watches an execution that is running, or has ended and is still kept. Its events are `started`, its output and
    /// `ended`; output that the server no longer holds is reported as `dropped`.
    ///
    /// - Parameters:
    ///   - execution: its id, from `Execution.id` or `executions(in:)`.
    ///   - lease: the lease that it was started in; nil for a program in a member of its own.
    ///   - beginning: where to begin.
    ///   - observes: if true, this watcher neither slows the program down nor keeps it alive; if it is slow, it misses
    ///     output.
    ///   - window: how many bytes of output may wait here for their reader.
    /// - Returns: an execution, which throws `notFound` if the server does not have it (any longer).
    public func attach(
        _ execution: String, in lease: Lease? = nil, from beginning: Beginning = .held, observes: Bool = false,
        window: Int = standardWindow
    ) -> Execution {
        attach(
            execution, lease: lease?.token ?? "", from: beginning, observes: observes, window: window, inputOffset: nil)
    }

    /// Continues an execution whose connection was lost, on a new connection. The first event is `started` again; then
    /// output continues where the reader of the old execution was, without gaps other than those reported as `dropped`.
    /// Input continues at `inputOffset`.
    ///
    ///     } catch let error as BerthError where error.code == .unavailable {
    ///         execution = try client.resume(execution)
    ///     }
    ///
    /// - Throws: `failedPrecondition` if the execution had not started as far as this client knows, and so has no id.
    public func resume(_ execution: Execution, window: Int = standardWindow) throws(BerthError) -> Execution {
        guard let id = execution.attachedID ?? execution.stream.identity?.execution else {
            throw BerthError(.failedPrecondition, "the connection broke before the execution had started")
        }
        let has = execution.stream.consumed
        return attach(
            id, lease: execution.lease, from: .offsets(stdout: has.stdout, stderr: has.stderr, events: has.events),
            observes: execution.observes, window: window, inputOffset: execution.inputOffset)
    }

    /// The executions of a lease, oldest first: those that are running, and those that have ended and are still kept.
    public func executions(in lease: Lease) async throws(BerthError) -> [ExecutionInfo] {
        try await call(PoolService.listExecutions, ListExecutionsRequest(lease: lease.token)).executions
    }

    // MARK: How

    /// Maximum bytes of standard input that are sent with the call; the rest follows as the program reads.
    private static let maxStdin = 1 << 20

    private func start(
        _ command: Command, _ request: ExecuteRequest, lease: String, _ window: Int, _ deadline: Duration?
    ) -> Execution {
        var request = request
        var rest: (bytes: [UInt8], isAll: Bool)?
        if request.stdin.count > Self.maxStdin {
            rest = (Array(request.stdin[Self.maxStdin...]), !command.keepsStdinOpen && command.terminal == nil)
            request.stdin.removeSubrange(Self.maxStdin...)
            request.keepsStdinOpen = true
        }
        let stream = EventStream(
            connector, PoolService.execute, request, lease: lease, window: window,
            leaving: command.resumable == nil ? .kill : .detach, deadline: deadline)
        return Execution(lease: lease, stream: stream, inputOffset: UInt64(request.stdin.count), rest: rest)
    }

    private func attach(
        _ execution: String, lease: String, from beginning: Beginning, observes: Bool, window: Int, inputOffset: UInt64?
    ) -> Execution {
        var request = AttachRequest(
            lease: lease, execution: execution, windowBytes: UInt64(window), isObserver: observes)
        var offsets = OutputOffsets()
        switch beginning {
        case .held: break
        case .now: request.isFromNow = true
        case .offsets(let stdout, let stderr, let events):
            offsets = OutputOffsets(stdout: stdout, stderr: stderr, events: events)
            (request.stdoutOffset, request.stderrOffset, request.eventsPosition) = (stdout, stderr, events)
        }
        let stream = EventStream(
            connector, PoolService.attach, request, lease: lease, window: window, from: offsets, leaving: .detach)
        return Execution(
            lease: lease, stream: stream, inputOffset: inputOffset, attachedID: execution, observes: observes)
    }
}

extension Command {
    /// A caller who collects a program's output cannot write to its input.
    fileprivate func requireNoMoreInput() throws(BerthError) {
        guard keepsStdinOpen else { return }
        throw BerthError(
            .invalidArgument, "run cannot keep standard input open, as nobody could write to it: use execute")
    }
}

extension ClientConnection {
    func call<Request, Response>(
        _ method: UnaryMethod<Request, Response>, _ message: Request
    ) async throws(BerthError) -> Response {
        do throws(RPCError) {
            return try await unary(method, message)
        } catch {
            throw BerthError(error)
        }
    }
}
