// SPDX-License-Identifier: Apache-2.0

internal import CurlHTTP
internal import Hardening
internal import Pool
internal import Synchronization

/// The request for a member: its template, and the hardening that is the same on every runtime, as the Engine API has
/// it.
extension DockerRuntime {
    /// Paths in the container.
    static let agentInContainer = "/.berth/agent"
    static let socketsInContainer = "/.berth/run"

    /// - Parameters:
    ///   - command: the command that starts the agent.
    ///   - mounts: the mounts that it needs.
    func request(_ order: Order, _ command: [String], _ mounts: [HostSettings.Mount]) -> ContainerRequest {
        let (member, template, image, surroundings) = (order.member, order.template, order.image, order.surroundings)
        let hardening = HardeningProfile(template, user: order.uid)
        var host = HostSettings(
            template, hardening, seccomp: surroundings.seccomp, ownsPlaces: surroundings.ownsPlaces)
        // An image's own volumes would be directories on the host's disk, without a limit.
        for (path, _) in image.Config?.Volumes ?? [:] {
            host.addPlace(path, hardening.options, ownsPlaces: surroundings.ownsPlaces)
        }
        // With a network, the engine gives the name an address itself.
        if template.network == "none" { host.ExtraHosts = ["\(member):127.0.0.1"] }
        host.Mounts = mounts + (surroundings.limitsTerminals ? [Self.terminals] : [])
        host.OomScoreAdj = surroundings.oomScore
        // If the engine cannot set the owner of a place, the agent sets its mode.
        let places = surroundings.ownsPlaces ? [] : template.tmpfsPaths.flatMap { ["--open", $0] }
        return ContainerRequest(
            Hostname: member.description, Image: image.Id ?? template.image, Entrypoint: command + places,
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
                "o": "newinstance,max=\(HardeningProfile.maxTerminals),ptmxmode=0666,mode=0620,gid=5,nosuid,noexec",
            ])))

    /// Properties of the engine, which is asked once.
    func surroundings() async throws -> EngineSurroundings {
        if let known = known.withLock({ $0 }) { return known }
        let version = try await engine.version()
        let info = try await engine.call(HTTPRequest(.get, "/info"), returning: EngineInfo.self)
        let profile = String(decoding: try Engine.encode(SeccompProfile()), as: UTF8.self)
        var seccomp = profile
        let isPodman = version.engine.hasPrefix("Podman")
        if isPodman {
            // Docker takes the profile itself, but Podman the name of a file.
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

/// The properties of an engine on which the configuration of members depends.
struct EngineSurroundings: Sendable {
    /// The seccomp profile, or the path of its file.
    var seccomp: String
    var users: UserSpace
    /// Whether it can mount file systems for a container, so that terminals can be limited.
    var limitsTerminals: Bool
    /// Whether a tmpfs can belong to a user other than root.
    var ownsPlaces = true
    /// Value of oom_score_adj. Without it, an ordinary user's Podman requests 0, which is lower than that of the user's
    /// services under systemd (200); only root may lower it, and so runc would fail.
    var oomScore: Int?

    /// Higher than an ordinary user's services have, and lower than what the agent gives to programs (500).
    static let raisedOOMScore = 300

    /// The user that programs run as, which is added to the image's accounts.
    func user(of template: MemberTemplate, _ accounts: inout Accounts) -> MemberUser {
        let uid = users.user(template.uid ?? MemberTemplate.standardUID)
        accounts.add(uid, template.allowedUIDs, home: template.home)
        return MemberUser(uid: uid, names: accounts.names)
    }
}
