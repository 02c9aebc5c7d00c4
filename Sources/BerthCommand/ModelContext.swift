// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Berth
import Console
import ModelTools

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

struct ModelContext: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mcp",
        abstract: "Serve tools for language models on stdin and stdout, with the Model Context Protocol.",
        discussion: """
            For the configuration of a model host (Claude, an editor, an agent), which starts it: a model can then run \
            code and commands in warm containers, keep sessions, and read and write files in them. docs/mcp.md has the \
            configuration of the usual hosts.

              berth mcp --pool science

            stdout carries the protocol and nothing else; messages for people go to stderr. It ends, and gives all \
            containers back, when stdin ends or it gets SIGTERM, SIGINT or SIGHUP. A server that is not there yet is no \
            mistake: calls say so until there is one.
            """)

    /// How long the last answers may take to be read at the end.
    private static let drainTime = Duration.milliseconds(500)

    @OptionGroup var server: ServerOptions

    @Option(help: "Pool to take containers from (default: the server's default pool).")
    var pool: String?

    @Option(
        help: ArgumentHelp(
            "Time-out of code and commands whose call sets none: 250ms, 5s, 2m (default: 50s).", valueName: "time"),
        transform: DurationArgument.init(parsing:))
    var timeout: DurationArgument?

    @Option(help: ArgumentHelp("Maximum number of open sessions.", valueName: "number"))
    var maxSessions = 8

    @Option(
        help: ArgumentHelp("Time without a call after which a session ends (default: 15m).", valueName: "time"),
        transform: DurationArgument.init(parsing:))
    var sessionIdle: DurationArgument?

    @Option(
        help: ArgumentHelp(
            "Maximum number of calls under way; a model is told to wait with further ones.", valueName: "number"))
    var maxCalls = 16

    @Option(
        help: ArgumentHelp("Maximum size of a message from the host: 64k, 4m (default: 4m).", valueName: "size"),
        transform: { text in
            guard let bytes = Notation.bytes(text), (1 << 10...64 << 20).contains(bytes) else {
                throw ValidationError("write a size from 1k to 64m")
            }
            return Int(bytes)
        })
    var maxMessage: Int?

    mutating func validate() throws {
        guard (1...1000).contains(maxSessions) else { throw ValidationError("--max-sessions must be 1 to 1000") }
        guard (1...1000).contains(maxCalls) else { throw ValidationError("--max-calls must be 1 to 1000") }
        if let timeout, timeout.duration <= .zero || timeout.duration > .seconds(3600) {
            throw ValidationError("--timeout must be more than 0 and at most 1h")
        }
        if let sessionIdle, sessionIdle.duration < .milliseconds(100) {
            throw ValidationError("--session-idle must be at least 100ms")
        }
    }

    mutating func run() async throws {
        let address: ServerAddress
        do throws(BerthError) { address = try server.address() } catch { throw Failure(error) }
        var settings = ModelServerSettings()
        settings.pool = pool
        settings.timeout = timeout?.duration ?? settings.timeout
        settings.maxSessions = maxSessions
        settings.sessionIdleTime = sessionIdle?.duration ?? settings.sessionIdleTime
        settings.maxCalls = maxCalls
        settings.maxMessage = maxMessage ?? settings.maxMessage
        settings.version = Version.current
        settings.idleWords = Notation.text(settings.sessionIdleTime)
        var configuration = BerthClient.Configuration()
        // A model is told sooner than a person would be, who may be starting the server.
        configuration.connectTimeout = .seconds(2)
        let client = try BerthClient(address: address, configuration: configuration)

        let (ends, end) = AsyncStream.makeStream(of: Void.self)
        let output = OutputQueue(STDOUT_FILENO) { end.yield() }
        let model = ModelServer(settings, client: client, output: output) { ModelContext.log($0) }
        onSignals([SIGTERM, SIGINT, SIGHUP]) { _ in end.yield() }
        InputPump(STDIN_FILENO, limit: settings.maxMessage, output: output).start(
            take: { model.take($0) }, ended: { end.yield() })
        // So that the first call finds a connection.
        let hello = Task {
            do {
                _ = try await client.hello(client: "berth-mcp")
            } catch {
                if !Task.isCancelled { ModelContext.log("\(error); calls will try again") }
            }
        }
        for await _ in ends { break }
        hello.cancel()
        await model.end()
        await output.drain(for: Self.drainTime)
        // A thread may still be blocked by a client that does not read.
        Glibc.exit(0)
    }

    /// Prints a line for people, unless nobody reads: a host that never looks at stderr must not hold everything up.
    private static func log(_ line: String) {
        var room = pollfd(fd: STDERR_FILENO, events: Int16(POLLOUT), revents: 0)
        // A pipe that can be written to has room for 4096 bytes at least.
        guard poll(&room, 1, 0) == 1, room.revents & Int16(POLLOUT) != 0 else { return }
        printError("mcp: \(line.prefix(1000))")
    }
}
