// SPDX-License-Identifier: Apache-2.0

import Berth
import BerthSchema
import Console
import Dispatch
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Runs one execution in this terminal until its end: output, input, terminal, signals, and the connection, which is
/// replaced if it is lost and the execution is resumable.
final class RunSession: Sendable {
    struct Settings: Sendable {
        var address: ServerAddress
        var json = false
        /// Whether standard input goes to the program.
        var sendsInput = false
        /// Whether the program has a terminal.
        var hasTerminal = false
        /// How long the execution outlives its connection; nil: it ends with it.
        var resumable: Duration?
        /// Whether the execution is only watched, so that a signal to berth leaves it running.
        var isAttached = false

        /// Whether this terminal is in raw mode, so that all keys go to the program's terminal.
        var isRaw: Bool { sendsInput && hasTerminal && !json && LocalTerminal.isThere }
    }

    private struct State {
        var client: BerthClient
        var execution: Execution
        /// How many `started` events came: one with each connection.
        var starts = 0
        var isConnected = true
        /// When the connection was lost; nil if it is not.
        var lost: ContinuousClock.Instant?
        /// Attempts to reconnect since then.
        var attempts = 0
        /// Set when berth is leaving, to its exit code.
        var leaving: Int32?
        var pause: Task<Void?, Never>?
        var inputWaiters: [CheckedContinuation<Void, Never>] = []
    }

