// SPDX-License-Identifier: Apache-2.0

package import DockerConfig
package import Embedded
internal import Glibc
package import Housekeeping
package import Logging
package import Pool
internal import Synchronization

/// Containers that this server makes itself: a small process for each template, the launcher, forks them.
///
/// A member is what runc makes of the same template, eight times faster: runc executes itself three times for each, and
/// starts Go twice. The launcher has parsed, resolved and mounted beforehand all that members have in common.
package final class NativeRuntime: EmbeddedRuntime {
    /// Maximum number of launchers, so that reloads with other templates don't pile them up.
    private static let maxLaunchers = 32

    package let kind = "native"
    package let ground: EmbeddedGround
    private let launcherPath: String
    private let instance: String
    private let launchers = Mutex<[Key: Entry]>([:])
    /// Members that this server has made and not removed.
    let made = Mutex<[MemberID: Launcher.Made]>([:])

    /// What the members of a launcher have in common.
    private struct Key: Hashable {
        var image: String
        var identity: String?
        var network: String
        var numbers: [Int64]
        var tmpfsPaths: [String]

        init(_ template: MemberTemplate) {
            image = template.image
            identity = template.imageIdentity
            network = template.network
            numbers = [
                template.memoryBytes, template.processes, template.milliCPUs, template.tmpfsBytes, template.openFiles,
            ]
            tmpfsPaths = template.tmpfsPaths
        }
    }

    private struct Entry {
        var launcher: Launcher
        var lastUse: ContinuousClock.Instant
    }

    /// - Parameters:
    ///   - launcherPath: berth-launcher, an absolute path.
    ///   - instance: names the cgroup, `/berth-<instance>`.
    ///   - agentPath: the static berth-agent, an absolute path.
    ///   - stateDirectory: the path of the instance's `StateDirectory`, held as long as the runtime lives.
    ///   - imageDirectory: where pulled images are kept, unpacked.
    ///   - logins: logins of Docker's client, for pulls.
    ///   - usesOverlays: if false, it behaves as on a host without overlays.
    ///   - limits: what to do where not all limits can be held.
    /// - Throws: `runtimeUnreachable`, with what this machine lacks and the command that helps.
    package init(
        launcherPath: String, instance: String, agentPath: String, stateDirectory: String,
        imageDirectory: String = ImageDirectory.standard, logins: DockerConfigFile = .none, usesOverlays: Bool = true,
        limits: LimitPolicy = .required, logger: Logger
    ) throws(RuntimeError) {
        let probe = NativeProbe(launcherPath: launcherPath, limits: limits)
        if let problem = probe.problems.first(where: \.isFatal) {
            throw RuntimeError(
                .runtimeUnreachable, problem.message + (problem.remedy.map { ": \($0)" } ?? ""))
        }
        self.launcherPath = launcherPath
        self.instance = instance
        ground = try EmbeddedGround(
            kind: "native", instance: instance, agentPath: agentPath, stateDirectory: stateDirectory,
            imageDirectory: imageDirectory, logins: logins, usesOverlays: usesOverlays, limits: limits, logger: logger)
        do throws(RuntimeError) {
            try ground.cgroups.restrictDevices()
        } catch {
            ground.shutdown()
            throw error
        }
    }

    @discardableResult
    package func prepare(_ template: MemberTemplate) async throws(RuntimeError) -> MemberTemplate {
        try await blocking { cancellation throws(RuntimeError) in
            let template = try self.ground.prepare(template, cancellation)
            _ = try self.launcher(template, cancellation)
            return template
        }
    }

    package func create(_ member: MemberID, _ template: MemberTemplate) async throws(RuntimeError) -> MemberStream {
        let (socket, user, pid) = try await blocking { cancellation throws(RuntimeError) in
            try self.start(member, template, cancellation)
        }
        return MemberStream(
            socket: socket, user: user, memoryKills: ground.cgroups.counts(memoryOf: pid),
            cpu: ground.cgroups.meter(member))
    }

    package func remove(_ member: MemberID) async throws(RuntimeError) {
        try await blocking { cancellation throws(RuntimeError) in
            try self.destroy(member, cancellation)
        }
    }

    package func members() async throws(RuntimeError) -> [MemberID] {
        try await blocking { _ throws(RuntimeError) in
            self.cgroups.members().sorted().map(MemberID.init)
        }
    }

    package func shutdown() async {
        let left = launchers.withLock { launchers in
            defer { launchers = [:] }
            return launchers
        }
        for entry in left.values { entry.launcher.end() }
        ground.shutdown()
    }

    package func carry(_ member: MemberID) -> CarriedContainer? {
        guard let made = made.withLock({ $0[member] }) else { return nil }
        return CarriedContainer(
            member: member, pid: made.pid, process: made.pidfd, diagnostics: ground.diagnostics.file(member))
    }

    package func goOn(_ carried: CarriedContainer) {
        let member = MemberID(carried.member)
        if let process = carried.process {
            made.withLock { $0[member] = Launcher.Made(pid: carried.pid, pidfd: process) }
        }
        if let file = carried.diagnostics { ground.diagnostics.keep(file, member) }
    }

    package var helpers: [Int32] { launcherPIDs }

    package var containers: Janitor.Containers { .init(runcPath: nil, cgroup: cgroups.parent) }

    // MARK: Launchers

    /// The process ids of the launchers.
    var launcherPIDs: [Int32] { launchers.withLock { $0.values.map(\.launcher.pid) } }

    /// Whether a launcher has a request that it has not answered, for tests.
    var isCreating: Bool { launchers.withLock { $0.values.contains { $0.launcher.isAnswerDue } } }

    /// The launcher of a template, which is started if there is none or it has ended.
    func launcher(_ template: MemberTemplate, _ cancellation: Cancellation) throws(RuntimeError) -> Launcher {
        let key = Key(template)
        let known = launchers.withLock { launchers in
            launchers[key]?.lastUse = .now
            return launchers[key]?.launcher
        }
        if let known, known.isUsable { return known }
        let root = try ground.root(template, cancellation)
        let layers = ground.own(MemberID("x"), template, root).files.map(\.name)
        let setup = LauncherSetup(
            template: template, root: root, layers: layers, ground: ground, filter: try Self.filter(root))
        let new = try Launcher(path: launcherPath, instance: instance, setup: setup, cancellation)
        let old = launchers.withLock { launchers in
            let surplus =
                launchers.count < Self.maxLaunchers
                ? nil : launchers.filter { !$0.value.launcher.isBusy }.min { $0.value.lastUse < $1.value.lastUse }?.key
            let replaced = launchers.updateValue(Entry(launcher: new, lastUse: .now), forKey: key)
            return [replaced, surplus.flatMap { launchers.removeValue(forKey: $0) }].compactMap(\.self)
        }
        for entry in old where !entry.launcher.isBusy { entry.launcher.end() }
        return new
    }
}
