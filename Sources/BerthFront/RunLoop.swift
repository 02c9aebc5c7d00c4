// SPDX-License-Identifier: Apache-2.0

import BerthSchema
import BerthWire
import Console

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Runs one execution until its end: its output, its input and signals.
struct RunLoop: ~Copyable {
    /// Maximum bytes of output that may wait here for the reader.
    static let window = 512 << 10
    /// Milliseconds between a signal to end and a more urgent one.
    private static let patience: Int64 = 2000

    private enum Ending {
        case ended(Ended)
        case failed(String)
    }

    private var connection: Connection
    private let lease: String
    private let stream: UInt32
    private let arrivals = SignalPipe(taking: [SIGINT, SIGTERM])
    private let arena = Arena()
    private var execution: Started?
    private var outputs = Outputs()
    private var input: Input?
    /// The end, which is reported after all output was written.
    private var ending: Ending?

    private var signals = 0
    private var firstSignal: Int32?
    private var nextUrge: Int64?
    private var watchdog = Watchdog()

    init(_ connection: consuming Connection, _ request: ExecuteRequest) {
        self.connection = connection
        lease = request.lease
        if request.keepsStdinOpen { input = Input() }
        stream = self.connection.call(PoolService.execute, request)
    }

    /// Runs to the end and returns the exit code.
    mutating func run() -> Int32 {
        do throws(OutputFailure) {
            while true {
                connection.send()
                if let status = status { return status }
                if let status = try wait() { return status }
            }
        } catch {
            // In a pipeline of a shell, SIGPIPE or the failed write would have ended the program, too.
            signalProgram(SIGKILL)
            connection.send()
            error.exit()
        }
    }

    /// The exit code; nil while there is something to do.
    private var status: Int32? {
        guard let ending, outputs.full == nil else { return nil }
        switch ending {
        case .ended(let ended):
            for words in ended.words { printError(words) }
            return ended.exitStatus(interruptedBy: firstSignal)
        case .failed(let message):
            printError(message)
            return ExitStatus.ownFailure
        }
    }

    private mutating func fail(_ message: String) {
        if ending == nil { ending = .failed(message) }
    }

    // MARK: Waiting

    /// Waits for events and handles them. Returns the exit code if this program has to end at once.
    private mutating func wait() throws(OutputFailure) -> Int32? {
        let reads = Int16(POLLIN)
        let writes = Int16(POLLOUT)
        var polled = [pollfd(fd: arrivals.descriptor, events: reads, revents: 0)]
        // poll(2) ignores negative descriptors.
        polled.append(
            pollfd(
                fd: ending == nil ? connection.socket : -1, events: reads | (connection.hasUnsent ? writes : 0),
                revents: 0))
        let wantsInput = execution != nil && ending == nil && input?.wantsMore == true
        polled.append(pollfd(fd: wantsInput ? STDIN_FILENO : -1, events: reads, revents: 0))
        polled.append(pollfd(fd: outputs.full ?? -1, events: writes, revents: 0))
        let limit = max(0, min(watchdog.next, nextUrge ?? .max) - Watchdog.now())
        guard poll(&polled, nfds_t(polled.count), Int32(clamping: limit)) >= 0 else { return nil }

        if polled[0].revents != 0, let number = arrivals.next(), let status = end(number) { return status }
        if polled[1].revents & ~writes != 0 { try receive() }
        if polled[2].revents != 0 { input?.read() }
        if polled[3].revents != 0 { try outputs.write() }
        sendInput()
        giveCredit()
        return passed()
    }

    /// Does what is due by now.
    private mutating func passed() -> Int32? {
        if let words = watchdog.look(&connection) { fail(words) }
        guard let urge = nextUrge, let firstSignal else { return nil }
        guard outputs.full == nil else {
            // While nobody reads the output, the program may have ended without this program's knowledge. Then a KILL would
            // only cost the last of its output. Signals that come meanwhile are passed on all the same.
            nextUrge = Watchdog.now() + RunLoop.patience
            return nil
        }
        return Watchdog.now() >= urge ? end(firstSignal) : nil
    }

    // MARK: Events

    private mutating func receive() throws(OutputFailure) {
        do throws(Connection.Lost) {
            try connection.receive()
        } catch {
            fail(error.message)
        }
        watchdog.heard()
        while ending == nil, let frame = nextFrame() { try take(frame) }
    }

    private mutating func nextFrame() -> Connection.Frame? {
        do throws(Connection.Lost) {
            return try connection.next()
        } catch {
            fail(error.message)
            return nil
        }
    }

    private mutating func take(_ frame: Connection.Frame) throws(OutputFailure) {
        switch frame.header.type {
        case .data where frame.header.streamID == stream:
            if !frame.header.flags.contains(.noData) { try takeEvent(frame.data) }
            if frame.header.flags.contains(.remoteClosed) { fail("the server ended the stream without its end") }
        case .response where frame.header.streamID == stream: takeEnd(frame.data)
        case .response: _ = input?.takes(frame.header.streamID, frame.data)
        default: break
        }
    }

    private mutating func takeEvent(_ data: UnsafeRawBufferPointer) throws(OutputFailure) {
        var range = 0..<0
        if let head = OutputHead(reading: data, data: &range) {
            try outputs.write(UnsafeRawBufferPointer(rebasing: data[range]), head)
            if outputs.waitingBytes > RunLoop.window { fail("the server sent more than the stream's window allows") }
            return
        }
        do throws(SchemaError) {
            switch try ExecuteEvent(decoding: data, arena: arena) {
            case .started(let started): execution = started
            case .ended(let ended): ending = .ended(ended)
            case .dropped(let dropped):
                printError(dropped.words)
                outputs.skip(dropped)
            case .output, .display, .failure, .prompt, .outputEnded, .unknown: break
            }
        } catch {
            fail("the server sent \(error)")
        }
    }

    /// Handles a Response, with which only a failed call ends.
    private mutating func takeEnd(_ data: UnsafeRawBufferPointer) {
        var payload = 0..<0
        do throws(SchemaError) {
            let head = try ResponseHead(reading: data, payload: &payload)
            fail(head.status.map(\.message) ?? "the server ended the stream without its end")
        } catch {
            fail("the connection was closed because the peer broke the protocol: \(error)")
        }
    }

    // MARK: Calls

    private mutating func sendInput() {
        guard let execution, ending == nil else { return }
        input?.send(&connection, execution.execution, lease: lease)
    }

    private mutating func giveCredit() {
        guard let execution, ending == nil, outputs.takesCredit(window: RunLoop.window) else { return }
        connection.call(
            PoolService.acknowledge,
            AcknowledgeRequest(
                lease: lease, execution: execution.execution, watcher: execution.watcher,
                stdoutOffset: outputs.stdoutOffset, stderrOffset: outputs.stderrOffset))
    }

    private mutating func signalProgram(_ number: Int32) {
        guard let execution else { return }
        connection.call(
            PoolService.signal, SignalRequest(lease: lease, execution: execution.execution, signal: number))
    }

    /// Handles a signal that asks this program to end: the first one is sent to the program, the second kills it, with
    /// the third this program leaves. Returns the exit code if it leaves, which it does at once before the start.
    private mutating func end(_ number: Int32) -> Int32? {
        signals += 1
        firstSignal = firstSignal ?? number
        guard execution != nil, signals < 3 else { return 128 + number }
        nextUrge = Watchdog.now() + RunLoop.patience
        signalProgram(signals == 1 ? number : SIGKILL)
        return nil
    }
}
