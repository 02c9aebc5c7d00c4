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

            BERTH_SERVER names the server for all that speak to one (HOST:PORT or unix:PATH; default 127.0.0.1:7411).
            """,
        version: Version.current,
        subcommands: [
            Serve.self, Run.self, Repl.self, Contexts.self, Attach.self, Executions.self, Signal.self, Acquire.self,
            Release.self, Copy.self,
            Stats.self,
            Admin.self, Load.self, Config.self, Doctor.self, Sweep.self,
        ])

    /// What is wrong with the arguments, on one line.
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
            words += "; the flags of a program come after \"--\", and so does the program"
        }
        return words
    }

    /// Commands that are run often, by other programs too, and have no commands below them.
    private static let frequent: [any ParsableCommand.Type] = [
        Run.self, Attach.self, Acquire.self, Release.self, Executions.self, Signal.self, Copy.self, Stats.self,
    ]

    /// The command that the arguments ask for. Reading them for all commands costs milliseconds, in which the runtime looks
    /// for conformances in the whole program: so one of the frequent commands is tried alone first. Whatever is not right
    /// with that, help included, is read again as a whole, which has the words for it.
    private static func parsed(_ arguments: [String]) throws -> any ParsableCommand {
        if let name = arguments.first,
            let type = frequent.first(where: { $0._commandName == name }),
            let command = try? type.parseAsRoot(Array(arguments.dropFirst())), Swift.type(of: command) == type
        {
            return command
        }
        return try parseAsRoot(arguments)
    }

    /// In lists of processes it is what was typed, whichever file that has led to.
    private static func beCalledBerth() {
        let name = open("/proc/self/comm", O_WRONLY | O_CLOEXEC)
        guard name >= 0 else { return }
        _ = write(name, "berth", 5)
        close(name)
    }

    static func main() async {
        StandardDescriptors.open()
        beCalledBerth()
        // What nobody reads any more is an error like others, told by `OutputFailure`.
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
            // Asking for help or for the version is no error.
            guard exitCode(for: error) != .success else {
                do throws(OutputFailure) { try printLine(fullMessage(for: error)) } catch { error.exit() }
                Glibc.exit(0)
            }
            // As in a shell's own words: 125 is "run" itself having failed, whatever the program would have said.
            let named = CommandLine.arguments.dropFirst().first
            let subcommand = configuration.subcommands.map { $0._commandName }.first { $0 == named }
            printError("\(parseError(error, subcommand)); see: berth \(subcommand.map { "\($0) " } ?? "")--help")
            Glibc.exit(subcommand == "run" || subcommand == "attach" ? ExitStatus.ownFailure : 2)
        }
    }
}

/// A failure that the user is told in one line, and the code that berth exits with.
struct Failure: Error {
    var message: String
    /// 2: what was asked for can't be right; 1: it could not be done.
    var code: Int32

    init(_ message: String, code: Int32 = 1) {
        self.message = message
        self.code = code
    }
}
