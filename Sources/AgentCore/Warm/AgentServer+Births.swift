// SPDX-License-Identifier: Apache-2.0

internal import AgentSchema
internal import BerthSchema
internal import CAgent
internal import Glibc

/// A program that is to be forked, until its process has answered.
final class Birth {
    let newborn: Newborn
    /// When it was told what to become.
    let start = monotonicNow()
    /// The program's ends of its pipes, for an exec if the process refuses.
    fileprivate let ends: [Int32]
    /// Signals that came meanwhile.
    var signals: [Int32] = []

    init(_ newborn: Newborn, input: Int32, output: Int32, error: Int32) throws(SystemError) {
        self.newborn = newborn
        var ends: [Int32] = []
        for end in [input, output, error] {
            let copy = fcntl(end, F_DUPFD_CLOEXEC, 3)
            guard copy >= 0 else {
                let error = SystemError("fcntl")
                for end in ends { close(end) }
                throw error
            }
            ends.append(copy)
        }
        self.ends = ends
    }

    deinit { for end in ends { close(end) } }
}

/// Programs and contexts that a zygote forks: how they become what they are to be.
extension AgentServer {
    /// A process for a program, if it can be forked.
    func newborn(for request: Agent.ExecuteRequest) -> Newborn? {
        guard !request.warmLanguage.isEmpty, isInit,
            let zygote = zygotes.first(where: { $0.language == request.warmLanguage }), zygote.canBecome(request)
        else { return nil }
        return zygote.takeNewborn()
    }

    /// Handles what a process has said that is to become a program.
    func newbornChanged(_ execution: RunningExecution, at place: Int) {
        guard let birth = execution.birth else { return }
        birth.newborn.look()
        switch birth.newborn.answer {
        case nil: return
        case .begins: begin(execution, birth, at: place)
        case .refuses: startAnew(execution, birth, at: place)
        }
    }

    private func begin(_ execution: RunningExecution, _ birth: Birth, at place: Int) {
        epoll.remove(birth.newborn.raw)
        execution.birth = nil
        execution.isWarm = true
        execution.pid = UInt32(bitPattern: birth.newborn.pid)
        execution.direct = DirectProgram(pid: birth.newborn.pid, mark: execution.mark, start: birth.start)
        let actions = execution.machine.started(pid: execution.pid, now: monotonicNow())
        for number in birth.signals { execution.signal(number) }
        guard let context = execution.context else { return perform(actions, on: execution, at: place) }
        do throws(SystemError) {
            let both = EPOLL_EVENTS(rawValue: EPOLLIN.rawValue | EPOLLOUT.rawValue)
            try epoll.add(context.controlRaw, both, token: Token.of(place, .context))
        } catch {
            return lose(execution, error.words)
        }
        wantsSpares = true
        context.flush()
        context.isReadable = true
        tellReady(execution)
    }

    /// Executes what could not be forked.
    private func startAnew(_ execution: RunningExecution, _ birth: Birth, at place: Int) {
        epoll.remove(birth.newborn.raw)
        execution.birth = nil
        wantsSpares = true
        if execution.context != nil {
            execution.context = nil
            contextCount -= 1
            return start(execution, at: place)
        }
        do throws(SystemError) {
            let actions = try execution.beginAnew(
                surroundings, input: birth.ends[0], output: birth.ends[1], error: birth.ends[2], epoll: epoll
            ) { Token.of(place, $0) }
            if execution.supervisorPID > 0 { supervisors.insert(execution.supervisorPID) }
            perform(actions, on: execution, at: place)
        } catch {
            if execution.supervisorPID > 0 { supervisors.insert(execution.supervisorPID) }
            let message = "cannot start \(execution.program.arguments.first ?? ""): \(error.words)"
            perform(execution.machine.startFailed(.noResources, message), on: execution, at: place)
        }
    }

    /// Ends a program whose process has not answered yet.
    func endBirth(_ execution: RunningExecution, at place: Int) {
        guard let birth = execution.birth else { return }
        birth.newborn.refuseAnswer()
        birth.newborn.kill()
        epoll.remove(birth.newborn.raw)
        execution.birth = nil
        perform(execution.machine.gone(nil, outOfMemoryKills: 0), on: execution, at: place)
    }
}

extension RunningExecution {
    /// The hard limit of real-time scheduling by which what it starts is known, as copies of contexts set it.
    var mark: UInt64 { (1 << 60) - number }

    /// What a process is told that is to become this program or interpreter.
    func order(oomScore: String?) -> [UInt8] {
        var texts: [UInt8] = []
        func add(_ text: some Sequence<UInt8>) {
            texts.append(contentsOf: text)
            texts.append(0)
        }
        for number in ["\(program.uid)", "\(program.gid)", "\(mark)", oomScore ?? "0"] { add(number.utf8) }
        program.directory.withBytes { add($0) }
        add("\(program.arguments.count)".utf8)
        for text in program.arguments { text.withBytes { add($0) } }
        for text in program.environment { text.withBytes { add($0) } }
        return Array("\(opening == nil ? "p" : "c")\(texts.count)\n".utf8) + texts
    }
}
