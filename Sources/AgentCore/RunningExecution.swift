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
    var machine: ExecutionStateMachine
    /// Process id of the supervisor, set by `start`, and for a copy when its supervisor has adopted it; 0 if there is none.
    var supervisorPID: pid_t = 0
    /// Whether the supervisor ended without a report, so that its processes have become children of the agent.
    private(set) var isLost = false
    var supervisor: Supervisor?
    /// Set if it has copies, or is one: they share a supervisor.
    var family: Family?
    /// Whether processes that it has left no longer belong to it.
    private var isDetached = false
    /// The program, if it runs without a supervisor.
    var direct: DirectProgram?
    /// Set while it is to be forked by a zygote, and its process has not answered yet.
    var birth: Birth?
    /// Whether it was forked by a zygote.
    var isWarm = false
    /// The program's process id in the container, once it has started.
    var pid: UInt32 = 0
    /// Set if this is an interpreter that runs pieces of code.
    var context: Context?
    let opening: Agent.ExecuteRequest?
    /// Whether it is to become a copy of an interpreter.
    private let isCopy: Bool
    /// Set if this is a piece of code: the interpreter that runs it.
    var host: RunningExecution?
    /// Whether output from the pipes does not belong to it: an interpreter itself, or a call that runs no code.
    let hasNoOutput: Bool
    /// CPU time that the interpreter had used before the piece, in nanoseconds.
    var cpuTimeBefore: UInt64 = 0
    /// CPU time is that of the interpreter and what is below it; else all that its supervisor has.
    var countsInterpreter = false
    var stdout: Descriptor?
    var stderr: Descriptor?
    let terminal: Agent.Terminal?
    var input: RunningInput
    /// Whether the pipe had bytes, or its end, when last checked.
    var isReadable = (stdout: false, stderr: false)
    /// The container's count of OOM kills when it started.
    var killsBefore: UInt64?

    /// - Parameter processors: number of processors that can run its processes.
    init(_ request: Agent.ExecuteRequest, streamID: UInt32, processors: UInt64) {
        number = request.execution
        self.streamID = streamID
        program = Program(request)
        machine = ExecutionStateMachine(ExecutionStateMachine.Limits(request), processors: processors)
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
        /// Whether no process is in the container that could stop a program between vfork and exec.
        let isAlone: Bool
        /// A process that is to become the program.
        var newborn: Newborn?
    }

    /// It has no process yet that its supervisor would know of.
    var isUnborn: Bool { (isCopy || birth != nil) && machine.phase == .starting }

    // MARK: Processes

    func reports() -> [Supervisor.Report] { family?.reports() ?? supervisor?.reports() ?? [] }

    /// Its supervisor, for others to share.
    func takeSupervisor() -> Supervisor? { supervisor.take() }

    func signal(_ number: Int32) {
        if number == ContextControl.lossSignal { host?.context?.wasSentLossSignal = true }
        host?.signal(number)
        direct?.signal(number)
        birth?.signals.append(number)
        supervisor?.signal(number)
        family?.signal(number, to: self)
    }

    /// - Parameter strays: its processes, if it runs without a supervisor.
    func terminate(_ strays: @autoclosure () -> Strays) {
        // If this is a piece, it is interrupted, and its interpreter goes on.
        host?.signal(SIGINT)
        context?.closeControl()
        direct?.terminate(strays())
        supervisor?.terminate()
        family?.terminate(self)
    }

    /// - Parameter strays: its processes, or its host's, if that runs without a supervisor.
    func kill(_ strays: @autoclosure () -> Strays) {
        if let host {
            host.context?.lossWords = host.context?.lossWords ?? "a piece of code in it did not stop in time"
            return host.kill(strays())
        }
        if let family { return family.kill(self) }
        // A supervisor reads nothing before the exec of its program, which another process may delay.
        if machine.phase == .starting, supervisorPID > 0 { _ = berth_kill_below(supervisorPID, 0) }
        if direct != nil {
            let strays = strays()
            direct?.kill(strays)
        }
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
    func killStoppedStart() -> Bool {
        guard let birth else { return supervisorPID > 0 && berth_kill_below(supervisorPID, 1) > 0 }
        guard birth.newborn.isStopped else { return false }
        birth.newborn.refuseAnswer()
        birth.newborn.kill()
        self.birth = nil
        return true
    }

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
    func cpuTime(_ strays: @autoclosure () -> Strays) -> UInt64 {
        if let direct { return direct.cpuTime(strays()) }
        if let host { return max(cpuTime(below: host), cpuTimeBefore) - cpuTimeBefore }
        return supervisorPID > 0 ? berth_cpu_time_below(supervisorPID) * 1000 : 0
    }

    func cpuTime(below host: RunningExecution) -> UInt64 {
        let used =
            countsInterpreter
            ? berth_cpu_time_of(pid_t(bitPattern: host.pid)) : berth_cpu_time_below(host.supervisorPID)
        return used * 1000
    }

    /// Whether any of its processes runs, or waits for a processor.
    func runs(_ strays: @autoclosure () -> Strays) -> Bool {
        if direct != nil { return strays().run }
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
        if let master = pipe(.stdout) { PseudoTerminal.resize(master, size) }
        return true
    }
}
