// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Berth
import BerthRPC
import Configuration
import Console
import Housekeeping
import Logging
import Pool

struct Serve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Keep containers warm and serve them.",
        discussion: """
            Prints a line on stdout when it accepts connections, "berth: listening on 127.0.0.1:7411"; the log goes to \
            stderr. SIGTERM and SIGINT drain: no new program begins, running ones have the drain time to end, and \
            every container is removed. A second signal ends the programs at once. SIGHUP reloads the configuration \
            file, without dropping leases; after an upgrade of its files, the server becomes the new program, and what runs \
            goes on.

            Started by systemd, it tells when it is ready, reloads, drains and is alive (Type=notify, WatchdogSec=), and \
            listens on the sockets of a socket unit instead of its own addresses.

              berth serve                                    on Docker if possible, else native
              berth serve --runtime runc --image host        offline: the host's own /usr
              berth serve --image python:3.12-slim --size 4  pulled if missing
              berth serve --config berth.yaml                every setting, see berth config
            """)

    @OptionGroup var flags: ConfigurationFlags

    /// Whether this program could go on with the state on standard input; nothing is served.
    @Flag(help: .hidden)
    var checkTakeover = false

    func run() async throws {
        let source = flags.source
        let carried = checkTakeover ? nil : try CarriedServer.received()
        let (configuration, warnings) = try source.readOrExplain()
        let format: LogOutput.Format = configuration.logFormat == .json ? .json : .text
        let level = Logger.Level(rawValue: configuration.logLevel.rawValue) ?? .info
        LoggingSystem.bootstrap { _ in LogOutput(format: format, level: level) }
        let logger = Logger(label: "berth")
        for warning in warnings { logger.warning("a setting has no effect", metadata: ["config.at": "\(warning)"]) }
        do {
            if checkTakeover {
                let addresses = try configuration.listen.map { try ServerAddress($0) }
                try CarriedServer(from: 0).check(
                    ServerSettings(configuration: configuration, addresses: addresses, source: source, logger: logger))
                return try printLine(CarriedServer.yes)
            }
            if carried == nil { try await RootlessStart(configuration: configuration, logger: logger).run() }
            // Those of the manager have gone over with all others.
            let sockets = carried == nil ? try InheritedSocket.all() : []
            let addresses = sockets.isEmpty ? configuration.listen : sockets.map(\.address)
            let settings = ServerSettings(
                configuration: configuration, addresses: try addresses.map { try ServerAddress($0) }, sockets: sockets,
                source: source, logger: logger)
            try await Server(settings, goingOn: carried).run()
        } catch let error as BerthError {
            throw Failure(error.message, code: error.code == .invalidArgument ? 2 : 1)
        } catch let error as RPCError {
            throw Failure(error.message, code: error.code == .invalidArgument ? 2 : 1)
        } catch let error as RuntimeError {
            throw Failure(error.message, code: error.cause == .invalidConfiguration ? 2 : 1)
        }
    }
}
