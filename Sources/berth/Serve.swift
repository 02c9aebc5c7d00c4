public import ArgumentParser
import BerthClient
public import Logging
import Pool
import Service

struct Serve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Keep containers warm and serve them.",
        discussion: """
            Prints one line on stdout when it accepts connections, "berth: listening on 127.0.0.1:7411"; its log goes to \
            stderr. SIGTERM and SIGINT drain: nothing new begins, what runs has the drain time to end, every container is \
            removed. A second signal hurries.

              berth serve                                    Docker if it is there with the image, else runc
              berth serve --runtime runc --image host        the host's own /usr, read-only: works offline
              berth serve --image python:3.12-slim --size 4  pulled if missing
            """)

    @Option(
        help: ArgumentHelp(
            "Where to listen: HOST:PORT or unix:PATH; may be given more than once. Port 0 takes a free one.",
            valueName: "address"))
    var listen: [String] = ["127.0.0.1:7411"]

    @Flag(help: "Listen on other addresses than loopback: whoever reaches them may run programs here.")
    var insecure = false

    @Option(help: ArgumentHelp("What containers run on: auto, docker or runc.", valueName: "runtime"))
    var runtime: RuntimeKind = .auto

    @Option(
        help: ArgumentHelp(
            "The Docker engine (default: $DOCKER_HOST, else unix:///var/run/docker.sock).", valueName: "url"))
    var dockerHost: String?

    @Option(
        help: ArgumentHelp(
            "The image; \"host\" is the host's own /usr, read-only (runc) (default: python:3.9-slim, and host where auto "
                + "takes runc).",
            valueName: "reference"))
    var image: String?

    @Option(help: "Containers kept warm.")
    var size = 2

    @Option(help: "Containers at most, those leased and those being removed included.")
    var max = 16

    @Option(help: "Containers created in a row before other work is looked at.")
    var batch = 3

    @Option(help: "How long nothing is created after a create that failed.")
    var backoff = DurationArgument(seconds: 300)

    @Option(help: "A create that takes longer has failed.")
    var createTimeout = DurationArgument(seconds: 60)

    @Option(help: "Memory of a container, without swap: 128m, 1g.")
    var memory = SizeArgument(mebibytes: 128)

    @Option(help: "Memory limits of all containers together (default: 80 % of what is available at start).")
    var memoryBudget: SizeArgument?

    @Option(help: "Processes and threads of a container.")
    var processes = 128

    @Option(help: "CPUs of a container: 0.5, 2.")
    var cpus = 1.0

    @Option(help: "Size of each tmpfs, /tmp and /workspace.")
    var tmpfs = SizeArgument(mebibytes: 64)

    @Option(help: "The containers' network: none, or a network's name in the runtime.")
    var network = "none"

    @Option(help: "How long a lease lasts without use.")
    var lease = DurationArgument(seconds: 300)

    @Option(help: "How long a program may run that does not say.")
    var executionTimeout = DurationArgument(seconds: 60)

    @Option(help: "The user id of programs that do not say.")
    var uid: UInt32 = 1000

    @Option(help: "Connections at most.")
    var maxConnections = 10_000

    @Option(help: "How long running programs may go on after SIGTERM.")
    var drainTime = DurationArgument(seconds: 10)

    @Option(help: "Names this server's containers: unique among the servers of a host (default: from the port).")
    var instance: String?

    @Option(help: ArgumentHelp("Where it keeps sockets and bundles (default: /run/berth).", valueName: "directory"))
    var stateDir: String?

    @Option(help: ArgumentHelp("The berth-agent binary (default: beside berth).", valueName: "path"))
    var agent: String?

    @Option(help: "The log's format: text or json.")
    var logFormat: LogOutput.Format = .text

    @Option(help: "The log's level: trace, debug, info, notice, warning, error or critical.")
    var logLevel: Logger.Level = .info

    mutating func run() async throws {
        let (format, level) = (logFormat, logLevel)
        LoggingSystem.bootstrap { _ in LogOutput(format: format, level: level) }
        do {
            try await Server(try settings()).run()
        } catch let error as BerthError {
            throw Failure(error.message, code: error.code == .invalidArgument ? 2 : 1)
        } catch let error as RuntimeError {
            throw Failure(error.message, code: error.cause == .invalidConfiguration ? 2 : 1)
        }
    }

    private func settings() throws -> ServerSettings {
        let addresses = try listen.map { text in
            do throws(BerthError) {
                return try ServerAddress(text)
            } catch {
                throw BerthError(error.code, "--listen \(error.message)")
            }
        }
        for case .tcp(let host, let port) in addresses where !insecure && !ServerAddress.isLoopback(host) {
            throw Failure(
                "--listen \(host):\(port) is not loopback: whoever reaches it could run programs here; listen on "
                    + "127.0.0.1, or say --insecure if that is meant", code: 2)
        }
        try check("--size", size, 0...100_000)
        try check("--max", max, 1...100_000)
        try check("--batch", batch, 1...1000)
        try check("--processes", processes, 2...1_000_000)
        try check("--max-connections", maxConnections, 1...1_000_000)
        guard size <= max else { throw Failure("--size \(size) is more than --max \(max)", code: 2) }
        guard cpus >= 0.01, cpus <= 4096 else { throw Failure("--cpus \(cpus) is not from 0.01 to 4096", code: 2) }
        guard memory.bytes >= 8 << 20 else {
            throw Failure("--memory \(memory) is less than 8m, with which no container starts", code: 2)
        }
        guard uid != 0 else {
            throw Failure("--uid 0 is root, as which no program runs; take another, as 1000", code: 2)
        }
        guard createTimeout.duration > .zero else { throw Failure("--create-timeout is not more than 0", code: 2) }
        guard lease.duration > .zero else { throw Failure("--lease is not more than 0", code: 2) }
        return ServerSettings(
            addresses: addresses, runtime: runtime, dockerHost: dockerHost, image: image,
            pool: PoolConfiguration(
                template: MemberTemplate(
                    network: network, memoryBytes: memory.bytes, processes: Int64(processes),
                    milliCPUs: Int64((cpus * 1000).rounded()), tmpfsBytes: tmpfs.bytes),
                size: size, max: max, batch: batch, backoff: backoff.duration, createTimeout: createTimeout.duration,
                leaseTime: lease.duration),
            memoryBudget: memoryBudget?.bytes,
            limits: ServiceLimits(defaultTimeout: executionTimeout.duration, uid: uid),
            maxConnections: maxConnections, drainTime: drainTime.duration, instance: instance, stateDirectory: stateDir,
            agent: agent, logger: Logger(label: "berth"))
    }

    private func check(_ flag: String, _ value: Int, _ range: ClosedRange<Int>) throws {
        guard range.contains(value) else {
            throw Failure("\(flag) \(value) is not from \(range.lowerBound) to \(range.upperBound)", code: 2)
        }
    }
}

/// What containers run on.
enum RuntimeKind: String, CaseIterable, ExpressibleByArgument {
    case auto
    case docker
    case runc
}

extension LogOutput.Format: ExpressibleByArgument {}

extension Logger.Level: @retroactive ExpressibleByArgument {}

extension ServerAddress {
    static func isLoopback(_ host: String) -> Bool {
        host == "localhost" || host == "::1" || (host.hasPrefix("127.") && host.allSatisfy { $0 == "." || $0.isNumber })
    }
}
