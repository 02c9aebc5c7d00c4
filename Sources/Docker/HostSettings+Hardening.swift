// SPDX-License-Identifier: Apache-2.0

package import Hardening
package import Pool

extension HostSettings {
    /// The settings of a container: the limits of its template, and the hardening that is the same on every runtime, as the
    /// Engine API has them.
    /// - Parameters:
    ///   - seccomp: the profile, or the path of its file; nil is the engine's own.
    ///   - ownsPlaces: whether a tmpfs can belong to a user other than root. Podman refuses the options for that; there the
    ///     mode lets everybody write.
    package init(_ template: MemberTemplate, _ hardening: HardeningProfile, seccomp: String?, ownsPlaces: Bool) {
        self.init(
            NetworkMode: template.network, CapAdd: HardeningProfile.capabilities,
            SecurityOpt: ["no-new-privileges"] + (seccomp.map { ["seccomp=\($0)"] } ?? []),
            MaskedPaths: HardeningProfile.maskedPaths, ReadonlyPaths: HardeningProfile.readonlyPaths,
            // Newer engines make it so themselves to let programs ping.
            Sysctls: template.network == "host" ? [:] : ["net.ipv4.ping_group_range": "1 0"],
            ShmSize: HardeningProfile.sharedMemoryBytes, Runtime: template.runtimeName, Memory: template.memoryBytes,
            MemorySwap: template.memoryBytes,
            PidsLimit: template.processes, NanoCpus: template.milliCPUs * 1_000_000,
            Ulimits: hardening.limits.map { .init(Name: $0.name, Soft: $0.value, Hard: $0.value) })
        for place in hardening.places { addPlace(place.path, place.options, ownsPlaces: ownsPlaces) }
    }

    /// Adds a writable place, unless there is one at that path already.
    mutating func addPlace(_ path: String, _ options: [String], ownsPlaces: Bool) {
        guard Tmpfs[path] == nil else { return }
        let known = options.filter { ownsPlaces || !$0.hasPrefix("uid=") && !$0.hasPrefix("gid=") }
        Tmpfs[path] = (["rw", "exec"] + known).joined(separator: ",")
    }
}
