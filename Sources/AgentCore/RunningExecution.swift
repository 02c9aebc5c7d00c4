// SPDX-License-Identifier: Apache-2.0

internal import AgentSchema
internal import BerthSchema
internal import CAgent
internal import Glibc

/// The processes and pipes of an execution, and its state machine.
final class RunningExecution {
    let number: UInt64
    let streamID: UInt32
    let program: Program
    var machine: Execution
    /// Process id of the supervisor, set by `start`, and for a copy when its supervisor has adopted it; 0 if there is none.
    var supervisorPID: pid_t = 0
    /// Whether the supervisor ended without a report, so that its processes have become children of the agent.
    private(set) var isLost = false
    private var supervisor: Supervisor?
    /// Set if it has copies, or is one: they share a supervisor.
    var family: Family?
    /// Whether processes that it has left no longer belong to it.
    private var isDetached = false
    /// The program, if it runs without a supervisor.
    var direct: DirectProgram?
    /// The program's process id in the container, once it has started.
    var pid: UInt32 = 0
    /// Set if this is an interpreter that runs pieces of code.
    private(set) var context: Context?
    private let opening: Agent.ExecuteRequest?
    /// Whether it is to become a copy of an interpreter.
    private let isCopy: Bool
    /// Set if this is a piece of code: the interpreter that runs it.
    private(set) var host: RunningExecution?
    /// Whether output from the pipes does not belong to it: an interpreter itself, or a call that runs no code.
    private let hasNoOutput: Bool
    /// CPU time that the interpreter had used before the piece, in nanoseconds.
    private var cpuTimeBefore: UInt64 = 0
    /// CPU time is that of the interpreter and what is below it; else all that its supervisor has.
    private var countsInterpreter = false
    var stdout: Descriptor?
    var stderr: Descriptor?
    private let terminal: Agent.Terminal?
    var input: RunningInput
    /// Whether the pipe had bytes, or its end, when last checked.
    private var isReadable = (stdout: false, stderr: false)
    /// The container's count of OOM kills when it started.
    private var killsBefore: UInt64?

    /// - Parameter processors: number of processors that can run its processes.
    init(_ request: Agent.ExecuteRequest, streamID: UInt32, processors: UInt64) {
        number = request.execution
        self.streamID = streamID
        program = Program(request)
        machine = Execution(Execution.Limits(request), processors: processors)
        terminal = request.terminal
        input = RunningInput(request)
        isCopy = request.opensContext && request.context != 0
        opening = request.opensContext && !isCopy ? request : nil
        hasNoOutput = request.opensContext || request.pieceKind != .run
    }

    /// The descriptor of an execution that an event is about. The raw value is part of its token.
    enum Source: UInt64, CaseIterable {
        case control, stdout, stderr, stdin, context
    }

    /// What an execution needs from the agent at its start.
    struct Surroundings {
        let oomScore: String?
        /// Whether the agent is the only process in the container.
        let isAlone: Bool
    }

    /// Creates the pipes or the terminal, and starts the program, or forks the supervisor, which then starts it.
    /// - Parameter token: returns the token for an event source.
    /// - Returns: the actions to perform now, if the program has already started or failed to start.
    func start(
        _ surroundings: Surroundings, outOfMemory: OutOfMemoryCounter, epoll: borrowing Epoll,
        token: (Source) -> UInt64
    ) throws(SystemError) -> [Execution.Action] {
        killsBefore = outOfMemory.count
        let actions =
            if let opening {
                try startContext(opening, surroundings)
            } else if let terminal {
                try startInTerminal(terminal, surroundings)
            } else {
                try startWithPipes(surroundings)
            }
        if let raw = supervisor?.raw { try epoll.add(raw, EPOLLIN, token: token(.control)) }
        if let raw = input.raw { try epoll.add(raw, EPOLLOUT, token: token(.stdin)) }
        try listen(epoll, token)
        return actions
    }

    private func listen(_ epoll: borrowing Epoll, _ token: (Source) -> UInt64) throws(SystemError) {
        if let raw = pipe(.stdout) { try epoll.add(raw, EPOLLIN, token: token(.stdout)) }
        if let raw = pipe(.stderr) { try epoll.add(raw, EPOLLIN, token: token(.stderr)) }
        guard let context else { return }
        let both = EPOLL_EVENTS(rawValue: EPOLLIN.rawValue | EPOLLOUT.rawValue)
        try epoll.add(context.controlRaw, both, token: token(.context))
    }

