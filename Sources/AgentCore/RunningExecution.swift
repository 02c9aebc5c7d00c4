internal import CLinux
internal import Glibc
internal import Schema

/// An execution's processes and pipes, and the state machine that decides about them.
final class RunningExecution {
    let number: UInt64
    let streamID: UInt32
    let program: Program
    var machine: Execution
    /// Set by `start`.
    private(set) var supervisorPID: pid_t = 0
    /// The supervisor is gone without a word; its processes have become the agent's own children.
    private(set) var isLost = false
    private var supervisor: Supervisor?
    private var stdout: Descriptor?
    private var stderr: Descriptor?
    private var stdin: Descriptor?
    private var input: [UInt8]
    private var inputStart = 0
    /// The pipe had bytes, or its end, when last heard of.
    private var isReadable = (stdout: false, stderr: false)
    /// The container's count of kills for lack of memory when it started.
    private var killsBefore: UInt64?

    init(_ request: Agent.ExecuteRequest, streamID: UInt32) {
        number = request.execution
        self.streamID = streamID
        program = Program(request)
        machine = Execution(
            window: request.windowBytes, timeoutMilliseconds: request.timeoutMilliseconds,
            graceMilliseconds: request.graceMilliseconds)
        input = request.stdin
    }

    /// What an event of an execution's descriptor is about; the raw value is part of its token.
    enum Source: UInt64, CaseIterable {
        case control, stdout, stderr, stdin
    }

    /// Makes the pipes and forks the supervisor, which then starts the program.
    /// - Parameters:
    ///   - null: a descriptor of /dev/null.
    ///   - token: of an event's source.
    func start(
        null: Int32, oomScore: String?, outOfMemory: OutOfMemoryCounter, epoll: borrowing Epoll,
        token: (Source) -> UInt64
    ) throws(SystemError) {
        killsBefore = outOfMemory.count
        let outputPipe = try Pipe()
        let errorPipe = try Pipe()
        // Fewer turns between program and agent in bulk. Not every kernel or user may.
        _ = berth_set_pipe_size(outputPipe.output.raw, 256 << 10)
        let ours = try Descriptor.copy(of: outputPipe.input.raw, minimum: 3)
        let oursOfErrors = try Descriptor.copy(of: errorPipe.input.raw, minimum: 3)
        try ours.makeNonblocking()
        try oursOfErrors.makeNonblocking()
        let supervisor: Supervisor
        if input.isEmpty {
            supervisor = try Supervisor.fork(
                program, oomScore: oomScore, input: null, output: outputPipe.output.raw, error: errorPipe.output.raw)
        } else {
            let inputPipe = try Pipe()
            let feed = try Descriptor.copy(of: inputPipe.output.raw, minimum: 3)
            try feed.makeNonblocking()
            supervisor = try Supervisor.fork(
                program, oomScore: oomScore, input: inputPipe.input.raw, output: outputPipe.output.raw,
                error: errorPipe.output.raw)
            try epoll.add(feed.raw, EPOLLOUT, token: token(.stdin))
            stdin = consume feed
        }
        supervisorPID = supervisor.pid
        try epoll.add(supervisor.raw, EPOLLIN, token: token(.control))
        try epoll.add(ours.raw, EPOLLIN, token: token(.stdout))
        try epoll.add(oursOfErrors.raw, EPOLLIN, token: token(.stderr))
        self.supervisor = consume supervisor
        stdout = consume ours
        stderr = consume oursOfErrors
    }

    // MARK: Processes

    func reports() -> [Supervisor.Report] { supervisor?.reports() ?? [] }

    func signal(_ number: Int32) { supervisor?.signal(number) }
    func terminate() { supervisor?.terminate() }
    func kill() { supervisor?.kill() }

    /// The supervisor has no more to say.
    func dropSupervisor(isLost: Bool) {
        supervisor = nil
        self.isLost = isLost
    }

    func outOfMemoryKills(_ counter: OutOfMemoryCounter) -> UInt64 {
        guard let before = killsBefore, let now = counter.count, now > before else { return 0 }
        return now - before
    }

    // MARK: Input

    /// Writes what the pipe takes; closes it after the last byte, or when nobody reads any more.
    func feed() {
        guard let descriptor = stdin?.raw else { return }
        while inputStart < input.count {
            let count = input.withUnsafeBytes { bytes in
                write(descriptor, bytes.baseAddress.map { $0 + inputStart }, bytes.count - inputStart)
            }
            if count < 0 {
                if errno == EINTR { continue }
                if errno == EAGAIN { return }
                break
            }
            inputStart += count
        }
        stdin = nil
        input = []
    }

    // MARK: Output

    func becameReadable(_ stream: OutputStream) {
        if stream == .stdout { isReadable.stdout = true } else { isReadable.stderr = true }
    }

    /// A read of the stream's pipe would do something now, as far as is known.
    func wantsToRead(_ stream: OutputStream) -> Bool {
        (stream == .stdout ? isReadable.stdout : isReadable.stderr) && machine.allowance(stream) > 0
    }

    /// Reads once from a stream's pipe into `buffer`, which can take it.
    func pump(_ stream: OutputStream, into buffer: SendBuffer) -> [Execution.Action] {
        guard let descriptor = pipe(stream) else {
            setReadable(stream, false)
            return []
        }
        let count = buffer.appendOutput(
            from: descriptor, limit: machine.allowance(stream), stream: stream.rawValue,
            offset: machine.offset(stream), streamID: streamID)
        if count > 0 { return machine.didSend(count, of: stream) }
        if count < 0, errno == EINTR { return [] }
        setReadable(stream, false)
        if count < 0, errno == EAGAIN { return [] }
        if stream == .stdout { stdout = nil } else { stderr = nil }
        return machine.didClose(stream)
    }

    /// No process of the execution is left: the machine is told how much is still in the pipes.
    func seal() -> [Execution.Action] {
        stdin = nil
        becameReadable(.stdout)
        becameReadable(.stderr)
        return machine.sealed(stdout: bytesIn(.stdout), stderr: bytesIn(.stderr))
    }

    /// The container is being reset: it ends without its processes being waited for.
    func discard() -> [Execution.Action] {
        stdin = nil
        supervisor = nil
        return machine.discard(stdout: bytesIn(.stdout), stderr: bytesIn(.stderr))
    }

    private func bytesIn(_ stream: OutputStream) -> Int {
        guard let descriptor = pipe(stream) else { return 0 }
        var count: Int32 = 0
        return ioctl(descriptor, UInt(FIONREAD), &count) == 0 ? Int(count) : 0
    }

    private func pipe(_ stream: OutputStream) -> Int32? {
        stream == .stdout ? stdout?.raw : stderr?.raw
    }

    private func setReadable(_ stream: OutputStream, _ value: Bool) {
        if stream == .stdout { isReadable.stdout = value } else { isReadable.stderr = value }
    }
}
