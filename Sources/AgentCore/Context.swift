// SPDX-License-Identifier: Apache-2.0

internal import AgentSchema
internal import CAgent
internal import Glibc

/// What the agent holds of an interpreter that takes pieces of code: its control, and the pipes that its pieces have in turn.
///
/// The agent keeps an end of each pipe of its own, so that none of them ends with what a piece does to its descriptors. Only
/// standard input has an end of file, for each piece anew: that of the writing end which the piece has.
final class Context {
    /// Where its interpreter stands.
    enum State: Equatable {
        /// It has yet to say that it is ready.
        case starting
        case idle
        /// A piece runs, at this place among the executions.
        case busy(place: Int)
        /// It makes the first of `copies`.
        case copying
        /// It takes nothing any more.
        case lost
    }

    var state = State.starting {
        didSet { if state == .idle { wasNeverReady = false } }
    }
    private(set) var wasNeverReady = true
    /// It reads control as a shell does, a line at a time.
    let isControlledByLines: Bool
    private let uid: UInt32
    private var control: Descriptor
    private let stdin: Descriptor
    private let stdout: Descriptor
    private let stderr: Descriptor
    /// Nothing is written to these.
    private let keptStdout: Descriptor
    private let keptStderr: Descriptor

    var reader = ControlReader()
    /// Control had bytes, or its end, when last heard of.
    var isReadable = false
    /// Bytes that control has not taken yet.
    private var unsent: [UInt8] = []
    /// The code of a piece whose interpreter has yet to ask for it.
    private var code: [UInt8] = []
    /// Bytes of output, for each pipe, that were written before the event that is being taken.
    private(set) var ahead = (stdout: 0, stderr: 0)
    /// When it is killed, and for what: it has closed its control and has not ended by then, or does not copy itself.
    private(set) var killDue: UInt64?
    private(set) var killWords = ""
    private static let patience: UInt64 = 100_000_000
    private static let copyLimit: UInt64 = 10_000_000_000
    /// The executions of copies that it is to make.
    var copies: [UInt64] = []
    /// Of a copy: what it has said of itself.
    var version = ""
    /// Control is closed from here.
    private var isClosing = false
    /// Why it was killed by the agent itself, where it was.
    var lossWords: String?

    /// What the interpreter gets: its standard descriptors, and control.
    struct Ends: ~Copyable {
        let stdin: Descriptor
        let stdout: Descriptor
        let stderr: Descriptor
        let control: Descriptor
    }

    /// Nil once it was started.
    private var ends: Ends?

    convenience init(_ request: Agent.ExecuteRequest) throws(SystemError) {
        try self.init(uid: request.uid, isControlledByLines: request.isControlledByLines)
        unsent = request.driver
    }

    /// For a copy of one.
    convenience init(copyOf other: Context) throws(SystemError) {
        try self.init(uid: other.uid, isControlledByLines: false)
    }

    private init(uid: UInt32, isControlledByLines: Bool) throws(SystemError) {
        self.isControlledByLines = isControlledByLines
        self.uid = uid
        var pair: [Int32] = [-1, -1]
        guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &pair) == 0 else {
            throw SystemError("socketpair")
        }
        control = Descriptor(pair[0])
        let theirs = Descriptor(pair[1])
        let input = try Pipe(owner: uid)
        let output = try Pipe(owner: uid)
        let error = try Pipe(owner: uid)
        // A state of its own: that it does not block is not the interpreter's affair.
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

    /// What the interpreter is to have; they are not the agent's any more then.
    func takeEnds() -> Ends? { ends.take() }

    var controlRaw: Int32 { control.raw }
    var stdoutRaw: Int32 { stdout.raw }
    var stderrRaw: Int32 { stderr.raw }

    /// The place of the piece that runs.
    var piece: Int? { if case .busy(let place) = state { place } else { nil } }

    // MARK: What it is told

    /// Sends what control takes now.
    func flush() {
        while !unsent.isEmpty {
            let count = unsent.withUnsafeBytes {
                send(control.raw, $0.baseAddress, $0.count, Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL))
            }
            if count < 0, errno == EINTR { continue }
            // One that reads no more is found out when its control is read.
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

    /// Has it run a piece of code, or look at one.
    func begin(_ request: Agent.ExecuteRequest, at place: Int) {
        state = .busy(place: place)
        reader.maxEvent = max(Int(clamping: request.maxDisplayBytes), ContextControl.largestText)
        let (number, size) = (request.execution, request.code.count)
        guard !isControlledByLines else {
            // Its code comes when it asks: until then it may read more than a line at once.
            let lines = request.code.count { $0 == UInt8(ascii: "\n") } + 1
            code = request.code + Array("\nberth_ended \(number)\n".utf8)
            return tell("berth_piece \(number) \(lines)\n")
        }
        // No code is a line of its own, too.
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

    /// An event was taken: what is written from now on comes after it.
    func acknowledgeEvent() { tell("ack\n") }

    /// Has it make the first of `copies`.
    func beginCopy(now: UInt64) {
        guard let number = copies.first else { return }
        state = .copying
        kill(at: now + Context.copyLimit, "it did not copy itself in time")
        tell("fork \(number) 0\n\n")
    }

    /// - Returns: false where the copy is not made.
    func sendEnds(to copy: Context) -> Bool {
        guard unsent.isEmpty, let ends = copy.takeEnds() else { return false }
        let all = [ends.stdin.raw, ends.stdout.raw, ends.stderr.raw, ends.control.raw]
        return berth_send_descriptors(control.raw, all, Int32(all.count)) == 0
    }

    /// There is no copy to be made any more.
    func refuseEnds() { tell("\n") }

    /// It has copied itself, or has not.
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

    /// It is to end: who waits for the next piece finds that there is none.
    func closeControl() {
        isClosing = true
        shutdown(control.raw, Int32(SHUT_RDWR))
    }

    // MARK: What it says

    /// Reads once what it has said.
    /// - Returns: false when there is no more for now, or no room.
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
            // Its end: nobody has the other end any more. Mostly because the interpreter has ended, which is about to be told.
            if count == 0 || errno != EAGAIN { kill(at: monotonicNow() + Context.patience, "it closed its control") }
            return false
        }
    }

    /// An event begins: what the pipes hold was written before it.
    func beginEvent(stdout: Int, stderr: Int) { ahead = (stdout, stderr) }

    /// Bytes of output were read.
    func passed(_ count: Int, isStdout: Bool) {
        if isStdout { ahead.stdout = max(0, ahead.stdout - count) } else { ahead.stderr = max(0, ahead.stderr - count) }
    }

    /// There was nothing to read: what was there has been taken by somebody else.
    func foundEmpty(isStdout: Bool) { if isStdout { ahead.stdout = 0 } else { ahead.stderr = 0 } }

    // MARK: Standard input

    /// A writing end of standard input, for a piece that has one.
    func openInput() throws(SystemError) -> Descriptor {
        try Pipe.end(of: stdin.raw, owner: uid, O_WRONLY)
    }

    /// A piece has ended: what it has not read is nobody's. A program that keeps the pipe full does so for itself alone.
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
