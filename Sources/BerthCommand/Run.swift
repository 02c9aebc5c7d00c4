// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Berth
import BerthSchema
import Console

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

struct Run: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run a program in a warm container and stream its output.",
        discussion: """
            Acquires a container, runs the program in it, streams its output, and releases the container.

              berth run -- python3 -c 'print("hello")'
              berth run -it -- bash
              tar c . | berth run -i -- tar t
              berth run --shell 'ls /usr | wc -l'
              berth run --language python --code - < script.py
              berth run --resumable 10m --timeout 1h -- make

            Exits with the program's exit code; 128+n if signal n ended it, 124 if its time was up, 125 if Berth \
            itself failed, 126 if the program can't be executed, 127 if it was not found.
            Ctrl-C interrupts the program, which is killed if it does not end within 2 s. With -it, Ctrl-C goes to the \
            program, and Enter ~ . leaves.
            """)

    /// Time-out with a terminal, used when --timeout is not given.
    private static let terminalTimeout = Duration.seconds(8 * 3600)
    private static let detachedTime = Duration.seconds(600)
    private static let maxCode = 128 << 10 - 1

    @OptionGroup var server: ServerOptions

    @Option(help: "Pool to take the container from (default: the server's default pool).")
    var pool: String?

    @OptionGroup var leases: LeaseOptions

    @Option(
        help: "Maximum time to wait when no container is warm (default: the server's, 30s).",
        transform: DurationArgument.init(parsing:))
    var wait: DurationArgument?

    @Option(
        name: [.customShort("e"), .long],
        help: "Set an environment variable of the program: NAME=VALUE; may be repeated.")
    var env: [String] = []

    @Option(help: "The program's working directory (default: /workspace).")
    var cwd: String?

    @Option(help: ArgumentHelp("Run a line in the container's shell instead of a program.", valueName: "line"))
    var shell: String?

    @Option(help: ArgumentHelp("Run source text in --language instead of a program; - reads it.", valueName: "text"))
    var code: String?

    @Option(help: "Language of --code: python, sh, or one from the pool's configuration.")
    var language: String?

    @Option(
        help: ArgumentHelp(
            "With --lease and --code: the context that runs it, from berth context open.", valueName: "id"))
    var context: String?

    @Flag(name: [.customShort("i"), .long], help: "Send standard input to the program while it runs.")
    var interactive = false

    @Flag(name: [.customShort("t"), .long], help: "Give the program a terminal; with -i, connect this one to it.")
    var terminal = false

    @Option(
        help: "Time-out of the program: 250ms, 5s, 2m (default: the server's, 60s; 8h with -t).",
        transform: DurationArgument.init(parsing:))
    var timeout: DurationArgument?

    @Option(
        help: "Time between TERM and KILL when the program is ended (default: the server's, 2s).",
        transform: DurationArgument.init(parsing:))
    var grace: DurationArgument?

    @Option(
        help: "End the program when it has written nothing for this time.", transform: DurationArgument.init(parsing:))
    var idleTimeout: DurationArgument?

    @Option(help: "End the program when it has used this much CPU time.", transform: DurationArgument.init(parsing:))
    var cpuTime: DurationArgument?

    @Option(
        help: "Maximum of stdout and of stderr: 64k, 10m. More is cut off; with 10m,kill the program is ended.",
        transform: OutputLimitArgument.init(parsing:))
    var maxOutput: OutputLimitArgument?

    @Flag(help: "Send stderr and stdout through one pipe: all output comes on stdout, in the order of writing.")
    var merge = false

    @Flag(help: "With -t: do not echo what you type.")
    var noEcho = false

    @Flag(help: "With --lease: processes that the program leaves running live until the lease ends.")
    var keepBackground = false

    @Option(
        help: "Let the program outlive a lost connection for this time; berth reconnects and continues.",
        transform: DurationArgument.init(parsing:))
    var resumable: DurationArgument?

    @Option(
        help: ArgumentHelp(
            "With --resumable, when nobody watches and 1 MiB of output is held: drop the oldest, or wait.",
            valueName: "drop|wait"), transform: UnwatchedArgument.init(parsing:))
    var unwatched: UnwatchedArgument?

    @Flag(
        name: [.customShort("d"), .long],
        help: "Print the execution's id and exit; see berth attach. Implies --resumable 10m unless that is given.")
    var detach = false

    @Flag(help: "Print events as JSON, one per line.")
    var json = false

    @Argument(help: ArgumentHelp("The program and its arguments.", valueName: "command"))
    var command: [String] = []

    mutating func validate() throws {
        let given = (command.isEmpty ? 0 : 1) + (shell == nil ? 0 : 1) + (code == nil ? 0 : 1)
        guard given == 1 else {
            throw ValidationError(
                given == 0
                    ? "no command is given: berth run -- PROGRAM, --shell LINE or --code TEXT"
                    : "\(given) of a command, --shell and --code are given, but only one can be run")
        }
        if context != nil { try validateContext() }
        guard context != nil || (code == nil) == (language == nil) else {
            throw ValidationError(
                code == nil
                    ? "--language needs --code" : "--code needs --language")
        }
        guard code != "-" || !interactive else {
            throw ValidationError("--code - and -i can't be used together: both read standard input")
        }
        guard !leases.isGiven || pool == nil && wait == nil else {
            throw ValidationError("--lease can't be used with --pool or --wait: the lease has a container already")
        }
        guard !keepBackground || leases.isGiven || Arguments.variable("BERTH_LEASE") != nil else {
            throw ValidationError("--keep-background needs --lease: without one, the container ends with the program")
        }
        guard !noEcho || terminal else {
            throw ValidationError("--no-echo needs -t: without a terminal, nothing is echoed")
        }
        guard unwatched == nil || resumable != nil || detach else {
            throw ValidationError("--unwatched needs --resumable: other programs end when nobody watches")
        }
        for (flag, value) in [("--timeout", timeout), ("--idle-timeout", idleTimeout), ("--cpu-time", cpuTime)]
            + [("--resumable", resumable), ("--grace", grace)]
        {
            if let value, value.duration < .milliseconds(1) {
                throw ValidationError("\(flag) \(value) is less than 1ms, the minimum")
            }
        }
        for entry in env {
            guard let separator = entry.firstIndex(of: "="), separator != entry.startIndex else {
                throw ValidationError("--env \"\(entry)\" is not NAME=VALUE")
            }
        }
    }

    /// With --context, flags that the context has decided are not allowed.
    private func validateContext() throws {
        guard code != nil else { throw ValidationError("--context needs --code TEXT") }
        guard leases.isGiven || Arguments.variable("BERTH_LEASE") != nil else {
            throw ValidationError("--context needs --lease: a context belongs to a lease")
        }
        for (flag, isGiven) in [
            ("--language", language != nil), ("--env", !env.isEmpty), ("--cwd", cwd != nil), ("-t", terminal),
            ("--merge", merge), ("--keep-background", keepBackground),
        ] where isGiven {
            throw ValidationError("\(flag) can't be used with --context: it is set when the context is opened")
        }
    }

    mutating func run() async throws {
        throw ExitCode(try await Run.withOwnCode(execute))
    }

    /// Makes failures of `body` exit with 125, Berth's own failure.
    static func withOwnCode(_ body: () async throws -> Int32) async throws -> Int32 {
        do {
            return try await body()
        } catch let error as BerthError {
            throw Failure(error.message, code: ExitStatus.ownFailure)
        } catch let failure as Failure {
            throw Failure(failure.message, code: ExitStatus.ownFailure)
        }
    }

    private func execute() async throws -> Int32 {
        var program = try programToRun()
        let address = try server.address()
        // With --pool or --wait, BERTH_LEASE is ignored: the user wants a new container.
        let lease = try pool == nil && wait == nil ? leases.optional() : nil
        let client = try await BerthClient.connect(to: address)
        if context != nil, let lease { program.program = try piece(program.program, lease) }
        let execution =
            lease.map { client.execute(program, in: $0) }
            ?? client.execute(program, pool: pool, wait: wait?.duration)
        guard !detach else {
            defer { client.close() }
            try printLine(try await execution.id.printable)
            return 0
        }
        let session = RunSession(
            RunSession.Settings(
                address: address, json: json, sendsInput: interactive, hasTerminal: terminal,
                resumable: program.resumable),
            client: client, execution: execution)
        return try await session.run()
    }

    private func programToRun() throws -> Command {
        var variables: [String: String] = [:]
        // If a variable is given twice, the last value counts.
        var others: [String: SystemString] = [:]
        for entry in env {
            guard let separator = entry.firstIndex(of: "=") else { continue }
            let name = String(entry[..<separator])
            if entry.argumentString.text == nil {
                others[name] = entry.argumentString
            } else {
                others[name] = nil
                variables[name] = String(entry[entry.index(after: separator)...])
            }
        }
        if terminal, variables["TERM"] == nil, let name = Arguments.variable("TERM")?.argumentString.text {
            variables["TERM"] = name
        }
        var program = Command(
            try what(), env: variables, timeout: timeout?.duration ?? (terminal ? Run.terminalTimeout : nil),
            grace: grace?.duration)
        program.systemEnv = Array(others.values)
        program.systemCwd = cwd.map(\.argumentString)
        program.keepsStdinOpen = interactive
        if terminal {
            let size = LocalTerminal.size
            program.terminal = Terminal(
                rows: UInt32(clamping: size?.rows ?? 0), columns: UInt32(clamping: size?.columns ?? 0),
                hidesInput: noEcho)
        }
        program.idleTimeout = idleTimeout?.duration
        program.cpuTime = cpuTime?.duration
        program.maxOutput = maxOutput?.limit.bytes
        program.outputPolicy = maxOutput?.limit.policy ?? .truncate
        program.keepsBackground = keepBackground
        program.mergesOutput = merge
        program.resumable = resumable?.duration ?? (detach ? Run.detachedTime : nil)
        program.unwatched = unwatched?.value ?? .runOn
        return program
    }

    private func piece(_ program: Command.Program, _ lease: Lease) throws -> Command.Program {
        guard case .code(let text, _) = program, let context else { return program }
        return .piece(text, context: Context(id: context, lease: lease))
    }

    private func what() throws -> Command.Program {
        if let shell {
            // The field for a shell line takes only UTF-8. The server would make the same command from it.
            guard let line = shell.argumentString.text else {
                return .systemArgv(["/bin/sh", "-c", shell.argumentString])
            }
            return .shell(line)
        }
        guard let code, let language = language ?? context else { return .systemArgv(command.map(\.argumentString)) }
        guard code == "-" else {
            guard let text = code.argumentString.text else { throw Failure("--code is not valid UTF-8") }
            return .code(text, language: language)
        }
        guard let bytes = StandardInput.all(limit: Run.maxCode) else {
            throw Failure("the code on standard input is longer than \(Run.maxCode) bytes, the maximum")
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw Failure("the code on standard input is not valid UTF-8")
        }
        return .code(text, language: language)
    }
}
