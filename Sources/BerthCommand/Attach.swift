// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Berth

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

struct Attach: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Watch a program started with berth run --detach or --resumable.",
        discussion: """
              id=$(berth run --detach --timeout 1h -- make)
              berth attach $id --from-start

              berth run -it --resumable 1h -- bash        # Enter ~ . leaves it running; another terminal:
              berth attach -it EXECUTION

            Exits with the program's code, as berth run does. Ctrl-C leaves, and the program goes on; with -it, Ctrl-C \
            goes to the program, and Enter ~ . leaves.
            """)

    /// How long to try to reconnect. The server decides for how long it keeps the execution.
    private static let patience = Duration.seconds(600)

    @OptionGroup var server: ServerOptions

    @OptionGroup var leases: LeaseOptions

    @Flag(help: "Start with all output that the server still holds, not only with new output.")
    var fromStart = false

    @Flag(help: "Only observe: never slow the program down or keep it alive; a slow observer misses output.")
    var observe = false

    @Flag(name: [.customShort("i"), .long], help: "Send standard input to the program while it runs.")
    var interactive = false

    @Flag(name: [.customShort("t"), .long], help: "The program has a terminal; with -i, connect this one to it.")
    var terminal = false

    @Flag(help: "Print events as JSON, one per line.")
    var json = false

    @Argument(help: "The execution's id.")
    var execution: String

    mutating func run() async throws {
        throw ExitCode(try await Run.withOwnCode(watch))
    }

    private func watch() async throws -> Int32 {
        let address = try server.address()
        let lease = try leases.optional()
        let client = try await BerthClient.connect(to: address)
        let watched = client.attach(
            execution, in: lease, from: fromStart ? .held : .now, observes: observe)
        let session = RunSession(
            RunSession.Settings(
                address: address, json: json, sendsInput: interactive, hasTerminal: terminal,
                resumable: Attach.patience, isAttached: true),
            client: client, execution: watched)
        do {
            return try await session.run()
        } catch let error as BerthError {
            throw error.askingForLease(lease)
        }
    }
}
