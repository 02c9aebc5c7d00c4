// SPDX-License-Identifier: Apache-2.0

package import DockerConfig
package import Embedded
internal import Glibc
package import Housekeeping
package import Logging
package import Pool

/// Containers without a daemon: each member is created by one short run of runc (or crun), and the agent's standard input and
/// output are its stream.
package final class RuncRuntime: EmbeddedRuntime {
    package let kind = "runc"
    package let ground: EmbeddedGround
    let executable: String

    var stateDirectory: String { ground.stateDirectory }

    /// - Parameters:
    ///   - runcPath: runc or crun; nil looks in PATH and the system's directories.
    ///   - instance: names the cgroup, `/berth-<instance>`.
    ///   - agentPath: the static berth-agent, an absolute path.
    ///   - stateDirectory: the path of the instance's `StateDirectory`, held as long as the runtime lives.
    ///   - imageDirectory: where pulled images are kept, unpacked.
    ///   - logins: logins of Docker's client, for pulls.
    ///   - usesOverlays: if false, it behaves as on a host without overlays.
    ///   - limits: what to do where not all limits can be held.
    /// - Throws: `runtimeUnreachable`, with what this machine lacks and the command that helps.
    package init(
        runcPath: String?, instance: String, agentPath: String, stateDirectory: String,
        imageDirectory: String = ImageDirectory.standard, logins: DockerConfigFile = .none, usesOverlays: Bool = true,
        limits: LimitPolicy = .required, logger: Logger
    ) throws(RuntimeError) {
        let probe = RuncProbe(runcPath: runcPath, limits: limits)
        if let problem = probe.problems.first(where: \.isFatal) {
            throw RuntimeError(
                .runtimeUnreachable, problem.message + (problem.remedy.map { ": \($0)" } ?? ""))
        }
        guard let executable = probe.runtimePath else {
            throw RuntimeError(.runtimeUnreachable, "runc is not installed: apt-get install runc")
        }
        self.executable = executable
        for name in ["members", "runc"] {
            try Files.makeDirectory("\(stateDirectory)/\(name)", mode: 0o700)
        }
        ground = try EmbeddedGround(
            kind: "runc", instance: instance, agentPath: agentPath, stateDirectory: stateDirectory,
            imageDirectory: imageDirectory, logins: logins, usesOverlays: usesOverlays, limits: limits, logger: logger)
    }

    @discardableResult
    package func prepare(_ template: MemberTemplate) async throws(RuntimeError) -> MemberTemplate {
        try await blocking { cancellation throws(RuntimeError) in
            try self.ground.prepare(template, cancellation)
        }
    }

    private func pid(_ member: MemberID) -> Int32? {
        Files.read("\(bundle(member))/pid").flatMap { Int32(String(decoding: $0, as: UTF8.self)) }
    }

    package func carry(_ member: MemberID) -> CarriedContainer? {
        pid(member).map { CarriedContainer(member: member, pid: $0, diagnostics: ground.diagnostics.file(member)) }
    }

    package func goOn(_ carried: CarriedContainer) {
        if let file = carried.diagnostics { ground.diagnostics.keep(file, MemberID(carried.member)) }
    }

    package func create(_ member: MemberID, _ template: MemberTemplate) async throws(RuntimeError) -> MemberStream {
        let socket = try await blocking { cancellation throws(RuntimeError) in
            try self.start(member, template, cancellation)
        }
        return MemberStream(
            socket: socket.descriptor, user: socket.user,
            memoryKills: pid(member).flatMap { ground.cgroups.counts(memoryOf: $0) }, cpu: ground.cgroups.meter(member))
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

    package func shutdown() async { ground.shutdown() }

    package var containers: Janitor.Containers { .init(runcPath: executable, cgroup: cgroups.parent) }

    func bundle(_ member: MemberID) -> String { "\(stateDirectory)/members/\(member)" }
}
