// SPDX-License-Identifier: Apache-2.0

import AgentSchema
import BerthSchema
import BerthWire
import CLinux
import Glibc
import TestSupport

/// A real berth-agent at the other end of a socket or of two pipes, as its server sees it. Calls block, with a
/// deadline. When this object is deallocated, the stream ends, and so does everything that the agent has started.
final class AgentProcess {
    enum Stream { case socket, pipes }

    /// How programs are started: by a supervisor, or directly by the agent, as in a container that has no other
    /// process.
    enum Way: CaseIterable { case supervised, direct }

    struct TimedOut: Error {}
    struct StreamEnded: Error {
        /// The wait status; nil while the agent runs.
        var exitStatus: Int32?
    }
    struct Refused: Error { let status: Status? }

    struct Frame {
        let header: FrameHeader
        let data: [UInt8]
    }

    /// All events of one execution.
    struct Outcome {
        var pid: UInt32?
        var stdout: [UInt8] = []
        var stderr: [UInt8] = []
        var ended: Agent.Ended

        var text: String { String(decoding: stdout, as: UTF8.self) }
        var errorText: String { String(decoding: stderr, as: UTF8.self) }
    }

    let pid: pid_t
    let input: Int32
    let output: Int32
    private let isWrapped: Bool
    private var isOpen = true
    private var nextStreamID: UInt32 = 1001
    private var nextExecution: UInt64 = 1
    private var buffer: [UInt8] = []
    private var pending: [UInt32: [Frame]] = [:]

    convenience init(_ way: Way) throws { try self.init(.socket, way) }

    /// Starts an agent that starts programs in this way.
    convenience init(_ stream: Stream, _ way: Way) throws {
        let namespace = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
        try self.init(stream, wrapper: way == .direct ? namespace : [])
    }

