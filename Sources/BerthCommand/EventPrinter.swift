// SPDX-License-Identifier: Apache-2.0

import Berth
import BerthSchema
import Console
import FoundationEssentials

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Prints the events of an execution as they arrive: the output of the program unchanged, or all events as JSON, one
/// per line.
struct EventPrinter {
    /// The part of a stream that is not printed yet: at most the first bytes of a character.
    private struct Tail {
        var characters = WholeCharacters()
        /// The offset of the first byte after it.
        var end: UInt64
    }

    let json: Bool
    private var tails: [OutputStream: Tail] = [:]

    init(json: Bool) {
        self.json = json
    }

    mutating func print(_ event: ExecuteEvent) throws(OutputFailure) {
        guard json else { return try printPlainly(event) }
        switch event {
        case .output(let output):
            if let tail = tails[output.stream], tail.end != output.offset { try printTail(of: output.stream) }
            var tail = tails[output.stream] ?? Tail(end: output.offset)
            let offset = tail.end - UInt64(tail.characters.held.count)
            let data = tail.characters.take(output.data)
            tail.end = output.offset + UInt64(output.data.count)
            tails[output.stream] = tail
            guard !data.isEmpty else { return }
            try print(EventLine(.output(Output(stream: output.stream, offset: offset, data: data))))
        case .dropped(let dropped):
            try printTail(of: dropped.stream)
            try print(EventLine(event))
        case .started, .ended, .display, .failure, .prompt, .outputEnded, .unknown:
            for stream in [OutputStream.stdout, .stderr] { try printTail(of: stream) }
            try print(EventLine(event))
        }
    }

    private mutating func printTail(of stream: OutputStream) throws(OutputFailure) {
        guard var tail = tails.removeValue(forKey: stream) else { return }
        let held = tail.characters.takeHeld()
        guard !held.isEmpty else { return }
        try print(
            EventLine(.output(Output(stream: stream, offset: tail.end - UInt64(held.count), data: held))))
    }

    private func print(_ line: EventLine?) throws(OutputFailure) {
        if let line { try printLine(JSON.line(line)) }
    }

    private func printPlainly(_ event: ExecuteEvent) throws(OutputFailure) {
        switch event {
        case .output(let output):
            try printBytes(output.data, to: output.stream == .stdout ? STDOUT_FILENO : STDERR_FILENO)
        case .dropped(let dropped):
            printError(dropped.words)
        case .display(let display):
            var printer = ShownPrinter()
            try printer.print(display)
        case .failure(let failure): ShownPrinter().print(failure)
        case .prompt(let prompt): _ = writeAll(Array(prompt.text.printable.utf8), to: STDERR_FILENO)
        case .started, .ended, .outputEnded, .unknown: break
        }
    }
}

/// One event as JSON. Text is in `text`, other bytes in `base64`; no character is split between two events.
private struct EventLine: Encodable {
    var event: String
    var execution: String?
    var member: String?
    var stream: String?
    var offset: UInt64?
    var bytes: UInt64?
    var text: String?
    var base64: String?
    var cause: String?
    var startFailure: String?
    var exitCode: Int32?
    var signal: Int32?
    var message: String?
    var wallMicroseconds: UInt64?
    var userMicroseconds: UInt64?
    var systemMicroseconds: UInt64?
    var peakMemoryBytes: UInt64?
    var stdoutBytes: UInt64?
    var stderrBytes: UInt64?
    var stdoutTruncated: UInt64?
    var stderrTruncated: UInt64?
    var outOfMemoryKills: UInt64?
    var contextLost: Bool?
    var position: UInt64?
    var id: String?
    var update: Bool?
    var result: Bool?
    /// The formats of a display by MIME type: text unchanged, the others in base64.
    var data: [String: String]?
    var leftOut: [String: UInt64]?
    var name: String?
    var traceback: [String]?
    var password: Bool?
    var warm: Bool?

    enum CodingKeys: String, CodingKey {
        case event, execution, member, stream, offset, bytes, text, base64, cause, signal, message
        case position, id, update, result, data, name, traceback, password, warm
        case contextLost = "context_lost"
        case leftOut = "left_out"
        case startFailure = "start_failure"
        case exitCode = "exit_code"
        case wallMicroseconds = "wall_us"
        case userMicroseconds = "user_us"
        case systemMicroseconds = "system_us"
        case peakMemoryBytes = "peak_memory_bytes"
        case stdoutBytes = "stdout_bytes"
        case stderrBytes = "stderr_bytes"
        case stdoutTruncated = "stdout_truncated"
        case stderrTruncated = "stderr_truncated"
        case outOfMemoryKills = "out_of_memory_kills"
    }

