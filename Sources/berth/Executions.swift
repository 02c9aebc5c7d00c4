import ArgumentParser
import BerthClient
import Schema

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

struct Executions: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List what runs in a lease, and what has ended and is still kept.")

    @OptionGroup var server: ServerOptions

    @Option(help: ArgumentHelp("The lease, from berth acquire.", valueName: "token"))
    var lease: String

    @Flag(help: "Print JSON, one execution a line.")
    var json = false

    mutating func run() async throws {
        try await server.call { [lease, json] client in
            let executions = try await client.executions(in: Lease(token: lease))
            let lines =
                json
                ? executions.map { JSON.line(ExecutionLine($0)) }
                : ExecutionLine.table(executions.map { ExecutionLine($0) })
            try printText(lines.map { $0 + "\n" }.joined())
        }
    }
}

/// The names of pool.proto.
private struct ExecutionLine: Encodable {
    var execution: String
    var argv: [String]
    var age_ms: UInt64
    var watchers: UInt32
    var stdout_bytes, stderr_bytes, stdout_held_from, stderr_held_from: UInt64
    var resumable_ms: UInt32
    /// Nil while it runs.
    var cause: String?
    var exit_code, signal: Int32?

    init(_ info: ExecutionInfo) {
        execution = info.execution
        argv = info.argv
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

    private var state: String {
        guard let cause else { return "running" }
        if let signal { return "\(cause) \(signal)" }
        return exit_code.map { "\(cause) \($0)" } ?? cause
    }

    /// A header, and a line for each.
    static func table(_ executions: [ExecutionLine]) -> [String] {
        let rows =
            [["EXECUTION", "STATE", "AGE", "WATCHERS", "STDOUT", "STDERR", "COMMAND"]]
            + executions.map { line in
                [
                    line.execution, line.state, "\(line.age_ms / 1000)s", "\(line.watchers)", "\(line.stdout_bytes)",
                    "\(line.stderr_bytes)",
                    line.argv.map { $0.split(separator: "\n").joined(separator: " ") }
                        .joined(separator: " "),
                ]
            }
        let widths = rows[0].indices.dropLast().map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            zip(row, widths).map { $0 + String(repeating: " ", count: $1 - $0.count + 2) }.joined() + row[row.count - 1]
        }
    }
}

struct Signal: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Send a signal to a program, or end it.",
        discussion: """
              berth signal EXECUTION          ends it: TERM, a grace, KILL of everything it started
              berth signal EXECUTION USR1     by name or by number
            """)

    @OptionGroup var server: ServerOptions

    @Option(help: ArgumentHelp("The lease it runs in, if it was started in one.", valueName: "token"))
    var lease: String?

    @Argument(help: "The execution's id.")
    var execution: String

    @Argument(help: "INT, SIGINT or 2; left out, the program is ended.")
    var signal: String?

    mutating func run() async throws {
        do throws(BerthError) {
            let client = try await BerthClient.connect(to: try server.address())
            defer { client.close() }
            let watched = client.attach(execution, in: lease.map { Lease(token: $0) }, from: .now, observes: true)
            if let signal {
                try await watched.signal(Int32(signal).map { ProgramSignal($0) } ?? ProgramSignal(signal))
            } else {
                try await watched.cancel()
            }
        } catch {
            throw Failure(error.askingForLease(lease))
        }
    }
}
