// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Finds the agent, the program that runs in every container.
enum AgentBinary {
    /// - Throws: `Failure` that names the places where it was searched.
    static func find(_ given: String?) throws -> String {
        if let given {
            guard access(given, X_OK) == 0 else {
                throw Failure("--agent \(given): \(String(cString: strerror(errno)))", code: 2)
            }
            return given.hasPrefix("/") ? given : (realPath(given) ?? given)
        }
        guard let own = realPath("/proc/self/exe"), let slash = own.lastIndex(of: "/") else {
            throw Failure("/proc is not mounted, so berth-agent can't be found: give its path with --agent")
        }
        let folder = own[..<slash]
        let places = ["\(folder)/berth-agent", "\(folder)/../libexec/berth/berth-agent"]
        guard let found = places.first(where: { access($0, X_OK) == 0 }) else {
            throw Failure(
                "berth-agent, which runs in every container, is neither \(places.joined(separator: " nor ")); build it "
                    + "(make build) or give its path with --agent")
        }
        return realPath(found) ?? found
    }

    static func realPath(_ path: String) -> String? {
        guard let resolved = realpath(path, nil) else { return nil }
        defer { free(resolved) }
        return String(cString: resolved)
    }
}
