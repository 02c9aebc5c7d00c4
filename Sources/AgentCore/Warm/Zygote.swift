// SPDX-License-Identifier: Apache-2.0

internal import AgentSchema
internal import BerthSchema
internal import CAgent
internal import Glibc

/// The agent's side of an interpreter that forks programs. It is root, with no right but to change its user, so programs can
/// neither signal nor read it; and no code of theirs runs in it, only in what it has forked.
final class Zygote {
    enum State {
        /// It imports what it is to import; the call on this stream waits for that.
        case warming(streamID: UInt32, due: UInt64)
        case ready
        /// Programs of its language are executed.
        case ended
    }

    /// Variables that decide at the start of an interpreter how it works: a program with others can't be forked.
    private static let decisive = ["PYTHON", "LC_", "LANG", "LD_", "GLIBC_", "MALLOC_", "OPENBLAS", "OMP_", "MKL_"]
    static let maxFailure = 16 << 10

    let language: String
    let pid: pid_t
    let start: UInt64
    var state: State
    private let control: Descriptor
    private let errors: Descriptor
    private var unsent: [UInt8]
    private var received: [UInt8] = []
    private let variables: [SystemString]
    /// When the process began, in the kernel's ticks: another one with its number began at another time.
    private var began: UInt64 = 0
    /// Forked beforehand, for the next program.
    var spare: Newborn?

    /// Starts the interpreter.
    static func start(
        _ request: Agent.WarmRequest, _ streamID: UInt32, now: UInt64
    ) throws(ZygoteFailure) -> Zygote {
        let program = Program(
            Agent.ExecuteRequest(execution: 0, argv: request.argv, env: request.env, cwd: request.cwd))
        do throws(SystemError) {
            let sockets = try SocketPair()
            let pipe = try Pipe(owner: getuid())
            try pipe.input.makeNonblocking()
            // At numbers that the child's own do not overwrite.
            let null = try Descriptor(open("/dev/null", O_RDWR | O_CLOEXEC), of: "open /dev/null")
            let input = try Descriptor.copy(of: null.raw, minimum: 64)
            let control = try Descriptor.copy(of: sockets.theirs.raw, minimum: 64)
            let error = try Descriptor.copy(of: pipe.output.raw, minimum: 64)
            var failure = berth_failure()
            let pid = program.withC(oomScore: nil) { c in
                c.input = input.raw
                c.output = input.raw
                c.error = error.raw
                c.control = -1
                c.context = control.raw
                return berth_start_zygote(&c, &failure)
            }
            if pid > 0 {
                return Zygote(request, streamID, now: now, pid: pid, control: sockets.ours, errors: pipe.input)
            }
            throw SystemError("", -failure.error)
        } catch {
            let words = "\(request.argv.first?.description ?? ""): \(String(cString: strerror(error.number)))"
            throw ZygoteFailure(error.call.utf8CodeUnitCount == 0 ? words : error.words)
        }
    }

    /// - Parameter control: the agent's end of its socket; likewise `errors`, of its standard error.
    private init(
        _ request: Agent.WarmRequest, _ streamID: UInt32, now: UInt64, pid: pid_t, control: consuming Descriptor,
        errors: consuming Descriptor
    ) {
        language = request.language
        start = now
        state = .warming(streamID: streamID, due: now + min(request.timeoutMilliseconds, 3_600_000) * 1_000_000)
        unsent = request.source
        variables = Zygote.decisive(of: request.env)
        self.pid = pid
        self.control = control
        self.errors = errors
        var state = berth_process_state()
        if berth_get_process_state(pid, &state) == 0 { began = state.started }
    }

    var raw: Int32 { control.raw }

    var isReady: Bool { if case .ready = state { true } else { false } }

    private static func decisive(of variables: [SystemString]) -> [SystemString] {
        variables.filter { variable in decisive.contains { variable.hasPrefix($0) } }
    }

    /// Whether a program can be forked as it would be executed.
    func canBecome(_ request: Agent.ExecuteRequest) -> Bool {
        guard isReady, request.terminal == nil, !request.keepsBackground else { return false }
        let variables = Zygote.decisive(of: request.env)
        return variables.count == self.variables.count && variables.allSatisfy(self.variables.contains)
    }

    // MARK: Warming

    /// Writes what it still has to read, and reads what it has answered.
    /// - Returns: its version, once it is ready; an error if it has failed; else nil.
    func warm() throws(ZygoteFailure) -> String? {
        while !unsent.isEmpty {
            let count = unsent.withUnsafeBytes {
                send(control.raw, $0.baseAddress, $0.count, Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL))
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { break }
            unsent.removeFirst(count)
        }
        var room = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = recv(control.raw, &room, room.count, Int32(MSG_DONTWAIT))
            if count < 0, errno == EINTR { continue }
            if count < 0, errno == EAGAIN { break }
            guard count > 0 else { throw ZygoteFailure(words) }
            received += room[..<count]
            guard received.count <= Zygote.maxFailure + 1 else { throw ZygoteFailure(words) }
        }
        guard received.first == UInt8(ascii: "r"), received.last == UInt8(ascii: "\n") else { return nil }
        return String(decoding: received.dropFirst().dropLast(), as: UTF8.self)
    }

    /// Why it has failed.
    private var words: String {
        if received.first == UInt8(ascii: "f") { return String(decoding: received.dropFirst(), as: UTF8.self) }
        var last = [UInt8](repeating: 0, count: 4096)
        let count = read(errors.raw, &last, last.count)
        return "the interpreter ended before it was ready"
            + (count > 0 ? ":\n" + String(decoding: last[..<count], as: UTF8.self) : "")
    }

    // MARK: Forking

    /// Has it fork a process, which waits for what it is to become.
    func fork() -> Newborn? {
        guard isReady, let pair = try? SocketPair() else { return nil }
        guard berth_send_descriptors(control.raw, [pair.theirs.raw], 1) == 0 else { return nil }
        return Newborn(pair.ours)
    }

    func takeNewborn() -> Newborn? {
        spare?.look()
        // One that has ended meanwhile is of no use.
        if let spare = spare.take(), spare.answer == nil { return spare }
        return fork()
    }

    func end() {
        state = .ended
        spare = nil
        kill(pid, SIGKILL)
    }

    /// Whether it is as it was when it had become ready, with nothing of a program in it.
    var isClean: Bool {
        var state = berth_process_state()
        return isReady && berth_get_process_state(pid, &state) == 0 && state.started == began && state.threads == 1
            && berth_process_has_children(pid) == 0
    }
}

/// Why there is no zygote, in words.
struct ZygoteFailure: Error {
    let words: String

    init(_ words: String) { self.words = words }
}

/// Both ends of a socket.
struct SocketPair: ~Copyable {
    let ours: Descriptor
    let theirs: Descriptor

    init() throws(SystemError) {
        var ends: [Int32] = [-1, -1]
        guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &ends) == 0 else {
            throw SystemError("socketpair")
        }
        ours = Descriptor(ends[0])
        theirs = Descriptor(ends[1])
    }
}