    init?(_ event: ExecuteEvent) {
        self.event = ""
        switch event {
        case .started(let started):
            self.event = "started"
            execution = started.execution
            member = started.member
            if started.isWarm { warm = true }
        case .output(let output):
            self.event = "output"
            stream = output.stream.name
            offset = output.offset
            if let valid = String(validating: output.data, as: UTF8.self) {
                text = valid
            } else {
                base64 = Data(output.data).base64EncodedString()
            }
        case .ended(let ended):
            set(ended)
        case .dropped(let dropped):
            self.event = "dropped"
            stream = dropped.stream.name
            offset = dropped.offset
            bytes = dropped.bytes
        case .display(let display):
            set(display)
        case .failure(let failure):
            self.event = "failure"
            position = failure.position
            name = failure.name
            message = failure.message
            traceback = failure.traceback
        case .prompt(let prompt):
            self.event = "prompt"
            position = prompt.position
            text = prompt.text
            if prompt.isPassword { password = true }
        case .outputEnded(let end):
            self.event = "output_ended"
            stream = end.stream.name
            offset = end.offset
        case .unknown:
            return nil
        }
    }

    private mutating func set(_ ended: Ended) {
        event = "ended"
        cause = ended.cause.name
        if ended.cause == .exited || ended.signal == 0, ended.cause != .startFailed { exitCode = ended.exitCode }
        if ended.cause == .startFailed { startFailure = ended.startFailure.name }
        if ended.signal != 0 { signal = ended.signal }
        if !ended.message.isEmpty { message = ended.message }
        wallMicroseconds = ended.usage.wallMicroseconds
        userMicroseconds = ended.usage.userMicroseconds
        systemMicroseconds = ended.usage.systemMicroseconds
        peakMemoryBytes = ended.usage.peakMemoryBytes
        stdoutBytes = ended.stdoutBytes
        stderrBytes = ended.stderrBytes
        if ended.stdoutTruncated > 0 { stdoutTruncated = ended.stdoutTruncated }
        if ended.stderrTruncated > 0 { stderrTruncated = ended.stderrTruncated }
        if ended.outOfMemoryKills > 0 { outOfMemoryKills = ended.outOfMemoryKills }
        if ended.isContextLost { contextLost = true }
    }

    private mutating func set(_ display: Display) {
        event = "display"
        position = display.position
        if !display.id.isEmpty { id = display.id }
        if display.isUpdate { update = true }
        if display.isResult { result = true }
        data = Dictionary(
            display.data.map { form in
                let isText = ShownPrinter.isText(form.mime)
                return (
                    form.mime,
                    isText
                        ? String(decoding: form.data, as: UTF8.self) : Data(form.data).base64EncodedString()
                )
            }, uniquingKeysWith: { $1 })
        if !display.leftOut.isEmpty {
            leftOut = Dictionary(display.leftOut.map { ($0.mime, $0.bytes) }, uniquingKeysWith: { $1 })
        }
    }
}

extension EndCause {
    /// The name in pool.proto, in lower case.
    var name: String {
        switch self {
        case .unspecified: "unspecified"
        case .exited: "exited"
        case .signalled: "signalled"
        case .timedOut: "timed_out"
        case .outOfMemory: "out_of_memory"
        case .outputLimit: "output_limit"
        case .cancelled: "cancelled"
        case .containerLost: "container_lost"
        case .startFailed: "start_failed"
        case .draining: "draining"
        case .idleTimeout: "idle_timeout"
        case .cpuTimeLimit: "cpu_time_limit"
        case .contextLost: "context_lost"
        case .connectionReset: "connection_reset"
        }
    }
}

extension StartFailure {
    /// The name in pool.proto, in lower case.
    fileprivate var name: String {
        switch self {
        case .unspecified: "unspecified"
        case .programNotFound: "program_not_found"
        case .programNotExecutable: "program_not_executable"
        case .badWorkingDirectory: "bad_cwd"
        case .noResources: "no_resources"
        }
    }
}
