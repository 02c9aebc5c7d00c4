// SPDX-License-Identifier: Apache-2.0

internal import AgentSchema
internal import BerthSchema
internal import CAgent
internal import Glibc

extension RunningExecution {
    /// Creates the pipes or the terminal, and starts the program, or forks the supervisor, which then starts it.
    /// - Parameter token: returns the token for an event source.
    /// - Returns: the actions to perform now, if the program has already started or failed to start.
    func start(
        _ surroundings: Surroundings, outOfMemory: OutOfMemoryCounter, epoll: borrowing Epoll,
        token: (Source) -> UInt64
    ) throws(SystemError) -> [ExecutionStateMachine.Action] {
        killsBefore = outOfMemory.count
        let actions =
            if let opening {
                try startContext(opening, surroundings)
            } else if let terminal {
                try startInTerminal(terminal, surroundings)
            } else {
                try startWithPipes(surroundings)
            }
        if let raw = supervisor?.raw ?? birth?.newborn.raw { try epoll.add(raw, EPOLLIN, token: token(.control)) }
        if let raw = input.raw { try epoll.add(raw, EPOLLOUT, token: token(.stdin)) }
        try listen(epoll, token)
        return actions
    }

    private func listen(_ epoll: borrowing Epoll, _ token: (Source) -> UInt64) throws(SystemError) {
        if let raw = pipe(.stdout) { try epoll.add(raw, EPOLLIN, token: token(.stdout)) }
        if let raw = pipe(.stderr) { try epoll.add(raw, EPOLLIN, token: token(.stderr)) }
        // Before its process has answered, this is not yet the control of a context.
        guard let context, birth == nil else { return }
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
    ) throws(SystemError) -> [ExecutionStateMachine.Action] {
        let context = try Context(request, control: try surroundings.newborn?.copyOfControl())
        self.context = context
        guard let ends = context.takeEnds() else { return [] }
        return try begin(
            surroundings, input: ends.stdin.raw, output: ends.stdout.raw, error: ends.stderr.raw,
            context: ends.controlRaw)
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
        countsInterpreter = host.family.map { $0.members.count > 1 } ?? (host.direct != nil)
        if machine.limits.cpuTime != nil { cpuTimeBefore = cpuTime(below: host) }
        isReadable = (true, true)
    }

    private func startWithPipes(_ surroundings: Surroundings) throws(SystemError) -> [ExecutionStateMachine.Action] {
        let output = try Pipe(owner: program.uid)
        // Saves switches between program and agent if there is much output. Not every kernel and user is allowed to do
        // this.
        _ = berth_set_pipe_size(output.output.raw, 256 << 10)
        try output.input.makeNonblocking()
        let error = try errorEnd(beside: output.output.raw)
        let actions: [ExecutionStateMachine.Action]
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
    ) throws(SystemError) -> [ExecutionStateMachine.Action] {
        let terminal = try PseudoTerminal(owner: program.uid, size)
        let side = terminal.programSide.raw
        let actions = try begin(surroundings, input: side, output: side, error: side)
        input.descriptor = try Descriptor.copy(of: terminal.master.raw, minimum: 3)
        stdout = .some(terminal.master)
        return actions
    }

    /// Executes a program that could not be forked, with the ends that it was to have.
    func beginAnew(
        _ surroundings: Surroundings, input: Int32, output: Int32, error: Int32, epoll: borrowing Epoll,
        token: (Source) -> UInt64
    ) throws(SystemError) -> [ExecutionStateMachine.Action] {
        let actions = try begin(surroundings, input: input, output: output, error: error)
        if let raw = supervisor?.raw { try epoll.add(raw, EPOLLIN, token: token(.control)) }
        return actions
    }

    private func begin(
        _ surroundings: Surroundings, input: Int32, output: Int32, error: Int32, context: Int32 = -1
    ) throws(SystemError) -> [ExecutionStateMachine.Action] {
        let oomScore = surroundings.oomScore
        if let newborn = surroundings.newborn {
            let birth = try Birth(newborn, input: input, output: output, error: error)
            if newborn.become(order(oomScore: oomScore), input: input, output: output, error: error) {
                self.birth = birth
                return []
            }
            // Too long for that.
            newborn.refuseAnswer()
            guard context < 0 else { throw SystemError("sendmsg", -EMSGSIZE) }
        }
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
}
