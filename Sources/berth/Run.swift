import ArgumentParser
import BerthClient
import Dispatch
import Schema
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

struct Run: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run a program in a warm container and stream its output.",
        discussion: """
            Acquires a container, runs the program in it, streams its output as it comes, releases the container.

              berth run -- python3 -c 'print("hello")'
              echo 'print(6 * 7)' | berth run -i -- python3 -
              berth run --timeout 5s --env NAME=value --cwd /tmp -- sh -c 'echo $NAME in $PWD'

            Exits with the program's own code; 128+n when signal n ended it, 124 when its time was up, 125 when Berth \
            itself failed, 126 when the program can't be executed, 127 when it was not found.
            Ctrl-C interrupts the program; what does not end within 2 s of it is killed.
            """)

    /// Exit code for what is not the program's doing.
    static let ownFailure: Int32 = 125

    @OptionGroup var server: ServerOptions

    @Option(help: "The pool to run in (default: the server's default pool).")
    var pool: String?

    @Option(name: [.customShort("e"), .long], help: "Set a variable of the program's environment: NAME=VALUE.")
    var env: [String] = []

    @Option(help: "The program's working directory (default: /workspace).")
    var cwd: String?

    @Option(help: "End the program after this time: 250ms, 5s, 2m (default: the server's, 60s).")
    var timeout: DurationArgument?

    @Option(help: "How long to wait for a container when none is warm (default: the server's, 30s).")
    var wait: DurationArgument?

    @Flag(name: [.customShort("i"), .long], help: "Send standard input along.")
    var interactive = false

    @Flag(help: "Print one event a line, as JSON.")
    var json = false

    @Argument(help: ArgumentHelp("The program and its arguments.", valueName: "command"))
    var command: [String]

    mutating func run() async throws {
        do {
            throw ExitCode(try await execute())
        } catch let error as BerthError {
            throw Failure(error.message, code: Run.ownFailure)
        } catch let failure as Failure {
            throw Failure(failure.message, code: Run.ownFailure)
        }
    }

    private func execute() async throws -> Int32 {
        let program = try programToRun()
        signal(SIGPIPE, SIG_IGN)
        let client = try await BerthClient.connect(to: try server.address())
        defer { client.close() }
        let execution = client.execute(program, pool: pool, wait: wait?.duration)
        let hasStarted = Mutex(false)
        let interrupts = Interrupts { number, isLast in
            if !hasStarted.withLock({ $0 }) {
                // Nothing runs yet that could end by itself, and the wait for a container may be long.
                client.close()
            } else if isLast {
                execution.kill()
            } else {
                execution.signal(number)
            }
        }
        let printer = EventPrinter(json: json)
        do {
            for try await event in execution {
                if case .started = event { hasStarted.withLock { $0 = true } }
                guard printer.print(event) else {
                    // Nobody reads any more: a shell's pipeline would have ended the program with SIGPIPE.
                    execution.kill()
                    return 128 + SIGPIPE
                }
                if case .ended(let ended) = event {
                    if !json, let words = ended.inWords { printError(words) }
                    return ended.exitStatus(interruptedBy: interrupts.received)
                }
            }
        } catch let error as BerthError {
            guard let interrupt = interrupts.received, !hasStarted.withLock({ $0 }) else { throw error }
            return 128 + interrupt
        }
        throw Failure("the server ended the stream without an end of the program")
    }

    private func programToRun() throws -> Command {
        var variables: [String: String] = [:]
        for entry in env {
            guard let separator = entry.firstIndex(of: "="), separator != entry.startIndex else {
                throw Failure("--env \"\(entry)\" is not NAME=VALUE")
            }
            variables[String(entry[..<separator])] = String(entry[entry.index(after: separator)...])
        }
        return Command(
            command, env: variables, cwd: cwd, stdin: interactive ? try readInput() : [], timeout: timeout?.duration)
    }

    /// All of standard input, which travels in one message with the program.
    private func readInput() throws -> [UInt8] {
        let limit = 4 << 20 - 64 << 10
        var input: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = read(STDIN_FILENO, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw Failure("standard input can't be read: \(String(cString: strerror(errno)))") }
            if count == 0 { return input }
            input += chunk[..<count]
            if input.count > limit {
                throw Failure("standard input is longer than \(limit) bytes, which is all that travels with a program")
            }
        }
    }
}

/// Ctrl-C and SIGTERM go to the program; what is still there 2 s later, or at a second Ctrl-C, is killed.
private final class Interrupts: @unchecked Sendable {
    /// On this queue alone.
    private let queue = DispatchQueue(label: "berth.interrupts")
    private var sources: [any DispatchSourceSignal] = []
    private var first: Int32?

    init(_ action: @escaping @Sendable (_ signal: Int32, _ isLast: Bool) -> Void) {
        for number in [SIGINT, SIGTERM] {
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
            source.setEventHandler { [weak self] in
                guard let self else { return }
                guard first == nil else { return action(number, true) }
                first = number
                action(number, false)
                queue.asyncAfter(deadline: .now() + .seconds(2)) { action(number, true) }
            }
            sources.append(source)
            source.resume()
        }
    }

    var received: Int32? { queue.sync { first } }
}

extension Ended {
    /// What `berth run` says about an end that is not the program's own; nil when there is nothing to say.
    var inWords: String? {
        switch cause {
        case .exited, .signalled, .unspecified: nil
        case .timedOut: message.isEmpty ? "the program's time was up" : message
        case .outOfMemory: message.isEmpty ? "the program ran out of memory" : message
        case .outputLimit: message.isEmpty ? "the program wrote more than it may" : message
        case .cancelled: message.isEmpty ? "the program was cancelled" : message
        case .idleTimeout: message.isEmpty ? "the program wrote nothing for too long" : message
        case .cpuTimeLimit: message.isEmpty ? "the program used all its CPU time" : message
        case .containerLost, .startFailed, .draining: message
        }
    }

    func exitStatus(interruptedBy interrupt: Int32?) -> Int32 {
        switch cause {
        case .exited: exitCode
        // A server may say anything.
        case .signalled: 128 + min(max(signal, 0), 127)
        case .timedOut, .idleTimeout, .cpuTimeLimit: 124
        case .outOfMemory: 128 + SIGKILL
        case .cancelled: interrupt.map { 128 + $0 } ?? Run.ownFailure
        case .startFailed:
            switch startFailure {
            case .programNotFound: 127
            case .programNotExecutable: 126
            case .badWorkingDirectory, .noResources, .unspecified: Run.ownFailure
            }
        case .outputLimit, .containerLost, .draining, .unspecified: Run.ownFailure
        }
    }
}