    private let settings: Settings
    private let state: Mutex<State>
    /// Since when the present event is being written, in nanoseconds of the machine; 0: none is.
    private let writingSince = Atomic<UInt64>(0)
    private let resizes = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))

    init(_ settings: Settings, client: BerthClient, execution: Execution) {
        self.settings = settings
        state = Mutex(State(client: client, execution: execution))
    }

    /// Runs until the execution ends or the user leaves it. Returns the exit code.
    func run() async throws -> Int32 {
        let signals = RunSignals(
            terminal: settings.isRaw, resized: { [resizes] in resizes.continuation.yield() },
            isUnread: { [weak self] in self?.isUnread ?? false },
            end: { [weak self] in self?.end($0, $1) })
        defer { closeClient() }
        return try await withTaskExecutorPreference(BlockingExecutor("output")) { try await show(signals) }
    }

    /// Not inlined: in `run`, Swift 6.3's optimizer takes the address of the thread's id, which a mutex needs, before the
    /// suspension, and locks with it on whichever thread continues. The unlock then traps.
    @inline(never)
    private func closeClient() {
        state.withLock { $0.client }.close()
        LocalTerminal.restore()
    }

    // MARK: Output

    private func show(_ signals: RunSignals) async throws -> Int32 {
        var printer = EventPrinter(json: settings.json)
        while true {
            let execution = state.withLock { $0.execution }
            do {
                for try await event in execution {
                    if case .started(let started) = event {
                        guard hasStarted(started) else { continue }
                    }
                    writingSince.store(DispatchTime.now().uptimeNanoseconds, ordering: .relaxed)
                    defer { writingSince.store(0, ordering: .relaxed) }
                    do throws(OutputFailure) {
                        try printer.print(event)
                    } catch {
                        // In a pipeline of a shell, SIGPIPE or the failed write would have ended the program, too.
                        if !settings.isAttached { execution.kill() }
                        throw error
                    }
                    if case .ended(let ended) = event {
                        LocalTerminal.restore()
                        if !settings.json { for words in ended.words { printError(words) } }
                        return ended.exitStatus(interruptedBy: signals.received)
                    }
                }
                throw Failure("the server ended the stream without an end of the program")
            } catch let error as BerthError {
                if let code = state.withLock({ $0.leaving }) { return code }
                try await reconnect(error)
                if let code = state.withLock({ $0.leaving }) { return code }
            }
        }
    }

    /// A write takes longer than one does whose reader is there.
    private var isUnread: Bool {
        let since = writingSince.load(ordering: .relaxed)
        return since > 0 && DispatchTime.now().uptimeNanoseconds > since + 100_000_000
    }

    /// Returns false if it had already started on another connection.
    private func hasStarted(_ started: Started) -> Bool {
        let (starts, waiters) = state.withLock { state in
            state.starts += 1
            state.isConnected = true
            (state.lost, state.attempts) = (nil, 0)
            defer { state.inputWaiters = [] }
            return (state.starts, state.inputWaiters)
        }
        for waiter in waiters { waiter.resume() }
        guard starts == 1 else {
            printError("connected again")
            resizes.continuation.yield()
            return false
        }
        if settings.resumable != nil, !settings.isAttached, !settings.json {
            printError("execution \(started.execution)")
        }
        if settings.isRaw { LocalTerminal.enterRaw() }
        if settings.hasTerminal { Task { await followSize() } }
        if settings.sendsInput { Task { await sendInput() } }
        return true
    }

    // MARK: Input and size

    private func sendInput() async {
        let scanner = Mutex(EscapeScanner())
        // From a terminal, much is read ahead, so that Enter ~ . works even if the program reads nothing. A pipe just
        // waits.
        let input = StandardInput(ahead: settings.isRaw ? 1024 : 2) { [weak self, settings] piece in
            guard settings.isRaw else { return piece }
            let (passed, leaves) = scanner.withLock { $0.scan(piece) }
            if leaves { self?.leaveByHand() }
            return passed
        }
        for await piece in input.pieces {
            guard await write(piece) else { return }
            input.taken()
        }
        _ = await write(nil)
    }

    /// Writes input, or its end if `bytes` is nil, and continues on the next connection if this one is lost. Returns
    /// false if the program takes no more input.
    private func write(_ bytes: [UInt8]?) async -> Bool {
        var rest = bytes ?? []
        while true {
            let (execution, starts) = state.withLock { ($0.execution, $0.starts) }
            let before = execution.inputOffset
            do throws(BerthError) {
                if bytes == nil { try await execution.closeInput() } else { try await execution.write(rest) }
                return true
            } catch {
                guard error.code == .unavailable, settings.resumable != nil else { return false }
                if let before, let after = execution.inputOffset, after > before {
                    rest.removeFirst(min(rest.count, Int(after - before)))
                }
                await nextStart(after: starts)
            }
        }
    }

    private func nextStart(after starts: Int) async {
        await withCheckedContinuation { continuation in
            let isThere = state.withLock { state in
                if state.starts > starts { return true }
                state.inputWaiters.append(continuation)
                return false
            }
            if isThere { continuation.resume() }
        }
    }

    /// Sends new sizes one after another, so that the program gets the last size last.
    private func followSize() async {
        var told = LocalTerminal.size
        for await _ in resizes.stream {
            guard let size = LocalTerminal.size else { continue }
            let isAgain = told.map { $0 == size } ?? false
            if isAgain, state.withLock({ $0.starts }) == 1 { continue }
            told = size
            try? await state.withLock { $0.execution }.resize(rows: size.rows, columns: size.columns)
        }
    }

    // MARK: Leaving

    private func end(_ signal: Int32, _ urgency: RunSignals.Urgency) {
        let (execution, isRunning) = state.withLock { ($0.execution, $0.starts > 0 && $0.isConnected) }
        // Before the start there is no program to signal, and the wait for a container may be long.
        guard isRunning, !settings.isAttached, !(signal == SIGHUP && settings.resumable != nil) else {
            return urgency == .first ? leave(128 + signal) : leaveForGood(128 + signal)
        }
        switch urgency {
        case .first: Task { try? await execution.signal(ProgramSignal(signal)) }
        case .again: execution.kill()
        case .last: leaveForGood(128 + signal)
        }
    }

    private func leaveByHand() {
        let goesOn = settings.isAttached || settings.resumable != nil
        printError(goesOn ? "left; the program goes on" : "left; the program ends")
        leave(goesOn ? 0 : 128 + SIGHUP)
    }

    /// Closes the connection, whereupon the server ends a program that is not resumable.
    private func leave(_ code: Int32) {
        let (client, pause) = state.withLock { state in
            if state.leaving == nil { state.leaving = code }
            return (state.client, state.pause)
        }
        pause?.cancel()
        client.close()
    }

    /// Leaves within a second, even if a write to standard output blocks.
    private func leaveForGood(_ code: Int32) {
        leave(code)
        DispatchQueue.global().asyncAfter(deadline: .now() + .seconds(1)) {
            LocalTerminal.restore()
            _exit(code)
        }
    }

    // MARK: The connection

    /// Returns when there is a new connection, or the user has left meanwhile.
    private func reconnect(_ error: BerthError) async throws {
        let (old, starts) = state.withLock { ($0.execution, $0.starts) }
        guard error.code == .unavailable, starts > 0, let resumable = settings.resumable else { throw error }
        if state.withLock({ $0.lost == nil }) { printError("\(error.message); trying to go on") }
        while state.withLock({ $0.leaving == nil }) {
            let (lost, attempts) = state.withLock { state in
                state.isConnected = false
                state.lost = state.lost ?? .now
                defer { state.attempts += 1 }
                return (state.lost ?? .now, state.attempts)
            }
            await pause(after: attempts)
            do {
                let client = try await BerthClient.connect(to: settings.address)
                let execution = try client.resume(old)
                let isLeaving = state.withLock { state in
                    (state.client, state.execution) = (client, execution)
                    return state.leaving != nil
                }
                if isLeaving { client.close() }
                return
            } catch {
                guard ContinuousClock.now - lost < resumable else { throw error }
            }
        }
    }

    /// Waits before the next attempt: longer each time, and a random time, so that the clients of a lost server do not
    /// all return at once.
    private func pause(after attempts: Int) async {
        guard attempts > 0 else { return }
        let longest = min(Duration.milliseconds(100) * (1 << min(attempts - 1, 10)), .seconds(5))
        let wait = Task { try? await Task.sleep(for: longest * Double.random(in: 0.5...1)) }
        state.withLock { state in
            state.pause = wait
            if state.leaving != nil { wait.cancel() }
        }
        _ = await wait.value
    }
}
