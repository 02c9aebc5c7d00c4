// SPDX-License-Identifier: Apache-2.0

package import DockerConfig
internal import GatedLog
internal import Glibc
internal import Hardening
package import Housekeeping
package import Logging
package import Pool
internal import Synchronization

/// Containers without a daemon: each member is created by one short run of runc (or crun), and the agent's standard input and
/// output are its stream.
package final class RuncRuntime: ContainerRuntime {
    package let kind = "runc"
    let executable: String
    let agentPath: String
    let stateDirectory: String
    let cgroups: Cgroups
    let images: ImageStore
    let logger: Logger
    /// Limits log lines that programs can cause, in any number of containers.
    let gate: LogGate
    /// Root filesystems created so far, by what they are made from; and the standard error of members' agents.
    let roots = Mutex<[RootKey: RootFilesystem]>([:])
    let diagnostics = Mutex<[MemberID: Int32]>([:])
    /// Queries to registries whether a tag has moved.
    let comparisons = Mutex<[String: Task<Void, Never>]>([:])

    struct RootKey: Hashable {
        var image: String
        var identity: String?
        var network: String
        var tmpfsPaths: [String]
    }

    /// User ids that exist here.
    let users = UserSpace(map: String(decoding: Files.read("/proc/self/uid_map") ?? [], as: UTF8.self))
    /// Whether members see files through overlays.
    let isOverlaid: Bool
    /// An empty directory.
    let empty: String

    /// - Parameters:
    ///   - runcPath: runc or crun; nil looks in PATH and the system's directories.
    ///   - instance: names the cgroup, `/berth-<instance>`.
    ///   - agentPath: the static berth-agent, an absolute path.
    ///   - stateDirectory: the path of the instance's `StateDirectory`, held as long as the runtime lives.
    ///   - imageDirectory: where pulled images are kept, unpacked.
    ///   - logins: logins of Docker's client, for pulls.
    ///   - usesOverlays: if false, it behaves as on a host without overlays.
    /// - Throws: `runtimeUnreachable`, with what this machine lacks and the command that helps.
    package init(
        runcPath: String?, instance: String, agentPath: String, stateDirectory: String,
        imageDirectory: String = "/var/cache/berth/images", logins: DockerConfigFile = .none, usesOverlays: Bool = true,
        logger: Logger
    ) throws(RuntimeError) {
        let probe = RuncProbe(runcPath: runcPath)
        if let problem = probe.problems.first(where: \.isFatal) {
            throw RuntimeError(
                .runtimeUnreachable, problem.message + (problem.remedy.map { ": \($0)" } ?? ""))
        }
        guard let executable = probe.runtimePath else {
            throw RuntimeError(.runtimeUnreachable, "runc is not installed: apt-get install runc")
        }
        guard agentPath.hasPrefix("/"), access(agentPath, X_OK) == 0 else {
            throw RuntimeError(.invalidConfiguration, "the agent \(agentPath) is not an executable file")
        }
        self.executable = executable
        self.agentPath = agentPath
        self.stateDirectory = stateDirectory
        self.logger = logger
        gate = LogGate(logger)
        let cgroups = Cgroups(instance: instance, stateDirectory: stateDirectory)
        self.cgroups = cgroups
        images = ImageStore(directory: imageDirectory, logins: logins, logger: logger)
        for name in ["members", "runc", "roots"] {
            try Files.makeDirectory("\(stateDirectory)/\(name)", mode: 0o700)
        }
        let scratch = "\(stateDirectory)/roots/.shared"
        try Files.makeDirectory(scratch, mode: 0o700)
        try Files.makeDirectory("\(scratch)/empty")
        empty = "\(scratch)/empty"
        // Before anything is mounted here: a unit may forbid that under penalty of death, which the probe's child takes.
        do throws(RuntimeError) {
            try StartProbe(cgroups: cgroups).run(directory: "\(stateDirectory)/roots")
        } catch {
            cgroups.removeParent()
            throw error
        }
        isOverlaid = usesOverlays && Overlay.works(over: "/usr", scratch: scratch)
        if !isOverlaid {
            logger.warning(
                "no overlays on this host: programs can't use inotify, and their locks of the image's files reach others"
            )
        }
        let location = cgroups.location
        logger.info(
            "the members' cgroups",
            metadata: ["cgroup.path": "\(location.path)", "cgroup.reason": "\(location.reason)"])
    }

    package func create(_ member: MemberID, _ template: MemberTemplate) async throws(RuntimeError) -> MemberStream {
        let socket = try await blocking { cancellation throws(RuntimeError) in
            try self.start(member, template, cancellation)
        }
        let pid = Files.read("\(bundle(member))/pid").flatMap { Int32(String(decoding: $0, as: UTF8.self)) }
        return MemberStream(
            socket: socket.descriptor, user: socket.user, memoryKills: pid.flatMap { MemoryKills(process: $0) })
    }

    package func remove(_ member: MemberID) async throws(RuntimeError) {
        try await blocking { cancellation throws(RuntimeError) in
            try self.destroy(member, cancellation)
        }
    }

    package func members() async throws(RuntimeError) -> [MemberID] {
        try await blocking { _ throws(RuntimeError) in
            let names = Set(Files.list("\(self.stateDirectory)/members") + Files.list("\(self.stateDirectory)/runc"))
            return names.union(self.cgroups.members()).sorted().map(MemberID.init)
        }
    }

    package func shutdown() async {
        for comparison in comparisons.withLock({ Array($0.values) }) { comparison.cancel() }
        let left = diagnostics.withLock { files in
            defer { files = [:] }
            return files
        }
        for descriptor in left.values { close(descriptor) }
        cgroups.removeParent()
    }

    /// Bytes that the limits of this server's unit or container leave for members; nil if there are none.
    package func memoryLeft() -> Int64? { cgroups.memoryLeft() }

    /// What the janitor must remove if this server dies.
    package var containers: Janitor.Containers { .init(runcPath: executable, cgroup: cgroups.parent) }

    func bundle(_ member: MemberID) -> String { "\(stateDirectory)/members/\(member)" }

    deinit {
        diagnostics.withLock { files in
            for descriptor in files.values { close(descriptor) }
        }
    }
}
