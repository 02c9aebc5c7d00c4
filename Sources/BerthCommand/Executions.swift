// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Berth
import BerthSchema
import Console
import FoundationEssentials

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

struct Executions: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List the executions of a lease: those that run, and those that have ended and are still held.",
        aliases: ["ps"])

    @OptionGroup var server: ServerOptions

    @OptionGroup var leases: LeaseOptions

    @Flag(help: "Print JSON, one execution per line.")
    var json = false

    mutating func run() async throws {
        let lease = try leases.required()
        try await server.call { [json] client in
            let executions = try await client.executions(in: lease)
            let lines =
                json
                ? executions.map { JSON.line(ExecutionLine($0)) }
                : ExecutionLine.table(executions.map { ExecutionLine($0) })
            try printText(lines.map { $0 + "\n" }.joined())
        }
    }
}

/// An execution as JSON, with the names of pool.proto.
private struct ExecutionLine: Encodable {
    var execution: String
    var argv: [String]
    /// In base64; nil if all arguments are text.
    var argv_raw: [Data]?
    var age_ms: UInt64
    var watchers: UInt32
    var stdout_bytes, stderr_bytes, stdout_held_from, stderr_held_from: UInt64
    var resumable_ms: UInt32
    /// Nil while it runs.
    var cause: String?
    var exit_code, signal: Int32?

    init(_ info: ExecutionInfo) {
        execution = info.execution
        argv = info.argv.map(\.description)
        if info.argv.contains(where: { $0.text == nil }) { argv_raw = info.argv.map { Data($0.bytes) } }
        age_ms = info.ageMilliseconds
        watchers = info.watchers
        (stdout_bytes, stderr_bytes) = (info.stdoutBytes, info.stderrBytes)
        (stdout_held_from, stderr_held_from) = (info.stdoutHeldFrom, info.stderrHeldFrom)
        resumable_ms = info.resumableMilliseconds
        guard let ended = info.ended else { return }
        cause = ended.cause.name
        if ended.signal != 0 { signal = ended.signal }
        if ended.signal == 0, ended.cause != .startFailed { exit_code = ended.exitCode }
    }

    /// The command on one line, with blanks for line breaks, so that scripts are readable.
    private var command: String {
        let words = argv_raw.map { $0.map { Arguments.text(of: [UInt8]($0)) } } ?? argv
        return words.map { $0.split(separator: "\n").joined(separator: " ") }.joined(separator: " ")
    }

    private var state: String {
        guard let cause else { return "running" }
        if let signal { return "\(cause) \(signal)" }
        return exit_code.map { "\(cause) \($0)" } ?? cause
    }

    /// A table with a header and a line for each execution.
    static func table(_ executions: [ExecutionLine]) -> [String] {
        TextTable.lines(
            ["EXECUTION", "STATE", "AGE", "WATCHERS", "STDOUT", "STDERR", "COMMAND"],
            executions.map { line in
                [
                    line.execution, line.state, "\(line.age_ms / 1000)s", "\(line.watchers)", "\(line.stdout_bytes)",
                    "\(line.stderr_bytes)", line.command,
                ]
            })
    }
}

struct Signal: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Send a signal to a program, or end it.",
        discussion: """
              berth signal EXECUTION          end it: TERM, a grace, KILL to everything it started
              berth signal EXECUTION USR1     by name or by number
            """)

    @OptionGroup var server: ServerOptions

    @OptionGroup var leases: LeaseOptions

    @Option(
        help: "Time between TERM and KILL when the program is ended (default: the server's, 2s).",
        transform: DurationArgument.init(parsing:))
    var grace: DurationArgument?

    @Argument(help: "The execution's id.")
    var execution: String

    @Argument(help: "Signal to send: INT, SIGINT or 2; without one, the program is ended.")
    var signal: String?

    mutating func validate() throws {
        guard grace == nil || signal == nil else {
            throw ValidationError("--grace can't be used with a signal: it belongs to ending the program")
        }
    }

    mutating func run() async throws {
        let lease = try leases.optional()
        do throws(BerthError) {
            let client = try await BerthClient.connect(to: try server.address())
            defer { client.close() }
            let watched = client.attach(execution, in: lease, from: .now, observes: true)
            if let signal {
                try await watched.signal(Int32(signal).map { ProgramSignal($0) } ?? ProgramSignal(signal))
            } else {
                try await watched.cancel(grace: grace?.duration)
            }
        } catch {
            throw Failure(error.askingForLease(lease))
        }
    }
}
