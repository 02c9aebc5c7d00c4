// SPDX-License-Identifier: Apache-2.0

internal import CurlHTTP
package import DockerConfig
internal import GatedLog
internal import Hardening
package import Logging
package import Pool
internal import Synchronization

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// Members as containers of a Docker or Podman engine.
///
/// The engine creates and removes them. If it sees the files of this machine, bytes to and from an agent bypass it:
/// they go through a unix socket that is bind-mounted into the container. Otherwise the agent is in a volume, and the
/// runtime attaches to its standard input and output.
package final class DockerRuntime: ContainerRuntime {
    /// Labels of every container: the instance and the member.
    package static let instanceLabel = "dev.berth.instance"
    package static let memberLabel = "dev.berth.member"
    /// The label for the machine, since servers on two machines may use the same engine and the same instance name.
    package static let hostLabel = "dev.berth.host"

    package let endpoint: DockerEndpoint
    let engine: Engine
    let images: Images
    let instance: String
    let agentPath: String
    let directories: MemberDirectories
    let hostIdentity: String
    /// Files that members need, for an engine that does not see those of this server.
    let memberFiles: MemberFiles
    /// OOM kills that the engine reports.
    let engineKills: EngineKills
    let logger: Logger
    /// The log for messages that each create may repeat.
    let gate: LogGate
    /// How the agent gets into a container, and its stream out, by the name of the containers' low-level runtime: some have
    /// a kernel of their own, and the engine's usual one may not.
    let carriers = Mutex<[String?: Carrier]>([:])
    /// Creates that the engine has not answered yet. Their callers may have left long ago.
    let creates = Mutex<[MemberID: PendingCreate]>([:])
    /// Properties of the engine, once it has been asked.
    let known = Mutex<EngineSurroundings?>(nil)
    /// The accounts of images, by image id.
    let accountsOfImages = OnceEach<String, Accounts>()

    /// "docker" or "podman"
    package let kind: String

    /// Does not call the engine yet: see `probe`.
    /// - Parameters:
    ///   - endpoint: `unix:///var/run/docker.sock` or `tcp://127.0.0.1:2375`.
    ///   - instance: part of the names of this server's containers: letters, digits, `-`, `_` and `.`.
    ///   - agentPath: absolute path of berth-agent, which is statically linked.
    ///   - stateDirectory: absolute path of the directory for the members' sockets, which is created if it is missing.
    /// - Throws: `RuntimeError` with `invalidConfiguration` for a malformed endpoint, instance or path.
    package convenience init(
        endpoint: String, instance: String, agentPath: String, stateDirectory: String, logger: Logger
    ) throws(RuntimeError) {
        try self.init(
            endpoint: try DockerEndpoint(endpoint), instance: instance, agentPath: agentPath,
            stateDirectory: stateDirectory, logger: logger)
    }

    package init(
        endpoint: DockerEndpoint, kind: String = "docker", instance: String, agentPath: String, stateDirectory: String,
        config: DockerConfigFile = .none, logger: Logger
    ) throws(RuntimeError) {
        let isName = instance.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."):
                true
            default: false
            }
        }
        guard isName, !instance.isEmpty, instance.utf8.count <= 64 else {
            throw RuntimeError(
                .invalidConfiguration, "\"\(instance)\" can't name an instance: at most 64 of letters, digits, - _ .")
        }
        for path in [agentPath, stateDirectory] where !path.hasPrefix("/") {
            throw RuntimeError(.invalidConfiguration, "\(path) must be an absolute path")
        }
        guard access(agentPath, X_OK) == 0 else {
            throw RuntimeError(
                .invalidConfiguration, "berth-agent can't be run at \(agentPath): \(String(cString: strerror(errno)))")
        }
        self.endpoint = endpoint
        self.kind = kind
        self.instance = instance
        self.agentPath = agentPath
        self.logger = logger
        gate = LogGate(logger)
        directories = try MemberDirectories(stateDirectory: stateDirectory)
        engine = try Engine(endpoint)
        images = Images(engine, config, logger)
        hostIdentity = MachineIdentity.text
        memberFiles = MemberFiles(
            EngineVolumes(engine, owner: "\(instance)@\(hostIdentity)", prefix: "berth-\(instance)-files"),
            agentPath: agentPath, logger: logger)
        engineKills = EngineKills(engine, labels: [Self.instanceLabel: instance, Self.hostLabel: hostIdentity])
    }

    package func members() async throws(RuntimeError) -> [MemberID] {
        do {
            let filters = try Engine.encode([
                "label": ["\(Self.instanceLabel)=\(instance)", "\(Self.hostLabel)=\(hostIdentity)"]
            ])
            let request = HTTPRequest(
                .get, "/containers/json",
                query: [("all", "true"), ("filters", String(decoding: filters, as: UTF8.self))], maxBodyBytes: 64 << 20)
            return try await engine.call(request, returning: [ContainerSummary].self).compactMap { container in
                container.Labels?[Self.memberLabel].map { MemberID($0) }
            }
        } catch {
            throw endpoint.explain(error)
        }
    }

    package func shutdown() async {
        images.cancelAll()
        engineKills.stop()
        if memberFiles.isUsed { await memberFiles.removeAll() }
        engine.shutdown()
    }

    /// Removes what an ended server of this instance may have left in addition to its members.
    package func removeLeftovers() async { await memberFiles.removeAll() }

    func containerName(_ member: MemberID) -> String { "berth-\(instance)-\(member)" }

    func containerPath(_ member: MemberID, _ rest: String = "") -> String {
        "/containers/\(HTTPRequest.percentEncoded(containerName(member)))\(rest)"
    }
}

/// A create in flight.
struct PendingCreate: Sendable {
    var task: Task<Void, any Error>
    /// Whether it ended without an answer of the engine, which may still create the container.
    var isUncertain = false
}

/// How the agent gets into a container, and its stream out.
enum Carrier: Sendable {
    /// The agent and a socket are files of this machine, mounted into the container.
    case mounted
    /// The agent is in a volume, and its standard input and output go through the engine.
    case attached
}
