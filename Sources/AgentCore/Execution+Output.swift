// SPDX-License-Identifier: Apache-2.0

internal import BerthSchema

extension Execution {
    /// What is known of one of the two output streams.
    struct Output {
        /// Bytes read from it.
        var produced: UInt64 = 0
        /// Of these, sent: always the first.
        var sent: UInt64 = 0
        var isOpen = true
        /// Bytes that are still to come, once the execution is gone; nil while that is not known, and for a terminal.
        var remaining: Int?
    }

    /// What is to be done with a stream's pipe.
    enum Intake: Equatable {
        /// It is not to be read.
        case none
        /// So many bytes, at most, may be read and sent.
        case send(Int)
        /// So many bytes, at most, are to be read and counted.
        case count(Int)
    }

    func intake(_ stream: OutputStream) -> Intake {
        guard phase != .starting, phase != .ended else { return .none }
        let output = self[stream]
        guard output.isOpen else { return .none }
        let most = min(output.remaining ?? .max, SendBuffer.maxChunk)
        guard output.sent < limits.maxOutput else { return .count(most) }
        let credit = min(limits.window - outstanding, limits.maxOutput - output.sent)
        return credit == 0 ? .none : .send(min(most, Int(clamping: credit)))
    }

    /// Bytes of a stream that were sent before now.
    func offset(_ stream: OutputStream) -> UInt64 { self[stream].sent }

    /// Bytes of a stream were read and sent.
    mutating func didSend(_ count: Int, of stream: OutputStream, now: @autoclosure () -> UInt64) -> [Action] {
        outstanding += UInt64(count)
        self[stream].sent += UInt64(count)
        didRead(count, of: stream, now: now())
        if linger != nil { creditChanged(now: lastOutput) }
        if phase == .gone, termination == .cancelled { abandonWhatHasNoCredit() }
        return endIfDrained()
    }

    /// Bytes of a stream were read and not sent: they are over the limit.
    mutating func didCount(_ count: Int, of stream: OutputStream, now: @autoclosure () -> UInt64) -> [Action] {
        didRead(count, of: stream, now: now())
        var actions: [Action] = []
        if limits.killsAtMaxOutput, termination == nil {
            // Whether it still runs when that is noticed is chance, and shall change nothing.
            cause = .outputLimit
            if phase == .running { actions = terminate(.outputLimit, grace: limits.grace, now: now()) }
        }
        return actions + endIfDrained()
    }

    private mutating func didRead(_ count: Int, of stream: OutputStream, now: @autoclosure () -> UInt64) {
        self[stream].produced += UInt64(count)
        if limits.idle != nil || phase == .gone || phase == .exited { lastOutput = now() }
        guard let remaining = self[stream].remaining else { return }
        self[stream].remaining = remaining - count
        if remaining == count { self[stream].isOpen = false }
    }

    /// The end of a stream: no writer is left.
    mutating func didClose(_ stream: OutputStream) -> [Action] {
        self[stream].isOpen = false
        return endLingerIfClosed() + endIfDrained()
    }

    /// There was nothing to read. What a pipe held when all of the execution was gone, and holds no more, was taken by
    /// another's process, which may keep the pipe open for ever.
    mutating func didFindEmpty(_ stream: OutputStream) -> [Action] {
        guard !limits.hasTerminal, self[stream].isOpen, self[stream].remaining != nil else { return [] }
        return didClose(stream)
    }

    /// - Returns: false when more is acknowledged than was outstanding; then nothing has changed.
    mutating func acknowledge(_ bytes: UInt64, now: @autoclosure () -> UInt64) -> Bool {
        guard bytes <= outstanding else { return false }
        // While it could write nothing, its silence was the reader's.
        if outstanding == limits.window, bytes > 0 {
            let now = now()
            lastOutput = now
            outstanding -= bytes
            creditChanged(now: now)
            return true
        }
        outstanding -= bytes
        return true
    }

    /// What the pipes hold now that no process of the execution can write to them. More may come, from a process of
    /// another execution that got hold of a pipe, but belongs to no one.
    ///
    /// A terminal does not tell how much it holds: it is read to its end, or until it is quiet.
    mutating func sealed(stdout: Int, stderr: Int, now: UInt64) -> [Action] {
        guard phase == .gone else { return [] }
        lastOutput = now
        if limits.hasTerminal {
            outputs.stdout.remaining = Execution.terminalCapacity
        } else {
            seal(.stdout, stdout)
            seal(.stderr, stderr)
        }
        if termination == .cancelled { abandonWhatHasNoCredit() }
        return endIfDrained()
    }

    private mutating func seal(_ stream: OutputStream, _ count: Int) {
        guard self[stream].isOpen else { return }
        self[stream].remaining = count
        if count == 0 { self[stream].isOpen = false }
    }

    /// Nobody reads on who cancelled: the window is not waited for. The byte counts say what was lost.
    mutating func abandonWhatHasNoCredit() {
        guard outstanding == limits.window else { return }
        for stream in OutputStream.pipes {
            guard self[stream].isOpen, let remaining = self[stream].remaining else { continue }
            if !limits.hasTerminal { self[stream].produced += UInt64(remaining) }
            self[stream].isOpen = false
        }
    }

    subscript(stream: OutputStream) -> Output {
        get { stream == .stdout ? outputs.stdout : outputs.stderr }
        set { if stream == .stdout { outputs.stdout = newValue } else { outputs.stderr = newValue } }
    }
}
