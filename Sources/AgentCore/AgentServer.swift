// SPDX-License-Identifier: Apache-2.0

internal import AgentSchema
internal import BerthSchema
internal import BerthWire
internal import CAgent
internal import Glibc

/// The agent: one thread with one epoll. It serves berth.agent.v1.Agent on a byte stream until the stream ends.
///
/// It is not final, so that fuzzing can override `start` with pipes that have no program: then no request runs
/// anything.
class AgentServer {
    /// Maximum number of executions at the same time. The send buffer has room for the ends of all of them.
    static let maxExecutions = 64
    /// Maximum number of programs that may leave processes running.
    static let maxBackground = 32

    private let input: Descriptor
    let signals: Descriptor
    let epoll: Epoll
    let receiveBuffer = ReceiveBuffer()
    let sendBuffer: SendBuffer
    let arena = Arena()
    let outOfMemory = OutOfMemoryCounter()
    let oomScore = AgentServer.raisedOOMScore()

    /// The state that a reset restores, or why resets are impossible.
    let baseline: Result<Baseline, Unprovable>

    /// The executions. The index of each is part of the tokens of its events.
    var executions = [RunningExecution?](repeating: nil, count: maxExecutions)
    /// Connections, each at the place that its events' tokens name; no longer than it need be.
    var connections: [RunningConnection?] = []
    var connectionCount = 0
    /// How many of `executions` are interpreters. Most containers have none, so nothing has to be read from them.
    var contextCount = 0
    /// Processes that ended programs have left running.
    var background: [Background] = []
    /// Supervisors that have not been reaped.
    var supervisors: Set<pid_t> = []
    /// Those of them that connect a connection.
    var connectors: Set<pid_t> = []
    /// Whether a supervisor was killed, so that its descendants are children of the agent now.
    var hasStrays = false
    /// Whether the agent is process 1: then it adopts all orphans, and its end kills everything. Otherwise, programs
    /// without a supervisor would outlive it.
    let isInit = getpid() == 1
    /// Interpreters that fork programs.
    var zygotes: [Zygote] = []
    /// Whether a process that was forked beforehand has been used.
    var wantsSpares = false
    /// Whether a program was started, and which users' programs were.
    var hasExecuted = false
    var users: Set<UInt32> = []
    let processors = UInt64(clamping: max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN))))
    private var isInputReadable = true
    /// Set when the agent has to end.
    private var exitCode: Int32?

    /// - Parameters:
    ///   - input: the stream of requests.
    ///   - output: the stream of answers.
    ///   - signals: the descriptor from `takeSignals`.
    init(
        input: consuming Descriptor, output: consuming Descriptor, signals: consuming Descriptor
    ) throws(SystemError) {
        try input.makeNonblocking()
        try output.makeNonblocking()
        // If it is a pipe, one write should take a full send buffer. Not every kernel and user is allowed to do this.
        _ = berth_set_pipe_size(output.raw, 1 << 20)
        epoll = try Epoll()
        try epoll.add(input.raw, EPOLLIN, token: Token.input)
        try epoll.add(output.raw, EPOLLOUT, token: Token.output)
        try epoll.add(signals.raw, EPOLLIN, token: Token.signals)
        self.input = input
        sendBuffer = SendBuffer(to: output)
        self.signals = signals
        if isInit { AgentServer.openPlaces() }
        baseline = Result { () throws(Unprovable) in try Baseline() }
    }

    private static func openPlaces() {
        guard let table = readAll(path: "/proc/self/mountinfo"), let mounts = Mount.all(in: table) else { return }
        for mount in mounts { Place.makeWritable(mount) }
    }

    enum Token {
        static let input: UInt64 = 0
        static let output: UInt64 = 1
        static let signals: UInt64 = 2
        /// Tokens of executions begin here.
        static let first: UInt64 = 8
        /// Tokens of `background` begin here.
        static let background: UInt64 = 1 << 32
        /// Connections' begin here.
        static let connections: UInt64 = 1 << 48
        /// Zygotes' begin here, with their process ids.
        static let zygotes: UInt64 = 1 << 56

        static func of(_ place: Int, _ source: RunningExecution.Source) -> UInt64 {
            first + UInt64(place) << 3 | source.rawValue
        }

        static func of(connection place: Int, _ source: ConnectionSource) -> UInt64 {
            connections + UInt64(place) << 1 | source.rawValue
        }
    }

    /// Makes all signals arrive through a descriptor. All dispositions become the default, which programs inherit,
    /// except for SIGPIPE, which is reset for each program.
    /// - Parameter endsOnSignal: whether TERM and INT are among them; else nothing comes of these.
    static func takeSignals(endsOnSignal: Bool = true) throws(SystemError) -> Descriptor {
        berth_reset_signals()
        _ = signal(SIGPIPE, SIG_IGN)
        var all = sigset_t()
        sigfillset(&all)
        sigprocmask(SIG_SETMASK, &all, nil)
        var heard = sigset_t()
        sigemptyset(&heard)
        for number in endsOnSignal ? [SIGCHLD, SIGTERM, SIGINT] : [SIGCHLD] { sigaddset(&heard, number) }
        return try Descriptor(signalfd(-1, &heard, Int32(SFD_CLOEXEC | SFD_NONBLOCK)), of: "signalfd")
    }

    /// The OOM score for programs, so that the kernel kills them before the agent. Raising a score needs no privilege.
    private static func raisedOOMScore() -> String? {
        let own = Int(read(path: "/proc/self/oom_score_adj").split(separator: "\n").first ?? "") ?? 0
        return own < 500 ? "500" : nil
    }

    // MARK: The loop

    /// Serves until the stream ends, or TERM or INT comes. When the process then exits, each supervisor kills what it
    /// has started; if the agent is process 1, the kernel kills everything.
    /// - Returns: the exit code.
    func run() -> Int32 {
        var events = [epoll_event](repeating: epoll_event(), count: 64)
        while true {
            if let exitCode = turn(&events, timeout: timeout()) { return exitCode }
        }
    }

    /// Waits for events and handles them.
    /// - Parameters:
    ///   - events: room for the events.
    ///   - timeout: in milliseconds; -1: none.
    /// - Returns: the exit code, if the agent has to end.
    func turn(_ events: inout [epoll_event], timeout: Int32) -> Int32? {
        let count = epoll.wait(&events, timeout: timeout)
        if count == 0 { sendBuffer.trim() }
        for event in events[..<count] { take(event) }
        serve()
        pump()
        // Events of contexts are sent after the output before them.
        if listen() { pump() }
        pumpConnections()
        dropOutputOfBackground()
        passTime()
        flush()
        replaceSpares()
        return exitCode
    }

    private func take(_ event: epoll_event) {
        switch event.data.u64 {
        case Token.input:
            isInputReadable = true
            // While no request can be taken, the stream is not read, so its end would not be noticed.
            let ends = EPOLLHUP.rawValue | EPOLLERR.rawValue
            if event.events & ends != 0, !sendBuffer.canTakeRequest { stop(0) }
        case Token.output:
            sendBuffer.becameWritable()
        case Token.signals:
            takeSignals()
        case let token:
            if token >= Token.zygotes { return zygoteChanged(token - Token.zygotes) }
            if token >= Token.connections { return connectionChanged(token) }
            if token >= Token.background { return backgroundBecameReadable(token - Token.background) }
            let place = Int((token - Token.first) >> 3)
            guard let source = RunningExecution.Source(rawValue: token & 7), let execution = executions[place] else {
                // The descriptor has been closed meanwhile.
                return
            }
            switch source {
            case .control where execution.birth != nil: newbornChanged(execution, at: place)
            case .control: takeReports(of: execution, at: place)
            case .stdout: (piece(of: execution)?.execution ?? execution).becameReadable(.stdout)
            case .stderr: (piece(of: execution)?.execution ?? execution).becameReadable(.stderr)
            case .stdin: feed(execution, at: place)
            case .context:
                execution.context?.flush()
                execution.context?.isReadable = true
            }
        }
    }

    func stop(_ code: Int32) { exitCode = exitCode ?? code }

    /// Milliseconds until something is due; 0 if there is more to do now.
    private func timeout() -> Int32 {
        if hasMoreToPump || hasMoreToDrop || hasMoreControl || hasMoreOfConnections
            || (isInputReadable && sendBuffer.canTakeRequest)
        {
            return 0
        }
        // Memory is returned only after some idle time, since output that goes on would allocate it again at once.
        let idle: Int32 = sendBuffer.isTrimmable && sendBuffer.isEmpty ? 100 : -1
        var first = executions.lazy.compactMap({ $0?.deadline }).min()
        if let due = connectionDeadline { first = min(first ?? .max, due) }
        if let due = warmingDeadline { first = min(first ?? .max, due) }
        guard let due = first else { return idle }
        let now = monotonicNow()
        let wait = due <= now ? 0 : Int32(clamping: (due - now + 999_999) / 1_000_000)
        return idle < 0 ? wait : min(wait, idle)
    }

    /// Reads and answers requests, as long as there is room for answers.
    private func serve() {
        while exitCode == nil, sendBuffer.canTakeRequest {
            switch receiveBuffer.next() {
            case .frame(let header, let data):
                take(header, data)
            case .oversized(let header):
                refuseOversized(header)
            case .needMore:
                guard isInputReadable else { return }
                let count = receiveBuffer.fill(from: input.raw)
                if count > 0 { continue }
                if count < 0, errno == EINTR { continue }
                isInputReadable = false
                guard count < 0, errno == EAGAIN else { return stop(0) }
                return
            }
        }
    }

    private func flush() {
        sendBuffer.flush()
        if sendBuffer.isBroken { stop(0) }
    }

    // MARK: Output of programs

    private var hasMoreToPump: Bool {
        guard sendBuffer.canTakeOutput else { return false }
        return executions.contains { $0.map { $0.wantsToRead(.stdout) || $0.wantsToRead(.stderr) } ?? false }
    }

    /// Moves output from the pipes to the server, one chunk of each stream in turn, for a limited number of rounds, so
    /// that requests are read in between.
    private func pump() {
        for _ in 0..<16 {
            var moved = false
            for place in executions.indices {
                for stream in OutputStream.pipes {
                    guard let execution = executions[place], execution.wantsToRead(stream) else { continue }
                    if !sendBuffer.canTakeOutput { flush() }
                    guard sendBuffer.canTakeOutput else { return }
                    perform(execution.pump(stream, into: sendBuffer), on: execution, at: place)
                    moved = true
                }
            }
            guard moved else { return }
        }
    }

    // MARK: Executions

    /// What a program needs that starts now.
    var surroundings: RunningExecution.Surroundings {
        RunningExecution.Surroundings(oomScore: oomScore, isAlone: isAlone)
    }

    /// - Parameter newborn: the process that is to become it, if it is not to be executed.
    func start(_ execution: RunningExecution, at place: Int, from newborn: Newborn? = nil) {
        if case .success(let baseline) = baseline { baseline.beforeProgram() }
        executions[place] = execution
        do throws(SystemError) {
            var surroundings = surroundings
            surroundings.newborn = newborn
            let actions = try execution.start(surroundings, outOfMemory: outOfMemory, epoll: epoll) {
                Token.of(place, $0)
            }
            if execution.supervisorPID > 0 { supervisors.insert(execution.supervisorPID) }
            if execution.context != nil { contextCount += 1 }
            perform(actions, on: execution, at: place)
            feed(execution, at: place)
        } catch {
            if execution.supervisorPID > 0 { supervisors.insert(execution.supervisorPID) }
            if execution.context != nil { contextCount += 1 }
            let message = "cannot start \(execution.program.arguments.first ?? ""): \(error.words)"
            perform(execution.machine.startFailed(.noResources, message), on: execution, at: place)
        }
    }

    private func passTime() {
        passTimeOfConnections()
        passTimeOfZygotes()
        guard executions.contains(where: { $0?.deadline != nil }) else { return }
        let now = monotonicNow()
        for (place, execution) in executions.enumerated() {
            guard let execution, execution.deadline != nil else { continue }
            if let due = execution.input.endDue, due <= now { feed(execution, at: place) }
            if let due = execution.context?.killDue, due <= now {
                lose(execution, execution.context?.killWords ?? "")
            }
            let hasUnread = execution.wantsToRead(.stdout) || execution.wantsToRead(.stderr)
            perform(execution.machine.timePassed(now: now, hasUnread: hasUnread), on: execution, at: place)
        }
    }
}

/// The time of the monotonic clock, in nanoseconds.
func monotonicNow() -> UInt64 {
    var now = timespec()
    clock_gettime(CLOCK_MONOTONIC, &now)
    return UInt64(now.tv_sec) * 1_000_000_000 + UInt64(now.tv_nsec)
}

extension String {
    /// The text cut to at most `size` bytes, at the end of a character.
    func clipped(toUTF8 size: Int) -> String {
        guard utf8.count > size else { return self }
        var text = String(self[..<(utf8.index(startIndex, offsetBy: size))])
        while text.utf8.count > size { text.removeLast() }
        return text
    }
}
