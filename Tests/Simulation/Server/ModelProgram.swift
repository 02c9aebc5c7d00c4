// SPDX-License-Identifier: Apache-2.0

internal import AgentCore
internal import AgentSchema
internal import BerthRPC
internal import BerthSchema
internal import NIOCore
internal import NIOEmbedded

/// A program in a simulated member: its processes and pipes are simulated, and the agent's own state machine decides about them.
final class ModelProgram {
    private static let pipeSize = 64 << 10

    let number: UInt64
    let key: UInt32
    let script: Script
    private let world: World
    private let call: ServerCall
    private let agent: ModelAgent
    private var machine: ExecutionStateMachine
    /// Bytes that were written to each pipe, and read from it.
    private(set) var written: (stdout: UInt64, stderr: UInt64) = (0, 0)
    private var read: (stdout: UInt64, stderr: UInt64) = (0, 0)
    private var processes: [ModelProcess] = []
    private var helper: ModelProcess?
    let keepsBackground: Bool
    let input: ModelInput
    /// The size of its terminal; nil: it has none.
    private(set) var size: (rows: UInt32, columns: UInt32)?
    private var timer: Scheduled<Void>?
    private var isStarted = false
    /// By when it must have ended.
    let due: NIODeadline
    /// How it ended, as it was told.
    private(set) var ended: Agent.Ended?
    /// Its caller gave up what was left of it.
    private var wasCancelled = false
    private let timeout: NIODeadline

    init(_ request: Agent.ExecuteRequest, _ call: ServerCall, _ agent: ModelAgent, _ world: World) {
        number = request.execution
        key = request.argv.last.flatMap { UInt32("\($0)") } ?? 0
        script = world.script(key)
        keepsBackground = request.keepsBackground
        input = ModelInput(request, key: key, world)
        size = request.terminal.map { ($0.rows, $0.columns) }
        self.world = world
        self.call = call
        self.agent = agent
        machine = ExecutionStateMachine(ExecutionStateMachine.Limits(request))
        let limit = request.timeoutMilliseconds + request.graceMilliseconds
        timeout = world.now + .milliseconds(Int64(request.timeoutMilliseconds))
        due = world.now + .milliseconds(Int64(limit)) + ModelProgram.slack
    }

    /// How long after its time-out and its grace an execution may end: the server looks after its patience, and every few
    /// seconds at who does not read; the connection has its delays.
    private static let slack = TimeAmount.seconds(40)

    private var now: UInt64 { world.now.uptimeNanoseconds }

    // MARK: From the server

    func begin() {
        machine.willStart(now: now)
        update([])
        world.after(world.between(.microseconds(200), .milliseconds(20))) { [self] in
            guard ended == nil, machine.phase == .starting else { return }
            isStarted = true
            if let steps = script.helper {
                let helper = ModelProcess(steps: steps, stays: script.helperStays, isProgram: false)
                self.helper = helper
                processes.append(helper)
            }
            processes.append(ModelProcess(steps: script.steps, stays: script.end == .never, isProgram: true))
            update(machine.started(pid: UInt32(clamping: number), now: now))
            // The supervisor has kept them until now, and a program that has just begun ignores nothing yet.
            if let fatal = early.first(where: ModelProgram.isFatal) { return killAll(fatal) }
            input.begin()
            for process in processes { step(process) }
        }
    }

    func resize(_ terminal: Agent.Terminal?) throws(RPCError) {
        guard size != nil, let terminal else {
            throw RPCError(.failedPrecondition, "the program has no terminal", .noTerminal)
        }
        if world.sings(.resizeIsLost) { return }
        size = (terminal.rows, terminal.columns)
    }

    /// Whether its first process lives.
    var lives: Bool { isStarted && processes.contains { $0.isProgram && $0.lives } }

    func acknowledge(_ bytes: UInt64) throws(RPCError) {
        if world.sings(.creditIsLost, 0.5) { return }
        if world.canary == .g33UnreadOutputHoldsUpTheEnd, world.now >= timeout { return }
        guard machine.acknowledge(world.sings(.creditIsInvented) ? bytes * 2 + 1 : bytes, now: now) else {
            world.broken(.credit, "credit for \(bytes) bytes that were not sent, in execution \(number)")
            throw RPCError(.invalidArgument, "\(bytes) bytes acknowledged, \(machine.outstanding) outstanding")
        }
        update([])
    }

