// SPDX-License-Identifier: Apache-2.0

package import Embedded
internal import Housekeeping

/// Checks what this machine has, and what it lacks, for runc.
package struct RuncProbe: Sendable {
    package typealias Problem = EmbeddedProbe.Problem

    /// The OCI runtime found: runc, or crun where the host's cgroups let it run.
    package var runtimePath: String?
    package var problems: [Problem] = []
    private let host: EmbeddedProbe

    package var isUsable: Bool { runtimePath != nil && !problems.contains(where: \.isFatal) }
    /// Where members' cgroups would be, and what that means for the limits of the server's unit.
    package var location: (path: String, reason: String) { host.location }
    /// One line about what every member needs and a unit, a container or the kernel forbids; nil if nothing is.
    package var obstacle: String? { host.obstacle }

    /// Checks the machine. It starts no program, and takes well under a millisecond.
    ///
    /// - Parameter runcPath: the only runtime to consider; nil for whatever is installed.
    package init(runcPath: String? = nil, limits: LimitPolicy = .required) {
        host = EmbeddedProbe(limits: limits)
        if let runcPath {
            runtimePath = Subprocess.find(runcPath)
            if runtimePath == nil {
                problems.append(Problem(message: "\(runcPath) is not an executable file", isFatal: true))
            }
        } else {
            // crun refuses hybrid and v1 hierarchies on many hosts.
            runtimePath = Subprocess.find("runc") ?? (host.cgroups.isUnified ? Subprocess.find("crun") : nil)
            if runtimePath == nil {
                problems.append(
                    Problem(message: "runc is not installed", remedy: "apt-get install runc", isFatal: true))
            }
        }
        problems += host.problems
    }
}
