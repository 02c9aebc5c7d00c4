// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Berth
import Console
import Docker
import LoadTest
import Pool
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

struct Load: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measure the speed of a server.",
        usage: """
            berth load [<options>] [-- <command> ...]
            berth load compare <before> <after>
            """,
        discussion: """
            Measures a running server (see: berth serve), and reports throughput, latency by step, and failures.

              berth load                                 acquire, run "true", release; 10 s
              berth load --concurrency 64 --duration 30s --html report.html
              berth load --scenario execute --rate 500 -- python3 -c 'print(1)'
              berth load --scenario run --language python --code 'print(1)'
              berth load --json before.json
              berth load compare before.json after.json  what changed, and what is noise
              berth load --scenario execute --baseline docker-exec

            Scenarios (one operation is):
              stats     one small call: server and network, no container
              acquire   an acquire; the release is measured separately
              execute   a program in a lease that is held throughout
              cycle     acquire, execute and release, in three calls
              run       the same in one call, as "berth run" does it
              stream    a program that writes 64 MiB: output bytes per second
              mix       40 % run, 30 % cycle, 20 % stats, 10 % stream of 1 MiB

            --concurrency is a closed loop: that many operations are in flight, and the next begins when one ends. It \
            finds the maximum throughput. --rate is an open loop: operations begin at fixed times, whether earlier \
            ones have ended or not, like those of independent users. Latency counts from the time at which an \
            operation was due, so that a stall shows in every operation that it delayed. Latency at a given rate is \
            what users feel.

            Progress goes to stderr, the report to stdout. Ctrl-C ends the test early with a report; a second Ctrl-C \
            ends it without one. Exits with 1 if no operation succeeded.
            """,
        subcommands: [LoadCompare.self])

    @OptionGroup var server: ServerOptions

    @Option(help: "Pool to use (default: the server's default pool).")
    var pool: String?

    @Option(help: "What one operation does; see above.")
    var scenario: Scenario = .cycle

    @Option(name: [.customShort("c"), .long], help: "Closed loop: number of operations in flight (default: 1).")
    var concurrency: Int?

    @Option(name: [.customShort("r"), .long], help: "Open loop: operations started per second.")
    var rate: Double?

    @Option(help: "Open loop: spacing of the starts; random resembles many independent users.")
    var spacing: LoadPlan.Spacing = .even

    @Option(help: "Open loop: maximum number of operations in flight; more wait, and the wait counts as latency.")
    var inFlight = 1000

    @Option(help: "Number of connections that share the load.")
    var connections = 1

    @Option(
        help:
            "Leases held for execute and stream (default: one per operation in flight, if enough members are warm)."
    )
    var leases: Int?

    @Option(
        name: [.customShort("d"), .long], help: "Time to measure: 10s, 2m.",
        transform: DurationArgument.init(parsing:))
    var duration = DurationArgument(seconds: 10)

    @Option(help: "Time under load before the measurement starts.", transform: DurationArgument.init(parsing:))
    var warmup = DurationArgument(seconds: 1)

    @Option(
        help: "Maximum time that an operation waits when no container is warm (default: the server's, 30s).",
        transform: DurationArgument.init(parsing:))
    var wait: DurationArgument?

    @Option(help: ArgumentHelp("Run source text in --language instead of a program.", valueName: "text"))
    var code: String?

    @Option(help: "Language of --code: python, sh, or one from the pool's configuration.")
    var language: String?

    @Option(help: "The program's working directory (default: /workspace).")
    var cwd: String?

    @Option(
        help: "Compare with docker-exec: run the same program through the Docker Engine's exec, in turn with Berth.")
    var baseline: BaselineKind?

    @Option(
        help: ArgumentHelp(
            "The engine for the baseline (default: the one that docker uses, else /var/run/docker.sock).",
            valueName: "url"))
    var dockerHost: String?

    @Option(
        help: ArgumentHelp(
            "The baseline's image (default: the pool's on Docker, else python:3.9-slim).", valueName: "reference"))
    var baselineImage: String?

    @Option(help: ArgumentHelp("Write the report as JSON, for programs and for compare.", valueName: "file"))
    var json: String?

    @Option(help: ArgumentHelp("Write the report as one HTML page with charts.", valueName: "file"))
    var html: String?

    // Words before "--" are left for the subcommand.
    @Argument(
        parsing: .postTerminator,
        help: ArgumentHelp(
            "The program and its arguments, after \"--\" (default: the scenario's).", valueName: "command"))
    var command: [String] = []

    mutating func run() async throws {
        do {
            let plan = try plan()
            let files = try ReportFiles(json: json, html: html)
            let test = LoadTester(plan, version: Version.current)
            onInterrupt { test.stop() }
            let progress = ProgressPrinter(duration: duration.duration)
            let report = try await test.run { progress.print($0) }
            progress.end()
            try printLine("\(TextReport(report))".printableLines)
            try files.write(report)
            if report.total.count == 0 { throw ExitCode(1) }
        } catch let error as LoadError {
            throw Failure(error.message)
        } catch let error as RuntimeError {
            throw Failure(error.message, code: 2)
        } catch let error as BerthError {
            throw Failure(error.message, code: error.code == .invalidArgument ? 2 : 1)
        }
    }

    private func plan() throws -> LoadPlan {
        if concurrency != nil, rate != nil {
            throw Failure("--concurrency (closed loop) and --rate (open loop) can't be used together", code: 2)
        }
        guard (code == nil) == (language == nil) else {
            throw Failure(code == nil ? "--language needs --code" : "--code needs --language", code: 2)
        }
        let piece = code.flatMap { code in language.map { LoadPlan.Code(code, language: $0) } }
        let arrivals: LoadPlan.Arrivals =
            if let rate {
                .open(rate: rate, spacing: spacing, maxInFlight: inFlight)
            } else {
                .closed(concurrency: concurrency ?? 1)
            }
        let address = try server.address()
        let engine = try baseline.flatMap { _ in try EngineSearch(dockerHost).first }
        do {
            return try LoadPlan(
                scenario: scenario, arrivals: arrivals, server: address, pool: pool, command: command,
                code: piece, cwd: cwd, connections: connections, leases: leases, duration: duration.duration,
                warmup: warmup.duration,
                wait: wait?.duration,
                baseline: engine.map {
                    DockerExecBaseline(endpoint: $0.http, name: $0.description, image: baselineImage)
                })
        } catch {
            throw Failure("--\(error.message)", code: 2)
        }
    }
}

