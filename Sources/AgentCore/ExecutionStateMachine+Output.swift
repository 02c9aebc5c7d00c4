// SPDX-License-Identifier: Apache-2.0

package import BerthSchema

extension ExecutionStateMachine {
    /// The state of one of the two output streams.
    struct Output {
        /// Bytes that were read from it.
        var produced: UInt64 = 0
        /// How many of these were sent: always the first ones.
        var sent: UInt64 = 0
        var isOpen = true
        /// Bytes that are still to be read after all processes have ended; nil before that. For a terminal, an upper
        /// limit.
        var remaining: Int?
    }

    /// How to read from the pipe of a stream.
    package enum Intake: Equatable {
        /// Do not read.
        case none
        /// Read and send at most this many bytes.
        case send(Int)
        /// Read at most this many bytes and only count them.
        case count(Int)
    }

    package func intake(_ stream: OutputStream) -> Intake {
        guard phase != .starting, phase != .ended else { return .none }
        let output = self[stream]
        guard output.isOpen else { return .none }
        let most = min(output.remaining ?? .max, SendBuffer.maxChunk)
        guard output.sent < limits.maxOutput else { return .count(most) }
        let credit = min(limits.window - outstanding, limits.maxOutput - output.sent)
        return credit == 0 ? .none : .send(min(most, Int(clamping: credit)))
    }

    /// Bytes of a stream that were sent so far.
    package func offset(_ stream: OutputStream) -> UInt64 { self[stream].sent }

    /// Bytes of a stream were read and sent.
    package mutating func didSend(_ count: Int, of stream: OutputStream, now: @autoclosure () -> UInt64) -> [Action] {
        outstanding += UInt64(count)
        self[stream].sent += UInt64(count)
        didRead(count, of: stream, now: now())
        if linger != nil { creditChanged(now: lastOutput) }
        if phase == .gone, termination == .cancelled { abandonWhatHasNoCredit() }
        return endIfDrained()
    }

    /// Bytes of a stream were read and not sent, since they exceed the maximum output.
    package mutating func didCount(_ count: Int, of stream: OutputStream, now: @autoclosure () -> UInt64) -> [Action] {
        didRead(count, of: stream, now: now())
        var actions: [Action] = []
        if limits.killsAtMaxOutput, termination == nil {
            // The cause must not depend on whether the program still runs when this is noticed.
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

    /// A stream has ended: no writer is left.
    package mutating func didClose(_ stream: OutputStream) -> [Action] {
        self[stream].isOpen = false
        return endLingerIfClosed() + endIfDrained()
    }

    /// There was nothing to read. If the pipe held bytes after all processes of the execution had ended, a process of
    /// another execution has read them, and it may keep the pipe open for ever.
    package mutating func didFindEmpty(_ stream: OutputStream) -> [Action] {
        guard !limits.hasTerminal, self[stream].isOpen, self[stream].remaining != nil else { return [] }
        return didClose(stream)
    }

    /// - Returns: false if more is acknowledged than is outstanding; then nothing changes.
    package mutating func acknowledge(_ bytes: UInt64, now: @autoclosure () -> UInt64) -> Bool {
        guard bytes <= outstanding else { return false }
        // Without credit it may have been unable to write, so that time does not count as silence.
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

    /// Takes how much the pipes hold after the last process of the execution has ended. More may come from a process of
    /// another execution that got hold of a pipe, but it does not count.
    ///
    /// A terminal does not report how much it holds: it is read to its end, or until it is quiet.
    package mutating func sealed(stdout: Int, stderr: Int, now: UInt64) -> [Action] {
        guard phase == .gone else { return [] }
        lastOutput = now
        if limits.hasTerminal {
            outputs.stdout.remaining = ExecutionStateMachine.terminalCapacity
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

    /// Gives up output for which there is no credit, since a caller that has cancelled may read no more. The byte
    /// counts show how much was lost.
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
