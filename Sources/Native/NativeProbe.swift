// SPDX-License-Identifier: Apache-2.0

package import Embedded
internal import Glibc

/// Checks what this machine has, and what it lacks, for the runtime native.
package struct NativeProbe: Sendable {
    package typealias Problem = EmbeddedProbe.Problem

    package var problems: [Problem] = []
    private let host: EmbeddedProbe

    package var isUsable: Bool { !problems.contains(where: \.isFatal) }
    /// Where members' cgroups would be, and what that means for the limits of the server's unit.
    package var location: (path: String, reason: String) { host.location }
    /// One line about what every member needs and a unit, a container or the kernel forbids; nil if nothing is.
    package var obstacle: String? { host.obstacle }

    /// Checks the machine. It starts no program, and takes well under a millisecond.
    /// - Parameter launcherPath: berth-launcher; nil if it was not found.
    package init(launcherPath: String?, limits: LimitPolicy = .required) {
        host = EmbeddedProbe(limits: limits)
        if launcherPath.map({ access($0, X_OK) == 0 }) != true {
            problems.append(
                Problem(
                    message: "\(launcherPath ?? "berth-launcher"), which makes the containers, is not there",
                    remedy: "make build", isFatal: true))
        }
        // clone3 into a cgroup came with 5.7, close_range with 5.9.
        if let release = Self.release, release < (5, 9) {
            problems.append(
                Problem(
                    message: "the kernel is \(release.0).\(release.1), and the runtime native needs 5.9", isFatal: true)
            )
        }
        problems += host.problems
    }

    /// The kernel's version: its first two numbers.
    private static var release: (Int, Int)? {
        var names = utsname()
        guard uname(&names) == 0 else { return nil }
        let text = withUnsafeBytes(of: names.release) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        let numbers = text.split { !$0.isNumber }.prefix(2).compactMap { Int($0) }
        return numbers.count == 2 ? (numbers[0], numbers[1]) : nil
    }
}
