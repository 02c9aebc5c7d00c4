// SPDX-License-Identifier: Apache-2.0

internal import AgentSchema
internal import CAgent
internal import Glibc

/// The agent's side of an interpreter that runs pieces of code: its control socket, and the pipes that its pieces use in turn.
///
/// The agent keeps an end of each pipe open, so that no pipe ends because of what a piece does to its descriptors. Only
/// standard input has an end of file, for each piece separately: when the piece's writing end is closed.
final class Context {
    /// The state of its interpreter.
    enum State: Equatable {
        /// It has not reported yet that it is ready.
        case starting
        case idle
        /// It runs a piece, which has this place among the executions.
        case busy(place: Int)
        /// It is making the first of `copies`.
        case copying
        /// It accepts nothing any more.
        case lost
    }

    var state = State.starting {
        didSet { if state == .idle { wasNeverReady = false } }
    }
    private(set) var wasNeverReady = true
    /// Whether it reads control by lines, as a shell does.
    let isControlledByLines: Bool
    private let uid: UInt32
    private var control: Descriptor
    private let stdin: Descriptor
    private let stdout: Descriptor
    private let stderr: Descriptor
    /// Ends that are only kept open: nothing is written to them.
    private let keptStdout: Descriptor
    private let keptStderr: Descriptor

    var reader = ControlReader()
    /// Whether control had bytes, or its end, when last checked.
    var isReadable = false
    /// Bytes to write to control.
    private var unsent: [UInt8] = []
    /// The code of a piece that the interpreter has not requested yet.
    private var code: [UInt8] = []
    /// Bytes of output in each pipe that were written before the present event.
    private(set) var ahead = (stdout: 0, stderr: 0)
    /// When it is killed, and why: if it has not ended by then after its control was closed, or has not copied itself.
    private(set) var killDue: UInt64?
    private(set) var killWords = ""
    private static let patience: UInt64 = 100_000_000
    private static let copyLimit: UInt64 = 10_000_000_000
    /// The executions of the copies to make.
    var copies: [UInt64] = []
    /// What the interpreter has reported about itself.
    var version = ""
    /// Whether it can take code.
    var isInterpreterReady = false
    /// Whether the agent has closed control.
    private var isClosing = false
    /// Why the agent killed it; nil if it did not.
    var lossWords: String?
    /// Whether a client has sent the signal by which it would end itself.
    var wasSentLossSignal = false
    private static let closedWords = "it closed or replaced its control descriptor"

    /// The interpreter's ends: its standard descriptors, and control.
    struct Ends: ~Copyable {
        let stdin: Descriptor
        let stdout: Descriptor
        let stderr: Descriptor
        /// Nil if a process has that end already.
        let control: Descriptor?

        var controlRaw: Int32 {
            switch control {
            case .some(let control): control.raw
            case nil: -1
            }
        }
    }

    /// Nil after its start.
    private var ends: Ends?

    /// - Parameter control: the agent's end of control, if a zygote's process has the other, and the driver; nil: a new one.
    convenience init(
        _ request: Agent.ExecuteRequest, control: consuming Descriptor? = nil
    ) throws(SystemError) {
        let hasDriver = control != nil
        try self.init(uid: request.uid, isControlledByLines: request.isControlledByLines, control: control)
        if !hasDriver { unsent = request.driver }
    }

    /// Makes the context of a copy.
    convenience init(copyOf other: Context) throws(SystemError) {
        try self.init(uid: other.uid, isControlledByLines: false, control: nil)
    }

    private init(
        uid: UInt32, isControlledByLines: Bool, control: consuming Descriptor?
    ) throws(SystemError) {
        self.isControlledByLines = isControlledByLines
        self.uid = uid
        let theirs: Descriptor?
        if let control {
            self.control = control
            theirs = nil
        } else {
            let pair = try SocketPair()
            self.control = pair.ours
            theirs = .some(pair.theirs)
        }
        let input = try Pipe(owner: uid)
        let output = try Pipe(owner: uid)
        let error = try Pipe(owner: uid)
        // A separate open file description: the interpreter's end must stay blocking.
        stdin = try Pipe.end(of: input.input.raw, owner: uid, O_RDONLY)
        keptStdout = try Descriptor.copy(of: output.output.raw, minimum: 3)
        keptStderr = try Descriptor.copy(of: error.output.raw, minimum: 3)
        _ = berth_set_pipe_size(output.output.raw, 256 << 10)
        try output.input.makeNonblocking()
        try error.input.makeNonblocking()
        stdout = output.input
        stderr = error.input
        ends = .some(Ends(stdin: input.input, stdout: output.output, stderr: error.output, control: theirs))
    }

    /// Takes the interpreter's ends, which the agent does not own any more then.
    func takeEnds() -> Ends? { ends.take() }

    var controlRaw: Int32 { control.raw }
    var stdoutRaw: Int32 { stdout.raw }
    var stderrRaw: Int32 { stderr.raw }

    /// The place of the running piece.
    var piece: Int? { if case .busy(let place) = state { place } else { nil } }

    // MARK: Messages to the interpreter