    /// Becomes a copy of an interpreter, whose process is still to come.
    func join(
        _ host: RunningExecution, asCopyWith context: Context, outOfMemory: OutOfMemoryCounter, epoll: borrowing Epoll,
        token: (Source) -> UInt64
    ) throws(SystemError) {
        self.context = context
        killsBefore = outOfMemory.count
        try listen(epoll, token)
        if host.family == nil, let supervisor = host.takeSupervisor() { host.family = Family(supervisor, of: host) }
        family = host.family
        family?.members.append(self)
    }

    private func startContext(
        _ request: Agent.ExecuteRequest, _ surroundings: Surroundings
    ) throws(SystemError) -> [Execution.Action] {
        let context = try Context(request)
        self.context = context
        guard let ends = context.takeEnds() else { return [] }
        return try begin(
            surroundings, input: ends.stdin.raw, output: ends.stdout.raw, error: ends.stderr.raw,
            context: ends.control.raw)
    }

    /// Makes this execution a piece that an interpreter runs.
    func join(
        _ host: RunningExecution, outOfMemory: OutOfMemoryCounter, epoll: borrowing Epoll, token: (Source) -> UInt64
    ) throws(SystemError) {
        guard let context = host.context else { return }
        if !input.isEmpty {
            let end = try context.openInput()
            try epoll.add(end.raw, EPOLLOUT, token: token(.stdin))
            input.descriptor = .some(end)
        }
        self.host = host
        killsBefore = outOfMemory.count
        // Copies that are made meanwhile are not its: an interpreter that runs a piece makes none.
        countsInterpreter = host.family.map { $0.members.count > 1 } ?? false
        if machine.limits.cpuTime != nil { cpuTimeBefore = cpuTime(below: host) }
        isReadable = (true, true)
    }

    private func startWithPipes(_ surroundings: Surroundings) throws(SystemError) -> [Execution.Action] {
        let output = try Pipe(owner: program.uid)
        // Saves switches between program and agent if there is much output. Not every kernel and user is allowed to do
        // this.
        _ = berth_set_pipe_size(output.output.raw, 256 << 10)
        try output.input.makeNonblocking()
        let error = try errorEnd(beside: output.output.raw)
        let actions: [Execution.Action]
        if input.isEmpty {
            // Opened for each program: locks and flags that a program sets on it would otherwise affect the next one.
            let null = try Descriptor(open("/dev/null", O_RDWR | O_CLOEXEC), of: "open /dev/null")
            actions = try begin(surroundings, input: null.raw, output: output.output.raw, error: error.raw)
        } else {
            let pipe = try Pipe(owner: program.uid)
            try pipe.output.makeNonblocking()
            actions = try begin(
                surroundings, input: pipe.input.raw, output: output.output.raw, error: error.raw)
            input.descriptor = .some(pipe.output)
        }
        stdout = .some(output.input)
        return actions
    }

    /// The write end of the program's standard error.
    private func errorEnd(beside output: Int32) throws(SystemError) -> Descriptor {
        guard !program.mergesOutput else { return try .copy(of: output, minimum: 3) }
        let pipe = try Pipe(owner: program.uid)
        try pipe.input.makeNonblocking()
        stderr = .some(pipe.input)
        return pipe.output
    }

    private func startInTerminal(
        _ size: Agent.Terminal, _ surroundings: Surroundings
    ) throws(SystemError) -> [Execution.Action] {
        let terminal = try Terminal(owner: program.uid, size)
        let side = terminal.programSide.raw
        let actions = try begin(surroundings, input: side, output: side, error: side)
        input.descriptor = try Descriptor.copy(of: terminal.master.raw, minimum: 3)
        stdout = .some(terminal.master)
        return actions
    }

    private func begin(
        _ surroundings: Surroundings, input: Int32, output: Int32, error: Int32, context: Int32 = -1
    ) throws(SystemError) -> [Execution.Action] {
        let oomScore = surroundings.oomScore
        guard surroundings.isAlone, !program.keepsBackground, context < 0 else {
            let supervisor = try Supervisor.fork(
                program, oomScore: oomScore, input: input, output: output, error: error, context: context)
            supervisorPID = supervisor.pid
            self.supervisor = consume supervisor
            return []
        }
        switch DirectProgram.start(program, oomScore: oomScore, input: input, output: output, error: error) {
        case .started(let program):
            direct = program
            return machine.started(pid: UInt32(program.pid), now: monotonicNow())
        case .failed(let stage, let error):
            let (failure, message) = program.failure(stage: stage, error: error)
            return machine.startFailed(failure, message)
        }
    }

