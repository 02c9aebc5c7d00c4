// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Berth
import Console

struct Contexts: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "context",
        abstract: "Open, copy, list and close contexts: interpreters in a lease that keep their state.",
        discussion: """
              export BERTH_LEASE=$(berth acquire)
              context=$(berth context open python)
              berth run --context $context --code 'x = 6'
              berth run --context $context --code 'x * 7'
              berth context close $context
            """,
        subcommands: [ContextOpen.self, ContextFork.self, ContextList.self, ContextClose.self])
}

struct ContextOpen: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "open", abstract: "Start an interpreter in a lease, and print the context's id.")

    @OptionGroup var server: ServerOptions
    @OptionGroup var leases: LeaseOptions

    @Option(
        name: [.customShort("e"), .long],
        help: "Set an environment variable of the interpreter: NAME=VALUE; may be repeated.")
    var env: [String] = []

    @Option(help: "The interpreter's working directory (default: /workspace).")
    var cwd: String?

    @Argument(help: "python, bash, sh or node.")
    var language: String

    mutating func validate() throws {
        for entry in env where entry.firstIndex(of: "=") ?? entry.startIndex == entry.startIndex {
            throw ValidationError("--env \"\(entry)\" is not NAME=VALUE")
        }
    }

    mutating func run() async throws {
        let lease = try leases.required()
        var variables: [String: String] = [:]
        for entry in env {
            guard let separator = entry.firstIndex(of: "=") else { continue }
            variables[String(entry[..<separator])] = String(entry[entry.index(after: separator)...])
        }
        try await server.call { [language, cwd, variables] client in
            let context = try await client.openContext(language, in: lease, env: variables, cwd: cwd)
            try printLine(context.id.printable)
        }
    }
}

struct ContextFork: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fork",
        abstract: "Copy a Python context with all that it holds, and print the copy's id.",
        discussion: """
            The two do not see what becomes of each other's variables. Files that were open before are shared. It is
            refused while threads run in the context.
            """)

    @OptionGroup var server: ServerOptions
    @OptionGroup var leases: LeaseOptions

    @Argument(help: ArgumentHelp("The context, from berth context open.", valueName: "id"))
    var context: String

    mutating func run() async throws {
        let lease = try leases.required()
        try await server.call { [context] client in
            try printLine(try await client.forkContext(Context(id: context, lease: lease)).id.printable)
        }
    }
}

struct ContextList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "Print the contexts of a lease: id, language, version, number of pieces run, running execution.")

    @OptionGroup var server: ServerOptions
    @OptionGroup var leases: LeaseOptions

    mutating func run() async throws {
        let lease = try leases.required()
        try await server.call { client in
            for context in try await client.contexts(in: lease) {
                let running = context.execution.isEmpty ? "-" : context.execution
                let version = context.version.isEmpty ? "-" : context.version
                let words = [context.context, context.language, version, "\(context.pieces)", running]
                try printLine(words.map(\.printable).joined(separator: "  "))
            }
        }
    }
}

struct ContextClose: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "close", abstract: "End a context and everything that it started.")

    @OptionGroup var server: ServerOptions
    @OptionGroup var leases: LeaseOptions

    @Argument(help: ArgumentHelp("The context, from berth context open.", valueName: "id"))
    var context: String

    mutating func run() async throws {
        let lease = try leases.required()
        try await server.call { [context] client in try await client.closeContext(Context(id: context, lease: lease)) }
    }
}
