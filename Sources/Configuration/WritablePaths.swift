// SPDX-License-Identifier: Apache-2.0

import Yams

extension ValueKind<[String]> {
    /// Directories on which a tmpfs can be mounted, so that programs still start.
    static var writablePaths: Self {
        let paths = list(.string("an absolute path without . and ..", where: isPlain))
        return Self(
            allowed: paths.allowed,
            read: { node throws(ValueProblem) in
                let found = try paths.read(node)
                for path in found {
                    if reserved.contains(where: { path == $0 || path.hasPrefix("\($0)/") }) {
                        throw ValueProblem(message: "\(path) is the runtime's own", showsAllowed: false)
                    }
                    if programs.contains(path) {
                        throw ValueProblem(
                            message: "\(path) holds the image's programs, which a tmpfs would hide", showsAllowed: false
                        )
                    }
                    if let outer = found.first(where: { path.hasPrefix("\($0)/") }) {
                        throw ValueProblem(
                            message: "\(path) is within \(outer), which programs can write to already",
                            showsAllowed: false)
                    }
                }
                return found
            }, show: paths.show)
    }

    /// The server mounts something else there.
    private static var reserved: [String] { ["/proc", "/sys", "/dev", "/.berth"] }

    private static var programs: [String] { ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"] }

    private static func isPlain(_ path: String) -> Bool {
        let components = path.split(separator: "/", omittingEmptySubsequences: false)
        return path.hasPrefix("/") && components.dropFirst().allSatisfy { !["", ".", ".."].contains($0) }
    }
}