    /// It has no process yet that its supervisor would know of.
    var isUnborn: Bool { isCopy && machine.phase == .starting }

    // MARK: Processes

    func reports() -> [Supervisor.Report] { family?.reports() ?? supervisor?.reports() ?? [] }

    /// Its supervisor, for others to share.
    func takeSupervisor() -> Supervisor? { supervisor.take() }

    func signal(_ number: Int32) {
        host?.signal(number)
        direct?.signal(number)
        supervisor?.signal(number)
        family?.signal(number, to: self)
    }

    /// - Parameter supervisors: all supervisors of the agent.
    func terminate(sparing supervisors: Set<pid_t>) {
        // If this is a piece, it is interrupted, and its interpreter goes on.
        host?.signal(SIGINT)
        context?.closeControl()
        direct?.terminate(sparing: supervisors)
        supervisor?.terminate()
        family?.terminate(self)
    }

    func kill(sparing supervisors: Set<pid_t>) {
        if let host {
            host.context?.lossWords = host.context?.lossWords ?? "a piece of code in it did not stop in time"
            return host.kill(sparing: supervisors)
        }
        if let family { return family.kill(self) }
        // A supervisor reads nothing before the exec of its program, which another process may delay.
        if machine.phase == .starting, supervisorPID > 0 { _ = berth_kill_below(supervisorPID, 0) }
        direct?.kill(sparing: supervisors)
        supervisor?.kill()
    }

    /// Must be called after the last report of the supervisor.
    func dropSupervisor(isLost: Bool) {
        supervisor = nil
        family = nil
        self.isLost = isLost
    }

    /// Detaches the processes that the program has left. They live as long as the result.
    func detach(from epoll: borrowing Epoll) -> Background? {
        guard let supervisor = supervisor.take() else { return nil }
        epoll.remove(supervisor.raw)
        isDetached = true
        return Background(supervisor, streamID: streamID)
    }

    /// Whether it may still leave processes running.
    var mayLeaveBackground: Bool { program.keepsBackground && !isDetached }

    /// Kills a child that another process has stopped during its start: a process of the same user can do so between
    /// setuid and exec.
    /// - Returns: whether there was such a child.
    func killStoppedStart() -> Bool { supervisorPID > 0 && berth_kill_below(supervisorPID, 1) > 0 }

    /// When to call `timePassed`, or to feed or kill it.
    var deadline: UInt64? {
        guard let due = input.endDue ?? context?.killDue else { return machine.deadline }
        return min(due, machine.deadline ?? .max)
    }

    func outOfMemoryKills(_ counter: OutOfMemoryCounter) -> UInt64 {
        guard let before = killsBefore, let now = counter.count, now > before else { return 0 }
        return now - before
    }

    /// CPU time that its processes have used, including reaped ones, in nanoseconds.
    func cpuTime(sparing supervisors: Set<pid_t>) -> UInt64 {
        if let direct { return direct.cpuTime(sparing: supervisors) }
        if let host { return max(cpuTime(below: host), cpuTimeBefore) - cpuTimeBefore }
        return supervisorPID > 0 ? berth_cpu_time_below(supervisorPID) * 1000 : 0
    }

    private func cpuTime(below host: RunningExecution) -> UInt64 {
        let used =
            countsInterpreter
            ? berth_cpu_time_of(pid_t(bitPattern: host.pid)) : berth_cpu_time_below(host.supervisorPID)
        return used * 1000
    }

    /// Whether any of its processes runs, or waits for a processor.
    func runs(sparing supervisors: Set<pid_t>) -> Bool {
        if direct != nil { return berth_strays_run(Array(supervisors), Int32(supervisors.count)) != 0 }
        return supervisorPID > 0 && berth_runs_below(supervisorPID) != 0
    }

    // MARK: Input

    /// Bytes of input that are not written yet, and the number of calls that wait for that.
    var waitingInput: (bytes: Int, calls: Int) { (input.queue.waiting, input.queue.waitingCalls) }

    func add(_ request: Agent.InputRequest, streamID: UInt32) throws(InputQueue.Refusal) {
        try input.queue.add(request.data, at: request.offset, isEnd: request.isEnd, streamID: streamID)
    }