/// The baselines to compare Berth with.
enum BaselineKind: String, CaseIterable, ExpressibleByArgument {
    case dockerExec = "docker-exec"
}

extension Scenario: ExpressibleByArgument {}

extension LoadPlan.Spacing: ExpressibleByArgument {}

struct LoadCompare: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "compare",
        abstract: "Compare two reports of berth load and tell changes from noise.",
        discussion: LoadComparison.method)

    @Argument(help: ArgumentHelp("The report to compare with, from --json.", valueName: "before"))
    var before: String

    @Argument(help: ArgumentHelp("The report to judge, from --json.", valueName: "after"))
    var after: String

    mutating func run() async throws {
        do {
            let comparison = LoadComparison(try ReportFiles.read(before), try ReportFiles.read(after))
            try printLine(comparison.text(before: before, after: after).printableLines)
        } catch let error as LoadError {
            throw Failure(error.message)
        }
    }
}

/// Ctrl-C and SIGTERM end the test with a report; a second one ends berth.
private func onInterrupt(_ stop: @escaping @Sendable () -> Void) {
    let isFirst = Mutex(true)
    onSignals([SIGINT, SIGTERM]) { number in
        guard
            isFirst.withLock({ first in
                defer { first = false }
                return first
            })
        else { exit(128 + number) }
        stop()
    }
}
