// SPDX-License-Identifier: Apache-2.0

internal import BerthSchema
internal import CAgent
internal import Glibc

extension RunningExecution {
    func becameReadable(_ stream: OutputStream) {
        if stream == .stdout { isReadable.stdout = true } else { isReadable.stderr = true }
    }

    /// Whether the pipe of a stream is to be read and, as far as is known, has bytes or its end.
    func wantsToRead(_ stream: OutputStream) -> Bool {
        // Output between two pieces stays in the pipe for the next piece.
        !hasNoOutput && (stream == .stdout ? isReadable.stdout : isReadable.stderr) && machine.intake(stream) != .none
    }

    /// Reads once from the pipe of a stream into `buffer`, which must have room.
    func pump(_ stream: OutputStream, into buffer: SendBuffer) -> [ExecutionStateMachine.Action] {
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
    func seal(_ buffer: SendBuffer) -> [ExecutionStateMachine.Action] {
        // Output in the pipes of an interpreter belongs to its last piece, or to nobody.
        if hasNoOutput { return machine.sealed(stdout: 0, stderr: 0, now: monotonicNow()) }
        becameReadable(.stdout)
        becameReadable(.stderr)
        return machine.sealed(
            stdout: bytesIn(.stdout, buffer), stderr: bytesIn(.stderr, buffer), now: monotonicNow())
    }

    /// Ends the execution without waiting for its processes, because the container is being reset.
    func discard(_ buffer: SendBuffer) -> [ExecutionStateMachine.Action] {
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

    func pipe(_ stream: OutputStream) -> Int32? {
        if let context = context ?? host?.context { return stream == .stdout ? context.stdoutRaw : context.stderrRaw }
        return stream == .stdout ? stdout?.raw : stderr?.raw
    }

    private func setReadable(_ stream: OutputStream, _ value: Bool) {
        if stream == .stdout { isReadable.stdout = value } else { isReadable.stderr = value }
    }
}
