// SPDX-License-Identifier: Apache-2.0

internal import CurlHTTP
internal import Hardening
internal import Pool
internal import Synchronization

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
        let hardening = HardeningProfile(template, user: order.uid)
        var host = HostSettings(
            template, hardening, seccomp: surroundings.seccomp, ownsPlaces: surroundings.ownsPlaces)
        // An image's own volumes would be directories on the host's disk, without a limit.
        for (path, _) in image.Config?.Volumes ?? [:] {
            host.addPlace(path, hardening.options, ownsPlaces: surroundings.ownsPlaces)
        }
        // A network of the engine's gives the name an address itself.
        if template.network == "none" { host.ExtraHosts = ["\(member):127.0.0.1"] }
        host.Mounts = mounts + (surroundings.limitsTerminals ? [Self.terminals] : [])
        host.OomScoreAdj = surroundings.oomScore
        // Where the engine can't be asked for a place's owner, its agent makes sure of the mode.
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
    /// A tmpfs can belong to another than root.
    var ownsPlaces = true
    /// An ordinary user's Podman asks for 0 where nothing is said. That is less than systemd gives that user's services
    /// (200), and nobody but root may lower it: runc fails.
    var oomScore: Int?

    /// More than an ordinary user's services have, less than the agent gives to programs (500).
    static let raisedOOMScore = 300

    /// Who programs run as; adds them to the image's accounts.
    func user(of template: MemberTemplate, _ accounts: inout Accounts) -> MemberUser {
        let uid = users.user(template.uid ?? MemberTemplate.standardUID)
        accounts.add(uid, template.allowedUIDs, home: template.home)
        return MemberUser(uid: uid, names: accounts.names)
    }
}
