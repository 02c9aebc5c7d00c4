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
}

extension EmbeddedRuntime {
    package var cgroups: Cgroups { ground.cgroups }
    package var isOverlaid: Bool { ground.isOverlaid }

    /// Bytes that the limits of this server's unit or container leave for members; nil if there are none.
    package func memoryLeft() -> Int64? { ground.cgroups.memoryLeft() }
}
