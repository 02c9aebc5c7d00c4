// SPDX-License-Identifier: Apache-2.0

import BerthSchema
import CLinux
import Glibc

@testable import AgentCore

/// The real agent, except that it runs nothing: a program is three pipes, whose other ends the script has.
final class StandIn: AgentServer {
    var onStart: (RunningExecution) -> Void = { _ in }
    private var programs: [Int: PipeEnds] = [:]

    /// The ends of the pipes that a program would have as its standard streams.
    private final class PipeEnds {
        var stdin: Descriptor?
        var stdout: Descriptor?
        var stderr: Descriptor?

        init(stdin: consuming Descriptor, stdout: consuming Descriptor, stderr: consuming Descriptor) {
            self.stdin = .some(stdin)
            self.stdout = .some(stdout)
            self.stderr = .some(stderr)
        }
    }

    override func start(_ execution: RunningExecution, at place: Int, from newborn: Newborn? = nil) {
        executions[place] = execution
        onStart(execution)
        do throws(SystemError) {
            let (input, output, error) = (try StandIn.pipe(), try StandIn.pipe(), try StandIn.pipe())
            let ends = PipeEnds(
                stdin: Descriptor(input.reading), stdout: Descriptor(output.writing), stderr: Descriptor(error.writing))
            programs[place] = ends
            execution.stdout = .some(Descriptor(output.reading))
            execution.stderr = .some(Descriptor(error.reading))
            let writing = Descriptor(input.writing)
            if !execution.input.isEmpty { execution.input.descriptor = .some(writing) }
        } catch {
            perform(execution.machine.startFailed(.noResources, error.words), on: execution, at: place)
        }
        feed(execution, at: place)
    }

    private static func pipe() throws(SystemError) -> (reading: Int32, writing: Int32) {
        var ends: [Int32] = [-1, -1]
        let result = berth_pipe(&ends)
        guard result == 0 else { throw SystemError("pipe", result) }
        for end in ends { _ = fcntl(end, F_SETFL, O_NONBLOCK) }
        return (ends[0], ends[1])
    }

    /// The execution at an index from the script, if there is one.
    private func at(_ place: Int) -> (RunningExecution, PipeEnds)? {
        guard let execution = executions[place], let ends = programs[place] else { return nil }
        return (execution, ends)
    }

    // MARK: What a program does

    func started(_ place: Int) {
        guard let (execution, _) = at(place) else { return }
        perform(execution.machine.started(pid: 7, now: monotonicNow()), on: execution, at: place)
    }

    func failedToStart(_ place: Int, _ words: String) {
        guard let (execution, _) = at(place) else { return }
        perform(execution.machine.startFailed(.programNotFound, words), on: execution, at: place)
    }

    func write(_ count: Int, to stream: BerthSchema.OutputStream, _ place: Int) {
        guard let (execution, ends) = at(place) else { return }
        let bytes = [UInt8](repeating: 65, count: count)
        if let raw = stream == .stdout ? ends.stdout?.raw : ends.stderr?.raw {
            _ = Glibc.write(raw, bytes, count)
        }
        execution.becameReadable(stream)
    }

    func close(_ stream: BerthSchema.OutputStream, _ place: Int) {
        guard let (execution, ends) = at(place) else { return }
        if stream == .stdout { ends.stdout = nil } else { ends.stderr = nil }
        execution.becameReadable(stream)
    }

    func read(_ count: Int, _ place: Int) {
        guard let (execution, ends) = at(place) else { return }
        var bytes = [UInt8](repeating: 0, count: max(count, 1))
        if let raw = ends.stdin?.raw { _ = Glibc.read(raw, &bytes, bytes.count) }
        feed(execution, at: place)
    }

    func closeInput(_ place: Int) {
        guard let (execution, ends) = at(place) else { return }
        ends.stdin = nil
        feed(execution, at: place)
    }

    func exited(_ status: WaitStatus, kills: UInt64, _ place: Int) {
        guard let (execution, _) = at(place) else { return }
        perform(
            execution.machine.exited(
                status, Usage(), outOfMemoryKills: kills, hasLeft: true, now: monotonicNow()), on: execution, at: place)
    }

    /// - Parameter isLost: whether its supervisor was killed.
    func gone(isLost: Bool, kills: UInt64, _ place: Int) {
        guard let (execution, _) = at(place) else { return }
        perform(execution.machine.gone(isLost ? nil : Usage(), outOfMemoryKills: kills), on: execution, at: place)
    }

    func used(_ nanoseconds: UInt64, _ place: Int) {
        guard let (execution, _) = at(place) else { return }
        let actions = execution.machine.measuredCPUTime(nanoseconds, now: monotonicNow())
        perform(actions, on: execution, at: place)
    }

    func wait(milliseconds: UInt64, _ place: Int) {
        guard let (execution, _) = at(place) else { return }
        let later = monotonicNow() + milliseconds * 1_000_000
        perform(execution.machine.timePassed(now: later, hasUnread: false), on: execution, at: place)
    }

    func cancel(_ place: Int) {
        guard let (execution, _) = at(place) else { return }
        perform(execution.machine.cancel(graceMilliseconds: 0, now: monotonicNow()), on: execution, at: place)
    }
}
