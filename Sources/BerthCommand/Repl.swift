// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Berth
import Console
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

struct Repl: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Start a prompt for an interpreter that keeps its state.",
        discussion: """
            Leases a container, opens a context in it, and runs the code that you type. Enter runs complete code, \
            otherwise it begins another line; Alt-Enter always begins one. Tab completes, up and down go through the \
            history, Ctrl-C stops the running code and keeps the variables, Ctrl-D and `exit` leave. Pictures are shown if the \
            terminal can do that; otherwise they are written to files, whose paths are printed.

              berth repl
              berth repl --language bash
              berth repl --pool science --images plots

            If standard input is not a terminal, all of it is run as one piece of code.
            """)

    /// Time-out of a piece of code, used when --timeout is not given.
    private static let maxPiece = Duration.seconds(8 * 3600)
    private static let maxCode = 1 << 20

    @OptionGroup var server: ServerOptions

    @Option(help: "Pool to take the container from (default: the server's default pool).")
    var pool: String?

    @OptionGroup var leases: LeaseOptions

    @Option(help: "python, bash, sh or node.")
    var language = "python"

    @Option(help: ArgumentHelp("With --lease: a context that is already open.", valueName: "id"))
    var context: String?

    @Option(
        help: ArgumentHelp("Directory for pictures, which must exist (default: a new one in /tmp).", valueName: "dir"))
    var images: String?

    @Option(
        help: "Time-out of each piece: 250ms, 5s, 2m (default: 8h).", transform: DurationArgument.init(parsing:))
    var timeout: DurationArgument?

    mutating func validate() throws {
        guard context == nil || leases.isGiven || Arguments.variable("BERTH_LEASE") != nil else {
            throw ValidationError("--context needs --lease: a context belongs to a lease")
        }
        guard !leases.isGiven || pool == nil else {
            throw ValidationError("--lease and --pool can't be used together: the lease has a container already")
        }
    }

    mutating func run() async throws {
        throw ExitCode(try await Run.withOwnCode(prompt))
    }

    private func prompt() async throws -> Int32 {
        let given = try pool == nil ? leases.optional() : nil
        let client = try await BerthClient.connect(to: try server.address())
        defer { client.close() }
        let lease: Lease = if let given { given } else { try await client.acquire(pool: pool) }
        let open: Context =
            if let context {
                Context(id: context, lease: lease)
            } else {
                try await client.openContext(language, in: lease)
            }
        let pictures = PictureDirectory(images)
        let session = ReplSession(
            client: client, context: open, language: language, timeout: timeout?.duration ?? Self.maxPiece,
            printer: ShownPrinter(pictures: pictures, showsPictures: ShownPrinter.terminalShowsPictures))
        let code = try await withTaskExecutorPreference(BlockingExecutor("prompt")) {
            guard isatty(STDIN_FILENO) == 1 else {
                guard let bytes = StandardInput.all(limit: Self.maxCode) else {
                    throw Failure("the code on standard input is longer than \(Self.maxCode) bytes, the maximum")
                }
                let code = String(decoding: bytes, as: UTF8.self)
                return code.allSatisfy(\.isWhitespace) ? 0 : try await session.run(code)
            }
            return try await session.prompt()
        }
        if given == nil {
            try await client.release(lease)
        } else if context == nil {
            try await client.closeContext(open)
        }
        return code
    }
}

/// One session at a prompt, until Ctrl-D.
final class ReplSession {
    private let client: BerthClient
    private let context: Context
    private let language: String
    private let timeout: Duration
    private var printer: ShownPrinter
    private let editor = LineEditor()
    /// The piece of code that Ctrl-C stops.
    private let running = RunningPiece()

    init(client: BerthClient, context: Context, language: String, timeout: Duration, printer: ShownPrinter) {
        self.client = client
        self.context = context
        self.language = language
        self.timeout = timeout
        self.printer = printer
        if isatty(STDIN_FILENO) == 1, isatty(STDOUT_FILENO) == 1, !printer.showsPictures {
            self.printer.asksForSixels = { [editor] in Sixel.isAmong(editor.ask(Sixel.question)) }
        }
    }

    func prompt() async throws -> Int32 {
        let version = context.version.isEmpty ? "" : " \(context.version.printable)"
        try printLine("\(language)\(version); Ctrl-D leaves")
        // Named for a shell, which would look like the terminal's own otherwise.
        let first = ["python": ">>> ", "node": "> "][language] ?? "\(language)$ "
        let more = language == "python" ? "... " : "> "
        while true {
            let outcome = await editor.read(
                first, more, isWhole: { [language] in CodeScanner.isWhole($0, language: language) },
                complete: { [client, context, language] code in
                    guard language == "python", let found = try? await client.complete(code, in: context) else {
                        return (0, [])
                    }
                    return (Int(clamping: found.start), found.matches)
                })
            switch outcome {
            case .closed: return 0
            case .interrupted: continue
            case .text(let code):
                guard !code.allSatisfy(\.isWhitespace) else { continue }
                if let status = LeavingWords.status(of: code, language: language) { return status }
                _ = try await run(code)
                if running.isContextLost { return ExitStatus.ownFailure }
            }
        }
    }

    /// Runs a piece of code, and returns its exit code.
    func run(_ code: String) async throws -> Int32 {
        var command = Command(piece: code, in: context, timeout: timeout)
        let asks = language == "python" && isatty(STDIN_FILENO) == 1
        command.keepsStdinOpen = asks
        let execution = client.execute(command, in: context.lease)
        running.begin(execution)
        defer { running.end() }
        var printed = EventPrinter(json: false)
        var isInLine = false
        for try await event in execution {
            switch event {
            case .output(let output):
                isInLine = output.data.last != UInt8(ascii: "\n")
                try printed.print(event)
            case .display(let display):
                if isInLine { try printLine() }
                isInLine = false
                try printer.print(display)
            case .failure(let failure):
                if isInLine { try printLine() }
                isInLine = false
                printer.print(failure)
            case .prompt(let prompt):
                isInLine = false
                guard asks else { break }
                switch await editor.read(prompt.text.printable, "", isHidden: prompt.isPassword) {
                case .text(let line): try await execution.write(Array("\(line)\n".utf8))
                case .interrupted: try await execution.signal(.interrupt)
                case .closed: try await execution.closeInput()
                }
            case .ended(let ended):
                if isInLine { try printLine() }
                for words in ended.words { printError(words) }
                if ended.isContextLost {
                    running.loseContext()
                }
                return ended.exitStatus(interruptedBy: nil)
            case .started, .dropped, .outputEnded, .unknown: try printed.print(event)
            }
        }
        return ExitStatus.ownFailure
    }
}

/// The running piece of code, which Ctrl-C interrupts while the terminal turns it into a signal.
private final class RunningPiece: Sendable {
    private struct State {
        var execution: Execution?
        var isContextLost = false
    }
    private let state = Mutex(State())

    init() {
        onSignals([SIGINT]) { [weak self] _ in
            guard let execution = self?.state.withLock({ $0.execution }) else { return }
            Task { try? await execution.signal(.interrupt) }
        }
    }

    func begin(_ execution: Execution) { state.withLock { $0.execution = execution } }
    func end() { state.withLock { $0.execution = nil } }
    func loseContext() { state.withLock { $0.isContextLost = true } }
    var isContextLost: Bool { state.withLock { $0.isContextLost } }
}
