// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Finds the launcher, which makes the containers of the runtime native.
enum LauncherBinary {
    /// - Parameter agent: the agent, beside which it is searched first.
    /// - Returns: nil if it is in none of the places.
    static func find(agent: String?) -> String? {
        var folders: [String] = []
        for program in [agent, AgentBinary.realPath("/proc/self/exe")] {
            guard let program, let slash = program.lastIndex(of: "/") else { continue }
            folders += [String(program[..<slash]), "\(program[..<slash])/../libexec/berth"]
        }
        let places: [String] = folders.map { "\($0)/berth-launcher" }
        guard let found = places.first(where: { access($0, X_OK) == 0 }) else { return nil }
        return AgentBinary.realPath(found) ?? found
    }
}
