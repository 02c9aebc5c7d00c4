// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// The environment of the server, which decides what may forbid it something, and so what to advise.
package struct Surroundings: Equatable, Sendable {
    package enum Kind: Equatable, Sendable {
        /// A systemd service with that name.
        case unit(String)
        case container
        case plain
    }

    package var kind: Kind
    /// The effective capabilities as a bit mask.
    package var capabilities: UInt64
    /// Whether a seccomp filter is in force.
    package var isFiltered: Bool

    /// - Parameters:
    ///   - cgroups: the text of /proc/self/cgroup.
    ///   - status: the text of /proc/self/status.
    ///   - isService: whether systemd has started this as a service.
    ///   - isContainer: whether a container engine has left its marker file.
    package init(cgroups: String, status: String, isService: Bool, isContainer: Bool) {
        let unit = cgroups.split(separator: "\n").lazy
            .filter { $0.hasPrefix("0::") || $0.contains(":name=systemd:") }
            .flatMap { $0.split(separator: "/") }.last { $0.hasSuffix(".service") }
        if isContainer {
            kind = .container
        } else if isService {
            kind = .unit(unit.map(String.init) ?? "the service")
        } else {
            kind = .plain
        }
        var fields: [Substring: Substring] = [:]
        for line in status.split(separator: "\n") {
            let words = line.split(separator: "\t")
            if words.count == 2 { fields[words[0]] = words[1] }
        }
        capabilities = fields["CapEff:"].flatMap { UInt64($0, radix: 16) } ?? .max
        isFiltered = fields["Seccomp:"] == "2"
    }

    package static var current: Surroundings {
        Surroundings(
            cgroups: Files.text("/proc/self/cgroup"), status: Files.text("/proc/self/status"),
            isService: getenv("INVOCATION_ID") != nil && getenv("SYSTEMD_EXEC_PID") != nil,
            isContainer: Files.exists("/.dockerenv") || Files.exists("/run/.containerenv"))
    }

    // Each advice is empty or begins with a semicolon, since it is appended to an error message.

    package func advice(onCgroups code: Int32) -> String {
        switch (kind, code) {
        case (.unit(let unit), EROFS): "; ProtectControlGroups=yes of \(unit) is in the way: set it to no"
        case (.container, EROFS), (.container, EACCES), (.container, EPERM):
            "; run this container with --privileged, so that /sys/fs/cgroup can be written to"
        case (_, EBUSY): "; it has processes that Berth did not start"
        case (_, EROFS): "; /sys/fs/cgroup is mounted read-only here"
        default: ""
        }
    }

    package func advice(onReadOnly path: String) -> String {
        guard case .unit(let unit) = kind else { return "" }
        let base = "/run/berth"
        if path == base || path.hasPrefix(base + "/") {
            return "; ProtectSystem=strict of \(unit) is in the way: add RuntimeDirectory=berth to it"
        }
        return "; ProtectSystem= of \(unit) is in the way: add ReadWritePaths=\(path) to it"
    }

    /// - Parameter names: systemd's names of the namespaces that were refused.
    package func advice(onNamespaces names: [String], _ code: Int32) -> String {
        switch code {
        case EPERM where lacks(.sysAdmin): adviceOnCapability(.sysAdmin)
        case EPERM:
            switch kind {
            case .unit(let unit):
                "; RestrictNamespaces= of \(unit) is in the way: it must allow \(names.joined(separator: " "))"
            case .container: "; run this container with --privileged"
            case .plain: isFiltered ? "; a seccomp filter is in the way" : ""
            }
        case ENOSPC: "; a limit in /proc/sys/user is reached, for example max_pid_namespaces"
        case EINVAL: "; this kernel lacks one of the namespaces \(names.joined(separator: " "))"
        default: ""
        }
    }

    package func adviceOnCalls(_ group: String) -> String {
        switch kind {
        case .unit(let unit): "; SystemCallFilter= of \(unit) is in the way: it must allow \(group)"
        case .container: "; run this container with --privileged"
        case .plain: isFiltered ? "; a seccomp filter is in the way" : ""
        }
    }

    package var adviceOnHostname: String {
        guard case .unit(let unit) = kind else { return adviceOnCalls("sethostname") }
        return "; ProtectHostname=yes or SystemCallFilter= of \(unit) is in the way: it must allow sethostname"
    }

    package func adviceOnFamilies(_ family: String) -> String {
        switch kind {
        case .unit(let unit): "; RestrictAddressFamilies= of \(unit) is in the way: it must allow \(family)"
        case .container, .plain: adviceOnCalls("socket")
        }
    }

    package func adviceOnCapability(_ capability: Capability) -> String {
        switch kind {
        case .unit(let unit): "; CapabilityBoundingSet= of \(unit) must have \(capability.name)"
        case .container: "; run this container with --privileged, or with --cap-add \(capability.name)"
        case .plain: "; the server needs \(capability.name)"
        }
    }

    package func lacks(_ capability: Capability) -> Bool { capabilities & (1 << UInt64(capability.rawValue)) == 0 }

    package var missingCapabilities: [Capability] { Capability.allCases.filter(lacks) }
}

/// The capabilities that runc and the agent need, with the kernel's numbers.
package enum Capability: Int, CaseIterable, Sendable {
    case kill = 5
    case setGID = 6
    case setUID = 7
    case setPCAP = 8
    case netAdmin = 12
    case sysAdmin = 21

    package var name: String {
        switch self {
        case .kill: "CAP_KILL"
        case .setGID: "CAP_SETGID"
        case .setUID: "CAP_SETUID"
        case .setPCAP: "CAP_SETPCAP"
        case .netAdmin: "CAP_NET_ADMIN"
        case .sysAdmin: "CAP_SYS_ADMIN"
        }
    }
}
