// SPDX-License-Identifier: Apache-2.0

internal import AgentSchema
internal import BerthSchema
internal import BerthWire
internal import CAgent
internal import Glibc

/// Copies of interpreters. An interpreter forks itself: twice, so that code can't wait for the copy as for its own child.
///
///     agent → original   fork NUMBER
///     original → agent   go: it has no threads
///     agent → original   a byte, with the copy's descriptors
///     original → agent   copied NUMBER
///     copy → agent       ready, with its pid, on its own control socket
///     agent → supervisor adopt this pid: from then on it is a child of the supervisor, and a separate program
///     supervisor → agent started
extension AgentServer {
    func startCopy(_ request: Agent.ExecuteRequest, _ streamID: UInt32, at place: Int) throws(CallError) {
        let host = executions.lazy.compactMap { $0 }.first { $0.number == request.context }
        let copy = RunningExecution(request, streamID: streamID, processors: processors)
        guard let host, let context = host.context, context.state != .lost, host.machine.phase == .running else {
            // The context ended while this request was under way.
            executions[place] = copy
            return perform(copy.machine.startFailed(.unspecified, "it has ended"), on: copy, at: place)
        }
        guard !context.isControlledByLines else {
            throw CallError(.invalidArgument, "interpreters that are controlled by lines can't be copied")
        }
        guard context.state == .idle || context.state == .copying else {
            throw CallError(.failedPrecondition, "a piece of code runs in this context", .contextBusy)
        }
        do throws(SystemError) {
            let own = try Context(copyOf: context)
            try copy.join(host, asCopyWith: own, outOfMemory: outOfMemory, epoll: epoll) { Token.of(place, $0) }
        } catch {
            leaveFamily(copy)
            throw CallError(.resourceExhausted, error.words, .executionLimit)
        }
        executions[place] = copy
        contextCount += 1
        copy.machine.willStart(now: monotonicNow())
        context.copies.append(copy.number)
        if context.state == .idle { context.beginCopy(now: monotonicNow()) }
    }

    private func copy(_ number: UInt64) -> (execution: RunningExecution, place: Int)? {
        guard let place = executions.firstIndex(where: { $0?.number == number }), let copy = executions[place],
            copy.isUnborn
        else { return nil }
        return (copy, place)
    }

    /// Handles an interpreter that is about to fork.
    func sendEnds(_ context: Context, of host: RunningExecution) {
        guard let number = context.copies.first else { return }
        // A copy that was abandoned has no descriptors: the interpreter notices that.
        guard let copy = copy(number)?.execution.context else { return context.refuseEnds() }
        if !context.sendEnds(to: copy) { lose(host, "it takes no descriptors") }
    }

    /// Handles the result of a fork: from the interpreter, or from a copy that failed.
    func copied(_ text: [UInt8], from host: RunningExecution, at place: Int) {
        guard let context = host.context else { return }
        let parts = String(decoding: text, as: UTF8.self).split(separator: " ", maxSplits: 1)
        guard let first = parts.first, let number = UInt64(first) else {
            return lose(host, "it sent nonsense of a copy")
        }
        if host.isUnborn { return fail(host.number, parts.count > 1 ? String(parts[1]) : "it is not wanted") }
        // Code in a piece may send this, too.
        guard context.state == .copying, number == context.copies.first else { return }
        context.endCopy()
        if parts.count > 1 { fail(number, String(parts[1])) }
        context.beginCopy(now: monotonicNow())
    }

    private func fail(_ number: UInt64, _ words: String) {
        guard let (copy, place) = copy(number) else { return }
        perform(copy.machine.startFailed(.unspecified, words), on: copy, at: place)
    }

    /// Handles the first message of a copy: it is ready, and has this pid.
    func copyIsReady(_ copy: RunningExecution, _ text: [UInt8]) {
        let parts = text.split(separator: UInt8(ascii: " "))
        guard copy.isUnborn, copy.pid == 0, parts.count == 2,
            let pid = Int32(String(decoding: parts[1], as: UTF8.self)),
            pid > 1, copy.family?.member(pid) == nil
        else { return }
        copy.context?.version = String(decoding: parts[0].prefix(64), as: UTF8.self)
        if copy.family == nil {
            // Of an interpreter without a supervisor: once its maker has ended, it is the agent's child.
            guard isDescendant(pid) else { return }
            copy.pid = UInt32(pid)
            copy.direct = DirectProgram(pid: pid, mark: berth_mark_of(pid), start: monotonicNow())
            return copyHasStarted(copy)
        }
        copy.pid = UInt32(pid)
        copy.family?.supervisor.adopt(pid)
    }

    /// Whether a process descends from a program without a supervisor, and is none itself.
    private func isDescendant(_ pid: pid_t) -> Bool {
        let spared = strays(of: nil).spared
        var at = pid
        while at > 1, !supervisors.contains(at), at == pid || !spared.contains(at) { at = berth_parent_of(at) }
        return !spared.contains(pid) && (at == getpid() || executions.contains { $0?.direct?.pid == at })
    }

    /// Its supervisor has adopted it.
    func copyHasStarted(_ copy: RunningExecution) {
        guard copy.isUnborn, let context = copy.context else { return }
        copy.supervisorPID = copy.family?.supervisor.pid ?? 0
        _ = copy.machine.started(pid: copy.pid, now: monotonicNow())
        context.state = .idle
        sendBuffer.append(
            Agent.ExecuteEvent.started(Agent.Started(pid: copy.pid, interpreter: context.version)), type: .data,
            streamID: copy.streamID)
    }

    /// Ends a copy that has no process yet.
    func endUnborn(_ copy: RunningExecution, at place: Int) {
        if copy.birth != nil { return endBirth(copy, at: place) }
        if copy.pid > 0 { copy.family?.supervisor.kill(pid_t(bitPattern: copy.pid)) }
        perform(copy.machine.gone(nil, outOfMemoryKills: 0), on: copy, at: place)
    }

    /// Fails all copies that the interpreter can't make any more.
    func failCopies(of context: Context) {
        let copies = context.copies
        context.copies = []
        for number in copies { fail(number, "it has ended") }
    }

    /// Removes an execution that has ended from its family. Another member then receives the reports of the supervisor.
    func leaveFamily(_ execution: RunningExecution) {
        guard let family = execution.family else { return }
        execution.family = nil
        family.members.removeAll { $0 === execution }
        guard let place = executions.firstIndex(where: { one in one.map { $0.family === family } ?? false }) else {
            return
        }
        epoll.change(family.raw, EPOLLIN, token: Token.of(place, .control))
    }
}