    /// - Parameter wrapper: a command that runs the agent, for example in a namespace.
    init(_ stream: Stream = .socket, wrapper: [String] = []) throws {
        isWrapped = wrapper.first == "unshare"
        let agent = try BuildProducts.program("berth-agent")
        var toAgent: [Int32] = [-1, -1]
        var fromAgent: [Int32] = [-1, -1]
        let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
        switch stream {
        case .socket:
            guard socketpair(AF_UNIX, type, 0, &toAgent) == 0 else { throw StreamEnded() }
            fromAgent = toAgent
        case .pipes:
            guard berth_pipe(&toAgent) == 0, berth_pipe(&fromAgent) == 0 else { throw StreamEnded() }
            toAgent.swapAt(0, 1)
        }
        input = toAgent[0]
        output = fromAgent[0]
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, toAgent[1], 0)
        posix_spawn_file_actions_adddup2(&actions, fromAgent[1], 1)
        let command = wrapper + [agent, "--stdio"]
        var arguments: [UnsafeMutablePointer<CChar>?] = command.map { strdup($0) } + [nil]
        defer { for argument in arguments { free(argument) } }
        var spawned: pid_t = 0
        let result = posix_spawnp(&spawned, command[0], &actions, nil, &arguments, environ)
        for end in Set([toAgent[1], fromAgent[1]]) { close(end) }
        guard result == 0 else { throw MissingPart(command[0]) }
        pid = spawned
    }

    deinit {
        closeStream()
        if !waitForExit(within: 5) {
            kill(pid, SIGKILL)
            waitpid(pid, nil, 0)
        }
    }

    func closeStream() {
        guard isOpen else { return }
        isOpen = false
        for end in Set([input, output]) { close(end) }
    }

    private var exitStatus: Int32?

    /// - Returns: whether the agent ended in time.
    func waitForExit(within seconds: Int) -> Bool {
        if exitStatus != nil { return true }
        for _ in 0..<(seconds * 1000) {
            var status: Int32 = 0
            if waitpid(pid, &status, WNOHANG) == pid {
                exitStatus = status
                return true
            }
            usleep(1000)
        }
        return false
    }

    /// Whether a process of the agent's namespace exists, also as a zombie.
    func isThere(_ program: Int32) -> Bool {
        guard isWrapped else { return AgentCoreTests.isThere(program) }
        return access("/proc/\(children(of: "\(pid)"))/root/proc/\(program)", F_OK) == 0
    }

    /// Whether the agent has children that it has not reaped. It handles the reports of a child before it reaps it, so
    /// before any later request.
    var hasChildren: Bool { !children(of: isWrapped ? children(of: "\(pid)") : "\(pid)").isEmpty }

    private func children(of process: String) -> String {
        String(decoding: contents("/proc/\(process)/task/\(process)/children").dropLast(), as: UTF8.self)
    }

    // MARK: Frames

    func send(raw bytes: [UInt8]) throws {
        var start = 0
        while start < bytes.count {
            let count = bytes.withUnsafeBytes { raw in
                input == output
                    ? Glibc.send(input, raw.baseAddress.map { $0 + start }, raw.count - start, Int32(MSG_NOSIGNAL))
                    : write(input, raw.baseAddress.map { $0 + start }, raw.count - start)
            }
            guard count > 0 else { throw StreamEnded() }
            start += count
        }
    }

    func send(_ data: [UInt8], _ type: FrameType, flags: FrameFlags = [], streamID: UInt32) throws {
        var bytes = [UInt8](repeating: 0, count: FrameHeader.size)
        bytes.withUnsafeMutableBytes {
            FrameHeader(length: UInt32(data.count), streamID: streamID, type: type, flags: flags).encode(into: $0)
        }
        try send(raw: bytes + data)
    }

    /// Waits for the next frame of a stream.
    func frame(of streamID: UInt32, within seconds: Int = 20) throws -> Frame {
        let deadline = ContinuousClock.now + .seconds(seconds)
        while true {
            if let first = pending[streamID]?.first {
                pending[streamID]?.removeFirst()
                return first
            }
            try receive(until: deadline)
        }
    }

    /// Waits for a frame of the stream; nil if none comes within `milliseconds`.
    func frameIfAny(of streamID: UInt32, within milliseconds: Int) throws -> Frame? {
        let deadline = ContinuousClock.now + .milliseconds(milliseconds)
        while pending[streamID]?.isEmpty ?? true {
            do { try receive(until: deadline) } catch is TimedOut { return nil }
        }
        return pending[streamID]?.removeFirst()
    }

    private func receive(until deadline: ContinuousClock.Instant) throws {
        var ready = pollfd(fd: output, events: Int16(POLLIN), revents: 0)
        let left = deadline - ContinuousClock.now
        let milliseconds = max(
            0, Int32(left.components.seconds * 1000 + left.components.attoseconds / 1_000_000_000_000_000))
        guard poll(&ready, 1, milliseconds) > 0 else { throw TimedOut() }
        let chunk = [UInt8](unsafeUninitializedCapacity: 256 << 10) {
            $1 = max(0, read(output, $0.baseAddress, $0.count))
        }
        guard !chunk.isEmpty else {
            // Why it ended is what a failed test is asked first.
            _ = waitForExit(within: 1)
            throw StreamEnded(exitStatus: exitStatus)
        }
        buffer += chunk
        var start = 0
        var decoder = FrameDecoder()
        loop: while true {
            let step = buffer.withUnsafeBytes { decoder.next(UnsafeRawBufferPointer(rebasing: $0[start...])) }
            guard case .frame(let header, let data) = step else { break loop }
            let content = Array(buffer[(start + data.lowerBound)..<(start + data.upperBound)])
            pending[header.streamID, default: []].append(Frame(header: header, data: content))
            start += data.upperBound
        }
        buffer.removeFirst(start)
    }

    // MARK: Calls

    @discardableResult
    func open(_ method: String, _ payload: [UInt8], flags: FrameFlags = [], service: String = AgentService.name) throws
        -> UInt32
    {
        defer { nextStreamID += 2 }
        let request = Request(service: service, method: method, payload: payload)
        try send(request.encoded(), .request, flags: flags, streamID: nextStreamID)
        return nextStreamID
    }

    func response(_ streamID: UInt32) throws -> Response {
        let frame = try frame(of: streamID)
        guard frame.header.type == .response else { throw Refused(status: nil) }
        return try Response(decoding: frame.data)
    }

    func call(_ method: String, _ message: some Message) throws -> Response {
        try response(try open(method, message.encoded()))
    }

    func acknowledge(_ execution: UInt64, _ bytes: Int) throws {
        _ = try call("Acknowledge", Agent.AcknowledgeRequest(execution: execution, bytes: UInt64(bytes)))
    }

    func signal(_ execution: UInt64, _ signal: Int32, grace: UInt64 = 0) throws {
        _ = try call("Signal", Agent.SignalRequest(execution: execution, signal: signal, graceMilliseconds: grace))
    }

    // MARK: Executions

    /// Starts a program; `change` may change the request.
    func start(
        _ argv: [String], _ change: (inout Agent.ExecuteRequest) -> Void = { _ in }
    ) throws -> (execution: UInt64, streamID: UInt32) {
        try start(system: argv.map { SystemString($0) }, change)
    }

    func start(
        system argv: [SystemString], _ change: (inout Agent.ExecuteRequest) -> Void = { _ in }
    ) throws -> (execution: UInt64, streamID: UInt32) {
        var request = Agent.ExecuteRequest(
            execution: nextExecution, argv: argv, env: ["PATH=/usr/bin:/bin"], uid: getuid(), gid: getgid())
        change(&request)
        nextExecution += 1
        return (request.execution, try open("Execute", request.encoded(), flags: .remoteClosed))
    }

    /// Starts a shell script.
    func start(
        shell script: String, _ change: (inout Agent.ExecuteRequest) -> Void = { _ in }
    ) throws -> (execution: UInt64, streamID: UInt32) {
        try start(["sh", "-c", script], change)
    }

    /// Waits for the next event of the stream; nil at its end.
    func event(_ streamID: UInt32, within seconds: Int = 20) throws -> Agent.ExecuteEvent? {
        let frame = try frame(of: streamID, within: seconds)
        if frame.header.type == .response { throw Refused(status: try Response(decoding: frame.data).status) }
        if frame.header.flags.contains(.noData) { return nil }
        return try Agent.ExecuteEvent(decoding: frame.data)
    }

    /// Reads and acknowledges output until there are `count` bytes of stdout.
    func stdout(_ started: (execution: UInt64, streamID: UInt32), count: Int) throws -> String {
        var text: [UInt8] = []
        while text.count < count {
            guard case .some(let event) = try event(started.streamID) else { throw StreamEnded() }
            guard case .output(let output) = event else { continue }
            try acknowledge(started.execution, output.data.count)
            text += output.data
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// Reads and acknowledges all output to the end. Checks that the offsets have no gaps.
    func finish(_ started: (execution: UInt64, streamID: UInt32), stdoutFrom: Int = 0) throws -> Outcome {
        var outcome = Outcome(ended: Agent.Ended(cause: .unspecified))
        var unacknowledged = 0
        while let event = try event(started.streamID, within: 60) {
            switch event {
            case .started(let started): outcome.pid = started.pid
            case .output(let output):
                let expected = output.stream == 0 ? outcome.stdout.count + stdoutFrom : outcome.stderr.count
                guard Int(output.offset) == expected, !output.data.isEmpty, output.data.count <= 64 << 10 else {
                    throw StreamEnded()
                }
                if output.stream == 0 { outcome.stdout += output.data } else { outcome.stderr += output.data }
                unacknowledged += output.data.count
                if unacknowledged >= 64 << 10 {
                    _ = try open(
                        "Acknowledge",
                        Agent.AcknowledgeRequest(execution: started.execution, bytes: UInt64(unacknowledged)).encoded())
                    unacknowledged = 0
                }
            case .ended(let ended): outcome.ended = ended
            case .outputEnded, .unknown: throw StreamEnded()
            }
        }
        return outcome
    }

    func run(_ argv: [String], _ change: (inout Agent.ExecuteRequest) -> Void = { _ in }) throws -> Outcome {
        try finish(try start(argv, change))
    }

    func run(shell script: String, _ change: (inout Agent.ExecuteRequest) -> Void = { _ in }) throws -> Outcome {
        try finish(try start(shell: script, change))
    }
}

/// Whether a process exists, also as a zombie.
func isThere(_ pid: Int32) -> Bool { kill(pid, 0) == 0 || errno == EPERM }
