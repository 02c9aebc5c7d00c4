internal import CurlHTTP
internal import Hardening
internal import Pool
internal import Synchronization

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// How a member is asked for: its template and the hardening that is the same on every runtime, in the engine's words.
extension DockerRuntime {
    /// Where things are in the container.
    static let agentInContainer = "/.berth/agent"
    static let socketsInContainer = "/.berth/run"

    /// - Parameters:
    ///   - command: what starts the agent.
    ///   - mounts: what that needs.
    func request(_ order: Order, _ command: [String], _ mounts: [HostSettings.Mount]) -> ContainerRequest {
        let (member, template, image, surroundings) = (order.member, order.template, order.image, order.surroundings)
        // Without CAP_SYS_RESOURCE an engine can't give more than it has, and Podman asks for a million.
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        let hardening = Hardening(template, user: order.uid, maxOpenFiles: Int64(clamping: limit.rlim_max))
        var tmpfs: [String: String] = [:]
        for place in hardening.places { tmpfs[place.path] = surroundings.tmpfs(place.options) }
        // An image's own volumes would be directories on the host's disk, without a limit.
        for (path, _) in image.Config?.Volumes ?? [:] where tmpfs[path] == nil {
            tmpfs[path] = surroundings.tmpfs(hardening.options)
        }
        let mounts = mounts + (surroundings.limitsTerminals ? [Self.terminals] : [])
        let host = HostSettings(
            NetworkMode: template.network,
            // A network of the engine's gives the name an address itself.
            ExtraHosts: template.network == "none" ? ["\(member):127.0.0.1"] : [],
            CapAdd: Hardening.capabilities,
            SecurityOpt: ["no-new-privileges", "seccomp=\(surroundings.seccomp)"],
            MaskedPaths: Hardening.maskedPaths, ReadonlyPaths: Hardening.readonlyPaths,
            // Newer engines make it so themselves to let programs ping.
            Sysctls: template.network == "host" ? [:] : ["net.ipv4.ping_group_range": "1 0"],
            ShmSize: Hardening.sharedMemoryBytes, Memory: template.memoryBytes, MemorySwap: template.memoryBytes,
            PidsLimit: template.processes, NanoCpus: template.milliCPUs * 1_000_000, OomScoreAdj: surroundings.oomScore,
            Ulimits: hardening.limits.map { .init(Name: $0.name, Soft: $0.value, Hard: $0.value) }, Tmpfs: tmpfs,
            Mounts: mounts)
        return ContainerRequest(
            Hostname: member.description, Image: image.Id ?? template.image, Entrypoint: command,
            Labels: [
                Self.instanceLabel: instance, Self.hostLabel: hostIdentity, Self.memberLabel: member.description,
            ], HostConfig: host)
    }

    /// The engine's own devpts has no limit, and no way to ask for one.
    private static let terminals = HostSettings.Mount(
        Type: "volume", Source: "", Target: "/dev/pts", ReadOnly: false,
        VolumeOptions: .init(
            DriverConfig: .init(Options: [
                "type": "devpts", "device": "devpts",
                "o": "newinstance,max=\(Hardening.maxTerminals),ptmxmode=0666,mode=0620,gid=5,nosuid,noexec",
            ])))

    /// What the engine is like, asked once.
    func surroundings() async throws -> EngineSurroundings {
        if let known = known.withLock({ $0 }) { return known }
        let version = try await engine.version()
        let info = try await engine.call(HTTPRequest(.get, "/info"), returning: EngineInfo.self)
        let profile = String(decoding: try Engine.encode(SeccompProfile()), as: UTF8.self)
        var seccomp = profile
        let isPodman = version.engine.hasPrefix("Podman")
        if isPodman {
            // Where Docker takes the profile itself, Podman takes the name of a file.
            seccomp = try directories.writeProfile(profile)
        }
        let isMapped = info.hasUserNamespaces
        let surroundings = EngineSurroundings(
            seccomp: seccomp, users: isMapped ? .namespace : .whole, limitsTerminals: !isPodman && !isMapped,
            ownsPlaces: !isPodman, oomScore: isPodman && info.Rootless == true ? EngineSurroundings.raisedOOMScore : nil
        )
        known.withLock { $0 = surroundings }
        return surroundings
    }
}

/// What of an engine its members' configuration depends on.
struct EngineSurroundings: Sendable {
    /// The profile, or where it is.
    var seccomp: String
    var users: UserSpace
    /// It mounts file systems of its own for a container.
    var limitsTerminals: Bool
    /// A tmpfs can belong to another than root. Podman refuses the options for that; there the mode lets everybody write.
    var ownsPlaces = true
    /// An ordinary user's Podman asks for 0 where nothing is said. That is less than systemd gives that user's services
    /// (200), and nobody but root may lower it: runc fails.
    var oomScore: Int?

    /// More than an ordinary user's services have, less than the agent gives to programs (500).
    static let raisedOOMScore = 300

    func tmpfs(_ options: [String]) -> String {
        let known = options.filter { ownsPlaces || !$0.hasPrefix("uid=") && !$0.hasPrefix("gid=") }
        return (["rw", "exec"] + known).joined(separator: ",")
    }

    /// Who programs run as; adds them to the image's accounts.
    func user(of template: MemberTemplate, _ accounts: inout Accounts) -> MemberUser {
        let uid = users.user(template.uid ?? MemberTemplate.standardUID)
        accounts.add(uid, template.allowedUIDs, home: template.home)
        return MemberUser(uid: uid, names: accounts.names)
    }
}
