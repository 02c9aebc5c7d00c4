// SPDX-License-Identifier: Apache-2.0

import Configuration
import Hardening
import Housekeeping
import Logging
import Pool

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// The start of a server by an ordinary user. Only in a user namespace may that make containers, and only a process of one
/// thread may enter one: so the server's process becomes berth-launcher, which enters it and becomes the server again.
struct RootlessStart {
    let configuration: ServerConfiguration
    let logger: Logger

    /// Ids of a user in /etc/subuid or /etc/subgid.
    struct Range: Equatable {
        var start: UInt32
        var count: UInt32
    }

    /// Enters a user namespace if that is needed. If it succeeds, this process goes on there from its beginning.
    /// - Throws: `Failure` with what is missing.
    func run() async throws {
        guard geteuid() != 0, await needsNamespace() else { return }
        // From within, the owners of the directories above it can't be told.
        try StateDirectory.make(configuration.stateDirectory ?? StateDirectory.defaultBase)
        let agent = try AgentBinary.find(configuration.agent)
        guard let launcher = LauncherBinary.find(agent: agent) else {
            throw Failure("berth-launcher, with which an ordinary user's server starts, is not beside \(agent)")
        }
        if Self.ranges() == nil {
            logger.notice(
                "programs run as this user: newuidmap, newgidmap and ids in /etc/subuid and /etc/subgid would give them others",
                metadata: ["see": "docs/threat-model.md"])
        }
        try Self.enter(launcher)
    }

    /// Goes on from the beginning of this program in a user namespace.
    static func enter(_ launcher: String) throws {
        guard let own = AgentBinary.realPath("/proc/self/exe") else { throw Failure("/proc/self/exe can't be read") }
        let ranges = ranges()
        let ids = [ranges?.users, ranges?.groups].flatMap { ["\($0?.start ?? 0)", "\($0?.count ?? 0)"] }
        let words = [launcher, "--user-namespace"] + ids + [own] + CommandLine.arguments
        var arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
        defer { for argument in arguments { free(argument) } }
        execv(launcher, &arguments)
        throw Failure("\(launcher): \(String(cString: strerror(errno)))")
    }

    /// Engines and clusters need none. `auto` takes it if it can be had, so it is asked first.
    private func needsNamespace() async -> Bool {
        switch configuration.runtime {
        case .docker, .podman, .kubernetes: return false
        case .native, .runc: return true
        case .auto:
            let images = configuration.pools.compactMap(\.image)
            if images.contains(where: PoolSettings.isHostFiles) { return true }
            guard let search = try? EngineSearch(configuration.dockerHost) else { return true }
            return await search.run(image: images.first ?? RuntimeChoice.standardImage).found == nil
        }
    }

    /// The user's subordinate ids, if all that is needed to use them is there.
    private static func ranges() -> (users: Range, groups: Range)? {
        guard Subprocess.find("newuidmap") != nil, Subprocess.find("newgidmap") != nil else { return nil }
        let names = ["\(geteuid())", getpwuid(geteuid()).map { String(cString: $0.pointee.pw_name) }].compactMap(\.self)
        guard let users = range(of: names, in: Files.text("/etc/subuid")),
            let groups = range(of: names, in: Files.text("/etc/subgid"))
        else { return nil }
        return (users, groups)
    }

    /// The largest range of a user, from lines as `name:100000:65536`.
    static func range(of names: [String], in text: String) -> Range? {
        let all = text.split(separator: "\n").compactMap { line -> Range? in
            let fields = line.split(separator: ":", omittingEmptySubsequences: false)
            guard fields.count == 3, names.contains(String(fields[0])), let start = UInt32(fields[1]),
                let count = UInt32(fields[2]), start > 0, count > 0
            else { return nil }
            return Range(start: start, count: count)
        }
        return all.max { $0.count < $1.count }
    }
}
