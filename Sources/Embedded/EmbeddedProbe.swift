// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import Housekeeping
internal import Pool

/// Checks what this machine has, and what it lacks, for the runtimes without a daemon.
package struct EmbeddedProbe: Sendable {
    /// A missing part.
    package struct Problem: Sendable, Equatable {
        /// One line: what is missing.
        package var message: String
        /// The command that installs or enables it; nil if there is none.
        package var remedy: String?
        /// Whether no member can be created without it.
        package var isFatal: Bool

        package init(message: String, remedy: String? = nil, isFatal: Bool) {
            self.message = message
            self.remedy = remedy
            self.isFatal = isFatal
        }
    }

    package var problems: [Problem] = []
    /// Where members' cgroups would be, and what that means for the limits of the server's unit.
    package let location: (path: String, reason: String)
    package let cgroups: Cgroups

    /// Whether this is an ordinary user's server that can't hold all limits.
    package var lacksLimits: Bool { UserNamespace.isOwn && !cgroups.refused.isEmpty }

    package var isUsable: Bool { !problems.contains(where: \.isFatal) }

    /// Checks the machine. It starts no program, and takes well under a millisecond.
    /// - Parameter limits: what the server does where not all limits can be held.
    package init(limits: LimitPolicy = .required) {
        cgroups = Cgroups(instance: "7411", stateDirectory: "/run/berth/7411")
        location = cgroups.location
        if geteuid() != 0 {
            problems.append(
                Problem(
                    message: "an ordinary user's containers need a user namespace, which this server is not in",
                    remedy: "sudo berth serve, or allow user namespaces", isFatal: true))
        }
        let missing = cgroups.missingControllers
        if !missing.isEmpty, limits == .required, geteuid() != 0 || !UserNamespace.isOwn {
            problems.append(
                Problem(
                    message: "no cgroup controller for \(missing.joined(separator: ", ")) under /sys/fs/cgroup",
                    isFatal: true))
        }
        if limits == .required, lacksLimits {
            problems.append(
                Problem(
                    message: Cgroups.refusal(
                        Cgroups.names(cgroups.refused), "this user has no cgroup with their controllers"),
                    isFatal: false))
        }
        let tools = ["skopeo", "umoci"].filter { Subprocess.find($0) == nil }
        if !tools.isEmpty {
            problems.append(
                Problem(
                    message: "images can't be pulled, the host's own programs alone can be used: "
                        + "\(tools.joined(separator: " and ")) not installed",
                    remedy: "apt-get install \(tools.joined(separator: " "))", isFatal: false))
        }
    }

    /// One line about what every member needs and a unit, a container or the kernel forbids; nil if nothing is. It leaves
    /// nothing behind: it tries in a child process in new namespaces, which ends at once.
    package var obstacle: String? {
        do throws(RuntimeError) {
            try StartProbe(cgroups: cgroups).look()
            return nil
        } catch {
            return error.message
        }
    }
}
