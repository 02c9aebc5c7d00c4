// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import Housekeeping
package import Pool

/// What the server does where the limits of its members can't be held.
package enum LimitPolicy: String, Sendable, CaseIterable {
    /// It does not start.
    case required
    /// It goes without those, and says so.
    case bestEffort = "best-effort"
}

extension Cgroups {
    /// The limits that can't be held, as people know them; empty where all are.
    package var unheld: [String] { Self.names(CgroupPlace.neededControllers.filter { !held.contains($0) }) }

    static func names(_ controllers: [String]) -> [String] {
        controllers.map { ["pids": "processes", "cpu": "cpus"][$0] ?? $0 }
    }

    /// The controllers that an ordinary user can't use, as far as can be told without making anything.
    var refused: [String] {
        guard let place, place.owner != .root, access("\(mounts[0])/\(place.path)", W_OK) == 0 else {
            return CgroupPlace.neededControllers
        }
        return missingControllers
    }

    /// Finds out which limits can be held, and prepares their cgroups.
    /// - Throws: with the limits and what to do, if there are others and they are required.
    mutating func hold(_ policy: LimitPolicy) throws(RuntimeError) {
        let missing = missingControllers
        var reason = "no cgroup controller is here for \(missing.joined(separator: ", "))"
        held.removeAll(where: missing.contains)
        do throws(RuntimeError) {
            try prepare()
        } catch {
            // As root, this is not for want of rights, and has an advice of its own.
            guard UserNamespace.isOwn || policy == .bestEffort else { throw error }
            (held, reason) = ([], error.message)
        }
        guard policy == .required, !unheld.isEmpty else { return }
        removeParent()
        throw RuntimeError(.runtimeUnreachable, Self.refusal(unheld, reason))
    }

    static func refusal(_ unheld: [String], _ reason: String) -> String {
        let names = unheld.joined(separator: ", ")
        let advice =
            UserNamespace.isOwn
            ? "start the server with `systemd-run --user -p Delegate=yes` on a host with cgroup v2, or " : ""
        return "the limits of the pools (\(names)) can't be held: \(reason); \(advice)go without them by "
            + "`limits: best-effort`"
    }

    /// Kills for lack of memory in a member's own cgroup; nil where it has none, and is in the server's.
    package func counts(memoryOf process: Int32) -> MemoryKills? {
        held.contains("memory") ? MemoryKills(process: process) : nil
    }

    /// The CPU time of a member; nil where it has no cgroup of its own that counts it.
    package func meter(_ member: MemberID) -> CPUMeter? {
        guard !held.isEmpty else { return nil }
        if isUnified { return CPUMeter(file: "\(mounts[0])/\(parent)/\(member)/cpu.stat") }
        return limitingMounts.first { Self.controllers(at: $0).contains("cpuacct") }
            .flatMap { CPUMeter(file: "\($0)/\(parent)/\(member)/cpuacct.usage") }
    }
}
