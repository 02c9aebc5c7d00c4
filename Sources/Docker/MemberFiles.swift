// SPDX-License-Identifier: Apache-2.0

internal import FoundationEssentials
internal import Hardening
internal import Logging
internal import Pool
internal import Synchronization

/// What members need of this server on an engine that does not see its files: the agent, in a volume that is mounted into
/// every one (copied into each, it would be 7 MB a member), and their accounts.
final class MemberFiles: Sendable {
    /// Where the agent's volume is mounted; the agent is `agent` in it.
    static let mountPoint = "/.berth"

    private let volumes: EngineVolumes
    private let agentPath: String
    private let logger: Logger
    private let agents = OnceEach<String, String>()
    private let accounts = OnceEach<AccountsKey, EngineVolumes.Volume>()
    private let canMountAccounts = Mutex(true)
    /// Whether there may be anything to remove.
    var isUsed: Bool { agents.isUsed }

    init(_ volumes: EngineVolumes, agentPath: String, logger: Logger) {
        self.volumes = volumes
        self.agentPath = agentPath
        self.logger = logger
    }

    /// The name of the volume with the agent; made when it is first asked for.
    /// - Parameter image: any that the engine has; nothing of it is run.
    func agent(image: String) async throws -> String {
        try await agents.value("") { [self] in
            guard let content = try? Data(contentsOf: URL(fileURLWithPath: agentPath)) else {
                throw RuntimeError(.failed, "\(agentPath) can't be read")
            }
            await volumes.removeAll()
            let agent = EngineVolumes.File(name: "agent", mode: 0o555, content: Array(content))
            let name = try await volumes.make(image, [agent]).name
            logger.info(
                "the agent is on the engine", metadata: ["volume": "\(name)", "agent.bytes": "\(content.count)"])
            return name
        }
    }

    /// Whether an engine's refusal names what comes from here. A volume that is gone is made anew, and empty, where the agent
    /// should be in it.
    func isAbout(_ refusal: EngineRefusal) -> Bool {
        refusal.message.contains(Self.mountPoint) || refusal.message.contains(volumes.prefix)
    }

    /// After a container with them did not start: somebody may have removed the volumes.
    func forget() {
        agents.forget("")
        forgetAccounts()
    }

    func forgetAccounts() { accounts.forgetAll() }
    /// There are none from now on.
    func canMountNoAccounts() { canMountAccounts.withLock { $0 = false } }

    /// Users whose accounts are made in one go: with one volume a member, half of a create would be volumes.
    private static let blockSize: UInt32 = 64

    private struct AccountsKey: Hashable {
        var passwd: [UInt8]
        var group: [UInt8]
        var home: String
        var allowed: [UInt32]
        var block: UInt32
    }

    /// A member's /etc/passwd and /etc/group, to be mounted from where the engine has its volumes; empty where it does not
    /// say, or can't.
    func accounts(_ order: Order) async throws -> [HostSettings.Mount] {
        guard canMountAccounts.withLock({ $0 }) else { return [] }
        let (base, block) = (order.imageAccounts, order.uid / Self.blockSize)
        let (allowed, home) = (order.template.allowedUIDs, order.template.home)
        let key = AccountsKey(passwd: base.passwd, group: base.group, home: home, allowed: allowed, block: block)
        let volume = try await accounts.value(key) { [self] in
            var files: [EngineVolumes.File] = []
            for uid in block * Self.blockSize...block * Self.blockSize + (Self.blockSize - 1) {
                var own = base
                own.add(uid, allowed, home: home)
                files.append(.init(name: "passwd-\(uid)", mode: 0o444, content: own.passwd))
                files.append(.init(name: "group-\(uid)", mode: 0o444, content: own.group))
            }
            return try await volumes.make(order.image.Id ?? order.template.image, files)
        }
        guard volume.path.hasPrefix("/") else { return [] }
        return Accounts.fileNames.map { name in
            HostSettings.Mount(Source: "\(volume.path)/\(name)-\(order.uid)", Target: "/etc/\(name)")
        }
    }

    /// Removes what this server, or one before it, has made; what is still mounted stays.
    func removeAll() async { await volumes.removeAll() }
}