    func signal(_ signal: Int32, grace: UInt64) {
        if signal == 0 { wasCancelled = true }
        update(signal == 0 ? machine.cancel(graceMilliseconds: grace, now: now) : machine.signal(signal))
    }

    /// The member is being reset.
    func discard() {
        wasCancelled = true
        processes = []
        update(machine.discard(stdout: inPipe(.stdout), stderr: inPipe(.stderr)))
    }

    /// The member is gone, and everything in it.
    func vanish() {
        timer?.cancel()
        processes = []
        isGone = true
        input.close()
    }
    private var isGone = false
    /// Signals that came before its start.
    private var early: [Int32] = []

    /// Whether a program that does nothing about it dies of this signal.
    private static func isFatal(_ signal: Int32) -> Bool { ![17, 18, 19, 20, 21, 22, 23, 28].contains(signal) }

    /// It has something to write to its caller and no credit for it.
    var isWithoutCredit: Bool {
        isStarted && ended == nil
            && OutputStream.pipes.contains { inPipe($0) > 0 && machine.intake($0) == .none }
    }

    /// Its time-out has passed.
    var isOverdue: Bool { world.now > timeout }

    // MARK: Processes

    private func step(_ process: ModelProcess) {
        guard !isGone, process.lives, !process.sleeps else { return }
        while process.lives {
            guard let next = process.next else { return finish(process) }
            switch next {
            case .sleep(let time):
                process.advance()
                process.sleeps = true
                world.after(time) { [self] in
                    process.sleeps = false
                    step(process)
                }
                return
            case .write(let named, let count):
                // All that is written to a terminal is one stream.
                let stream = size == nil ? named : .stdout
                let room = ModelProgram.pipeSize - inPipe(stream)
                guard room > 0 else { return }
                let taken = min(room, count)
                if stream == .stdout { written.stdout += UInt64(taken) } else { written.stderr += UInt64(taken) }
                process.wrote(taken)
                update([])
            }
        }
    }

    private func finish(_ process: ModelProcess) {
        guard !process.stays, process.lives else { return }
        guard process.isProgram else { return exit(process, nil) }
        switch script.end {
        case .exit(let code): exit(process, .exited(code: code))
        case .signal(let signal): exit(process, .signalled(signal))
        case .outOfMemory: exit(process, .signalled(9), kills: 1)
        case .never: break
        }
    }

    private func exit(_ process: ModelProcess, _ status: WaitStatus?, kills: UInt64 = 0) {
        process.lives = false
        outOfMemoryKills += kills
        if process.isProgram, world.canary == .a1HelperIsKilled { for other in processes { other.lives = false } }
        let others = processes.contains { $0.lives }
        if process.isProgram, let status {
            update(machine.exited(status, Usage(), outOfMemoryKills: outOfMemoryKills, hasLeft: others, now: now))
        }
        if !processes.contains(where: { $0.lives }) {
            update(machine.gone(Usage(), outOfMemoryKills: outOfMemoryKills))
        }
    }
    private var outOfMemoryKills: UInt64 = 0

    private func killAll(_ signal: Int32) {
        for process in processes where process.lives && !process.isProgram { process.lives = false }
        guard let program = processes.first(where: \.isProgram), program.lives else {
            return update(machine.gone(Usage(), outOfMemoryKills: outOfMemoryKills))
        }
        exit(program, .signalled(signal))
    }

    // MARK: The agent's machine

    private func inPipe(_ stream: OutputStream) -> Int {
        stream == .stdout ? Int(written.stdout - read.stdout) : Int(written.stderr - read.stderr)
    }

    private func update(_ actions: [ExecutionStateMachine.Action]) {
        for action in actions { act(action) }
        guard ended == nil, !isGone else { return }
        pump()
        timer?.cancel()
        timer = nil
        guard ended == nil, !isGone, let deadline = machine.deadline else { return }
        timer = world.loop.scheduleTask(deadline: .uptimeNanoseconds(max(deadline, now))) { [self] in
            guard !isGone else { return }
            let hasUnread = machine.phase != .starting && (inPipe(.stdout) > 0 || inPipe(.stderr) > 0)
            update(machine.timePassed(now: now, hasUnread: hasUnread && machine.intake(.stdout) != .none))
        }
    }

