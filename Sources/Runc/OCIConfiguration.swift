// SPDX-License-Identifier: Apache-2.0

internal import Embedded
internal import Hardening

/// The part of the OCI runtime specification's config.json that Berth sets.
struct OCIConfiguration: Encodable {
    struct User: Encodable {
        var uid: UInt32 = 0
        var gid: UInt32 = 0
    }

    struct Capabilities: Encodable {
        var bounding: [String]
        var effective: [String]
        var permitted: [String]
    }

    struct Rlimit: Encodable {
        var type: String
        var soft: UInt64
        var hard: UInt64
    }

    struct Process: Encodable {
        var terminal = false
        var user = User()
        var args: [String]
        var env: [String]
        var cwd = "/"
        var capabilities: Capabilities
        var rlimits: [Rlimit]
        var noNewPrivileges = true
    }

    struct Root: Encodable {
        var path: String
        var readonly = true
    }

    struct DeviceRule: Encodable {
        var allow: Bool
        var access: String
    }

    struct Memory: Encodable {
        var limit: Int64
        var swap: Int64?
    }

    struct Pids: Encodable {
        var limit: Int64
    }

    struct CPU: Encodable {
        var quota: Int64
        var period: UInt64
    }

    struct Resources: Encodable {
        var devices: [DeviceRule]
        var memory: Memory?
        var pids: Pids?
        var cpu: CPU?
    }

    struct Namespace: Encodable {
        var type: String
    }

    struct Linux: Encodable {
        /// Nil: runc makes none, and does without where it may not.
        var cgroupsPath: String?
        var resources: Resources
        var namespaces: [Namespace]
        var maskedPaths: [String]
        var readonlyPaths: [String]
        var seccomp: SeccompProfile
    }

    var ociVersion = "1.0.2"
    var process: Process
    var root: Root
    var hostname: String
    var mounts: [MemberMount]
    var linux: Linux
}
