// SPDX-License-Identifier: Apache-2.0

package import DockerConfig
internal import Glibc
package import Hardening
internal import Housekeeping
package import Logging
package import Pool
internal import Synchronization

/// What the embedded runtimes have in common: the members' cgroups, and images and root filesystems of templates.
package final class EmbeddedGround: Sendable {
    /// "runc" or "native", for messages.
    let kind: String
    package let agentPath: String
    package let stateDirectory: String
    package let cgroups: Cgroups
    package let logger: Logger
    /// User ids that exist here.
    package let users = UserSpace(map: Files.text("/proc/self/uid_map"))
    /// Whether members see files through overlays.
    package let isOverlaid: Bool
    /// An empty directory.
    package let empty: String
    package let diagnostics: AgentDiagnostics
    let images: ImageStore
    /// Root filesystems created so far, by what they are made from.
    let roots = Mutex<[RootKey: RootFilesystem]>([:])
    /// Queries to registries whether a tag has moved.
    let comparisons = Mutex<[String: Task<Void, Never>]>([:])

    struct RootKey: Hashable {
        var image: String
        var identity: String?
        var network: String
        var tmpfsPaths: [String]
    }

    /// - Parameters:
    ///   - kind: the runtime's name.
    ///   - instance: names the cgroup, `/berth-<instance>`.
    ///   - agentPath: the static berth-agent, an absolute path.
    ///   - stateDirectory: the path of the instance's `StateDirectory`, held as long as the runtime lives.
    ///   - imageDirectory: where pulled images are kept, unpacked.
    ///   - logins: logins of Docker's client, for pulls.
    ///   - usesOverlays: if false, it behaves as on a host without overlays.
    ///   - limits: what to do where not all limits can be held.
    /// - Throws: with what this machine lacks and the command that helps.
    package init(
        kind: String, instance: String, agentPath: String, stateDirectory: String, imageDirectory: String,
        logins: DockerConfigFile, usesOverlays: Bool, limits: LimitPolicy = .required, logger: Logger
    ) throws(RuntimeError) {
        guard agentPath.hasPrefix("/"), access(agentPath, X_OK) == 0 else {
            throw RuntimeError(.invalidConfiguration, "the agent \(agentPath) is not an executable file")
        }
        self.kind = kind
        self.agentPath = agentPath
        self.stateDirectory = stateDirectory
        self.logger = logger
        diagnostics = AgentDiagnostics(logger)
        var cgroups = Cgroups(instance: instance, stateDirectory: stateDirectory)
        try cgroups.hold(limits)
        self.cgroups = cgroups
        images = ImageStore(directory: imageDirectory, logins: logins, logger: logger)
        let scratch = "\(stateDirectory)/roots/.shared"
        try Files.makeDirectory("\(stateDirectory)/roots", mode: 0o700)
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
        if !cgroups.unheld.isEmpty {
            logger.warning(
                "limits are not held: what a program uses of these, others on this host lack",
                metadata: ["limits": "\(cgroups.unheld.joined(separator: ", "))", "setting": "limits: best-effort"])
        }
        let location = cgroups.location
        logger.info(
            "the members' cgroups",
            metadata: ["cgroup.path": "\(location.path)", "cgroup.reason": "\(location.reason)"])
    }

    /// What is a member's own: the user of its programs, with names, and its files in /etc.
    package func own(
        _ member: MemberID, _ template: MemberTemplate, _ root: RootFilesystem
    ) -> (user: MemberUser, files: [(name: String, content: [UInt8])]) {
        let uid = users.user(template.uid ?? MemberTemplate.standardUID)
        var accounts = root.accounts
        accounts.add(uid, template.allowedUIDs, home: template.home)
        return (
            MemberUser(uid: uid, names: accounts.names),
            root.files(template, hostname: member.description, accounts)
        )
    }

    /// Ends what runs in the background, and removes the members' parent once it is empty.
    package func shutdown() {
        for comparison in comparisons.withLock({ Array($0.values) }) { comparison.cancel() }
        diagnostics.closeAll()
        cgroups.removeParent()
    }
}