    /// Writes as much input as the program takes now.
    func feed() -> RunningInput.Answers { input.feed(isTerminal: terminal != nil, now: monotonicNow()) }

    /// Closes the input, because nothing reads it any more.
    /// - Returns: the calls that waited.
    func closeInput() -> [InputQueue.Call] { input.close() }

    /// - Returns: false if the program has no terminal.
    func resize(_ size: Agent.Terminal) -> Bool {
        guard terminal != nil else { return false }
        if let master = pipe(.stdout) { Terminal.resize(master, size) }
        return true
    }

    // MARK: Output

    func becameReadable(_ stream: OutputStream) {
        if stream == .stdout { isReadable.stdout = true } else { isReadable.stderr = true }
    }

    /// Whether the pipe of a stream is to be read and, as far as is known, has bytes or its end.
    func wantsToRead(_ stream: OutputStream) -> Bool {
        // Output between two pieces stays in the pipe for the next piece.
        !hasNoOutput && (stream == .stdout ? isReadable.stdout : isReadable.stderr) && machine.intake(stream) != .none
    }

    /// Reads once from the pipe of a stream into `buffer`, which must have room.
    func pump(_ stream: OutputStream, into buffer: SendBuffer) -> [Execution.Action] {
        guard let descriptor = pipe(stream) else {
            setReadable(stream, false)
            return []
        }
        let count: Int
        switch machine.intake(stream) {
        case .none:
            return []
        case .send(let limit):
            count = buffer.appendOutput(
                from: descriptor, isTerminal: terminal != nil, limit: limit, stream: stream.rawValue,
                offset: machine.offset(stream), streamID: streamID)
            if count > 0 {
                host?.context?.passed(count, isStdout: stream == .stdout)
                return machine.didSend(count, of: stream, now: monotonicNow())
            }
        case .count(let limit):
            count = buffer.skipOutput(from: descriptor, limit: limit)
            if count > 0 {
                host?.context?.passed(count, isStdout: stream == .stdout)
                return machine.didCount(count, of: stream, now: monotonicNow())
            }
        }
        if count < 0, errno == EINTR { return [] }
        setReadable(stream, false)
        if count < 0, errno == EAGAIN {
            host?.context?.foundEmpty(isStdout: stream == .stdout)
            return machine.didFindEmpty(stream)
        }
        // The end of the stream; a terminal reports it as EIO.
        if stream == .stdout { stdout = nil } else { stderr = nil }
        return machine.didClose(stream)
    }

    /// Tells the state machine how much is still in the pipes, after the last process of the execution has ended.
    /// - Parameter buffer: bytes that it has announced and not moved yet are in the pipe, but do not count.
    func seal(_ buffer: SendBuffer) -> [Execution.Action] {
        // Output in the pipes of an interpreter belongs to its last piece, or to nobody.
        if hasNoOutput { return machine.sealed(stdout: 0, stderr: 0, now: monotonicNow()) }
        becameReadable(.stdout)
        becameReadable(.stderr)
        return machine.sealed(
            stdout: bytesIn(.stdout, buffer), stderr: bytesIn(.stderr, buffer), now: monotonicNow())
    }

    /// Ends the execution without waiting for its processes, because the container is being reset.
    func discard(_ buffer: SendBuffer) -> [Execution.Action] {
        supervisor = nil
        family = nil
        if hasNoOutput { return machine.discard(stdout: 0, stderr: 0) }
        direct = nil
        return machine.discard(stdout: bytesIn(.stdout, buffer), stderr: bytesIn(.stderr, buffer))
    }

    /// Bytes of output that have not been read.
    func bytesIn(_ stream: OutputStream, _ buffer: SendBuffer) -> Int {
        guard !hasNoOutput, let descriptor = pipe(stream) else { return 0 }
        let announced = buffer.unspliced(of: streamID, stream.rawValue)
        return max(0, SplicedTail.available(in: descriptor) - announced)
    }

    private func pipe(_ stream: OutputStream) -> Int32? {
        if let context = context ?? host?.context { return stream == .stdout ? context.stdoutRaw : context.stderrRaw }
        return stream == .stdout ? stdout?.raw : stderr?.raw
    }

    private func setReadable(_ stream: OutputStream, _ value: Bool) {
        if stream == .stdout { isReadable.stdout = value } else { isReadable.stderr = value }
    }
}