    private func act(_ action: ExecutionStateMachine.Action) {
        switch action {
        case .sendStarted(let pid): call.send(Agent.ExecuteEvent.started(Agent.Started(pid: pid)))
        case .terminate, .kill:
            if world.canary == .timeOutIsIgnored, world.now >= timeout { return }
            if action == .kill {
                return world.after(.microseconds(100)) { [self] in if !isGone, ended == nil { killAll(9) } }
            }
            guard isStarted else { return early.append(15) }
            guard !script.ignoresTerm else { return }
            world.after(.milliseconds(1)) { [self] in if !isGone, ended == nil { killAll(15) } }
        case .signal(let number):
            guard isStarted else { return early.append(number) }
            guard ModelProgram.isFatal(number), number != 15 || !script.ignoresTerm,
                processes.contains(where: { $0.isProgram && $0.lives })
            else { return }
            // All of them are in the program's group.
            killAll(number)
        case .lookAtStart, .measureCPUTime: break
        case .lookAtLeft: update(machine.lookedAtLeft(runs: false, now: now))
        case .detach:
            if processes.contains(where: { $0.lives }) { agent.left(ModelBackground(key, agent, world)) }
            // What they write from now on is no output of this execution.
            for process in processes { process.lives = false }
            processes = []
            helper = nil
        case .seal where world.canary == .tailIsNotRead: update(machine.sealed(stdout: 0, stderr: 0, now: now))
        case .seal:
            update(machine.sealed(stdout: inPipe(.stdout), stderr: inPipe(.stderr), now: now))
        case .sendEnded where world.sings(.programNeverEnds): break
        case .sendEnded(let ended): end(ended)
        }
    }

    /// Reads the pipes as far as the machine says.
    private func pump() {
        var moved = true
        while moved, ended == nil {
            moved = false
            for stream in OutputStream.pipes where pump(stream) { moved = true }
            for process in processes where process.lives && !process.sleeps { wake(process) }
        }
    }

    /// A process that waits for room in its pipe goes on soon.
    private func wake(_ process: ModelProcess) {
        guard !process.isWaking, case .write(let stream, _) = process.next,
            inPipe(size == nil ? stream : .stdout) < ModelProgram.pipeSize,
            isStarted
        else { return }
        process.isWaking = true
        world.after(.microseconds(5)) { [self] in
            process.isWaking = false
            step(process)
        }
    }

    private func pump(_ stream: OutputStream) -> Bool {
        let offset = machine.offset(stream)
        let count: Int
        switch machine.intake(stream) {
        case .none: return false
        case .send(let most):
            count = min(most, inPipe(stream))
            guard count > 0 else { break }
            took(count, stream)
            let data = Script.bytes(key, stream, at: offset, count: count)
            call.send(
                Agent.ExecuteEvent.output(
                    Agent.Output(stream: stream.rawValue, offset: offset, data: Array(data.readableBytesView))))
            update(actionsOf: machine.didSend(count, of: stream, now: now))
            return true
        case .count(let most):
            count = min(most, inPipe(stream))
            guard count > 0 else { break }
            took(count, stream)
            update(actionsOf: machine.didCount(count, of: stream, now: now))
            return true
        }
        let hasWriters = !isStarted || processes.contains { $0.lives }
        update(actionsOf: hasWriters ? machine.didFindEmpty(stream) : machine.didClose(stream))
        return false
    }

    private func took(_ count: Int, _ stream: OutputStream) {
        if stream == .stdout { read.stdout += UInt64(count) } else { read.stderr += UInt64(count) }
    }

    /// Within `pump`, which goes on by itself.
    private func update(actionsOf actions: [ExecutionStateMachine.Action]) {
        for action in actions { act(action) }
    }

    private func end(_ ended: Agent.Ended) {
        guard self.ended == nil else {
            return world.broken(.oneEnd, "the agent ended execution \(number) twice")
        }
        self.ended = ended
        timer?.cancel()
        input.close()
        checkEnd(ended)
        call.send(Agent.ExecuteEvent.ended(ended))
        call.finish()
        agent.ended(self)
    }

    /// What was written is counted, whatever became of it, except for what was left in a terminal.
    private func checkEnd(_ ended: Agent.Ended) {
        for (name, written, told) in [
            ("stdout", written.stdout, ended.stdoutBytes), ("stderr", written.stderr, ended.stderrBytes),
        ] where size == nil ? written != told : written < told {
            world.broken(.written, "\(told) bytes of \(name) are told of \(written) in execution \(number)")
        }
        guard ended.cause == .exited, !wasCancelled, world.now < timeout,
            let helper, helper.next != nil
        else { return }
        world.broken(.written, "a helper had still to write when execution \(number) ended: \(script.helper ?? [])")
    }
}