    /// Writes as much to control as it takes now.
    func flush() {
        while !unsent.isEmpty {
            let count = unsent.withUnsafeBytes {
                send(control.raw, $0.baseAddress, $0.count, Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL))
            }
            if count < 0, errno == EINTR { continue }
            // If it does not read any more, this is noticed when its control is read.
            guard count > 0 else { return }
            unsent.removeFirst(count)
        }
    }

    private func tell(_ text: String, _ bytes: [UInt8] = []) {
        unsent += Array(text.utf8)
        if !bytes.isEmpty {
            unsent += bytes
            unsent.append(UInt8(ascii: "\n"))
        }
        flush()
    }

    /// Makes it run or examine a piece of code.
    func begin(_ request: Agent.ExecuteRequest, at place: Int) {
        state = .busy(place: place)
        reader.maxEvent = max(Int(clamping: request.maxDisplayBytes), ContextControl.largestText)
        let (number, size) = (request.execution, request.code.count)
        guard !isControlledByLines else {
            // The code is sent on request: before that, the interpreter may read more than one line at once.
            let lines = request.code.count { $0 == UInt8(ascii: "\n") } + 1
            code = request.code + Array("\nberth_ended \(number)\n".utf8)
            return tell("berth_piece \(number) \(lines)\n")
        }
        // Empty code is also a line.
        let code = request.code + [UInt8(ascii: "\n")]
        switch request.pieceKind {
        case .run: tell("run \(number) \(request.maxDisplayBytes) \(size)\n")
        case .complete: tell("complete \(number) \(request.cursor) \(size)\n")
        case .inspect: tell("inspect \(number) \(request.cursor) 0 \(size)\n")
        case .inspectDetail: tell("inspect \(number) \(request.cursor) 1 \(size)\n")
        }
        unsent += code
        flush()
    }

    func sendCode() {
        unsent += code
        code = []
        flush()
    }

    /// Confirms an event, so that the interpreter continues: later output comes after it.
    func acknowledgeEvent() { tell("ack\n") }

    /// Makes it begin the first of `copies`.
    func beginCopy(now: UInt64) {
        guard let number = copies.first else { return }
        state = .copying
        kill(at: now + Context.copyLimit, "it did not copy itself in time")
        tell("fork \(number) 0\n\n")
    }

    /// - Returns: false if the copy is not made.
    func sendEnds(to copy: Context) -> Bool {
        guard unsent.isEmpty, let ends = copy.takeEnds() else { return false }
        let all = [ends.stdin.raw, ends.stdout.raw, ends.stderr.raw, ends.controlRaw]
        return berth_send_descriptors(control.raw, all, Int32(all.count)) == 0
    }

    /// Tells the interpreter that the copy was abandoned.
    func refuseEnds() { tell("\n") }

    /// Handles the end of a copying, successful or not.
    func endCopy() {
        killDue = nil
        copies.removeFirst()
        state = .idle
    }

    private func kill(at due: UInt64, _ words: String) {
        guard due < killDue ?? .max else { return }
        killDue = due
        killWords = words
    }

    func isKilled() { killDue = nil }

    /// Why it was lost with its piece, if its end does not say so itself.
    func wordsForLoss(_ status: WaitStatus) -> String? {
        switch status {
        case .signalled(SIGKILL): lossWords
        case .signalled(ContextControl.lossSignal) where !wasSentLossSignal: Context.closedWords
        default: nil
        }
    }

    /// Ends it: its loop finds that there is no next piece.
    func closeControl() {
        isClosing = true
        shutdown(control.raw, Int32(SHUT_RDWR))
    }

    // MARK: Messages of the interpreter

    /// Reads once from control.
    /// - Returns: false if there is nothing more for now, or no room.
    func fill() -> Bool {
        guard isReadable, !isClosing, reader.room > 0 else {
            isReadable = isReadable && !isClosing
            return false
        }
        return withUnsafeTemporaryAllocation(byteCount: reader.room, alignment: 1) { room in
            let count = recv(control.raw, room.baseAddress, room.count, Int32(MSG_DONTWAIT))
            if count > 0 {
                reader.append(UnsafeRawBufferPointer(rebasing: room[..<count]))
                return true
            }
            if count < 0, errno == EINTR { return true }
            isReadable = false
            // Control has ended. Mostly the interpreter has ended too, and its supervisor will report that.
            if count == 0 || errno != EAGAIN { kill(at: monotonicNow() + Context.patience, Context.closedWords) }
            return false
        }
    }

    /// Handles the start of an event: the bytes in the pipes now were written before it.
    func beginEvent(stdout: Int, stderr: Int) { ahead = (stdout, stderr) }

    /// Counts bytes of output that were read.
    func passed(_ count: Int, isStdout: Bool) {
        if isStdout { ahead.stdout = max(0, ahead.stdout - count) } else { ahead.stderr = max(0, ahead.stderr - count) }
    }

    /// Handles an empty pipe: another process has taken bytes that were in it.
    func foundEmpty(isStdout: Bool) { if isStdout { ahead.stdout = 0 } else { ahead.stderr = 0 } }

    // MARK: Standard input

    /// Returns a writing end of standard input, for a piece that has input.
    func openInput() throws(SystemError) -> Descriptor {
        try Pipe.end(of: stdin.raw, owner: uid, O_WRONLY)
    }

    /// Discards the input that a piece has not read. The amount is bounded, in case a program keeps filling the pipe.
    func pieceEnded() {
        if case .busy = state { state = .idle }
        code = []
        withUnsafeTemporaryAllocation(byteCount: 64 << 10, alignment: 1) { room in
            for _ in 0..<16 {
                let count = read(stdin.raw, room.baseAddress, room.count)
                guard count > 0 || (count < 0 && errno == EINTR) else { return }
            }
        }
    }
}
