// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Berth
import Console

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

@main
struct RootCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "berth",
        abstract: "Warm containers: code starts in a millisecond instead of a quarter of a second.",
        discussion: """
            Start a server, then run programs in its warm containers:

              berth serve
              berth run -- python3 -c 'print("hello")'

            BERTH_SERVER is the address of the server for all commands (HOST:PORT, tls://HOST:PORT or unix:PATH; default 127.0.0.1:7411).
            """,
        version: Version.current,
        subcommands: [
            Serve.self, Run.self, Repl.self, Contexts.self, Attach.self, Executions.self, Signal.self, Acquire.self,
            Release.self, Copy.self, Forward.self, ModelContext.self,
            Stats.self,
            Admin.self, Tokens.self, Quota.self, Load.self, Config.self, Doctor.self,
            SupportBundle.self, Sweep.self, KubernetesSweep.self,
        ])

    /// The error in the arguments on one line.
    private static func parseError(_ error: any Error, _ subcommand: String?) -> String {
        var words = ""
        for line in message(for: error).split(separator: "\n") {
            let text = line.drop { $0 == " " }
            let item = text.hasPrefix("- ") ? text.dropFirst(2) : nil
            words += item.map { words.hasSuffix(":") ? " \($0)" : ", \($0)" } ?? (words.isEmpty ? "" : " ") + text
        }
        if words.hasSuffix(".") { words.removeLast() }
        let takesProgram = subcommand == "run" || subcommand == "load"
        if takesProgram, words.hasPrefix("Unknown option"), !CommandLine.arguments.contains("--") {
            words += "; a program and its flags come after \"--\""
        }
        return words
    }

    /// Commands that are run often, also by other programs, and have no subcommands.
    private static let frequent: [any ParsableCommand.Type] = [
        Run.self, Attach.self, Acquire.self, Release.self, Executions.self, Signal.self, Copy.self, Stats.self,
        ModelContext.self,
    ]

    /// Parses the arguments. Parsing for all commands takes milliseconds, in which the runtime looks up conformances in
    /// the whole program: so a frequent command is tried alone first. If that fails, also for --help, everything is
    /// parsed, which gives the right message.
    private static func parsed(_ arguments: [String]) throws -> any ParsableCommand {
        if let name = arguments.first,
            let type = frequent.first(where: { $0._commandName == name }),
            let command = try? type.parseAsRoot(Array(arguments.dropFirst())), Swift.type(of: command) == type
        {
            return command
        }
        return try parseAsRoot(arguments)
    }

    /// Makes lists of processes show "berth", whatever the name of the executable.
    private static func beCalledBerth() {
        let name = open("/proc/self/comm", O_WRONLY | O_CLOEXEC)
        guard name >= 0 else { return }
        _ = write(name, "berth", 5)
        close(name)
    }

    static func main() async {
        StandardDescriptors.open()
        beCalledBerth()
        // A closed pipe is an error like others, which `OutputFailure` reports.
        signal(SIGPIPE, SIG_IGN)
        do {
            var command = try parsed(Arguments.own)
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
        } catch let failure as Failure {
            printError(failure.message)
            Glibc.exit(failure.code)
        } catch let failure as OutputFailure {
            failure.exit()
        } catch let code as ExitCode {
            Glibc.exit(code.rawValue)
        } catch {
            // Help and version are not errors.
            guard exitCode(for: error) != .success else {
                do throws(OutputFailure) { try printLine(fullMessage(for: error)) } catch { error.exit() }
                Glibc.exit(0)
            }
            // 125 means that "run" itself failed, so that it can't be mistaken for the program's exit code.
            let named = CommandLine.arguments.dropFirst().first
            let subcommand = configuration.subcommands.map { $0._commandName }.first { $0 == named }
            printError("\(parseError(error, subcommand)); see: berth \(subcommand.map { "\($0) " } ?? "")--help")
            Glibc.exit(subcommand == "run" || subcommand == "attach" ? ExitStatus.ownFailure : 2)
        }
    }
}

/// A failure that is reported in one line, with the exit code of berth.
struct Failure: Error {
    var message: String
    /// 2: the request can't be right. 1: it failed. 125: run or attach failed.
    var code: Int32

    init(_ message: String, code: Int32 = 1) {
        self.message = message
        self.code = code
    }
}
