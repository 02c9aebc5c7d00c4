// SPDX-License-Identifier: Apache-2.0

package import Housekeeping
package import Pool

/// A runtime without a daemon: this server makes the containers itself, or with a tool that ends at once.
package protocol EmbeddedRuntime: ContainerRuntime {
    var ground: EmbeddedGround { get }

    /// What the janitor must remove if this server dies.
    var containers: Janitor.Containers { get }

    /// Checks a template, and prepares all that its members have in common, pulling a missing image. This comes before the
    /// first create, whose time-out is too short for that.
    /// - Returns: the template with the image that its reference refers to now.
    /// - Throws: `invalidConfiguration`, or `imageMissing` with what would help.
    @discardableResult
    func prepare(_ template: MemberTemplate) async throws(RuntimeError) -> MemberTemplate

    /// What another program needs to go on with a member; nil: the runtime does not know it.
    func carry(_ member: MemberID) -> CarriedContainer?

    /// Goes on with a member of another program.
    func goOn(_ carried: CarriedContainer)

    /// Processes that end with this program, and that the program in its place must reap.
    var helpers: [Int32] { get }
}

/// A member as its runtime knows it, for the program that takes this one's place.
package struct CarriedContainer: Codable, Sendable, Equatable {
    package var member: String
    /// Its first process.
    package var pid: Int32
    /// A descriptor that refers to that process.
    package var process: Int32?
    /// The file that is the agent's standard error.
    package var diagnostics: Int32?

    package init(member: MemberID, pid: Int32, process: Int32? = nil, diagnostics: Int32? = nil) {
        self.member = member.description
        self.pid = pid
        self.process = process
        self.diagnostics = diagnostics
    }
}

extension EmbeddedRuntime {
    package var cgroups: Cgroups { ground.cgroups }
    package var isOverlaid: Bool { ground.isOverlaid }

    package var helpers: [Int32] { [] }

    /// What is counted of a member that this program goes on with.
    package func counters(_ carried: CarriedContainer) -> (memoryKills: MemoryKills?, cpu: CPUMeter?) {
        (cgroups.counts(memoryOf: carried.pid), cgroups.meter(MemberID(carried.member)))
    }

    /// Bytes that the limits of this server's unit or container leave for members; nil if there are none.
    package func memoryLeft() -> Int64? { ground.cgroups.memoryLeft() }
}
