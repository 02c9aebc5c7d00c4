// SPDX-License-Identifier: Apache-2.0

// Messages of the Engine API, with its own names, and only the fields that are used.

struct EngineVersion: Decodable {
    var Version: String?
    var ApiVersion: String
    var MinAPIVersion: String?
    /// What its machine is, in Go's words: "amd64", "arm64".
    var Arch: String?
    var Components: [Component]?

    struct Component: Decodable { var Name: String }

    /// "Podman 4.3.1" or "Docker 20.10.24".
    var engine: String {
        let isPodman = Components?.contains { $0.Name.hasPrefix("Podman") } ?? false
        return "\(isPodman ? "Podman" : "Docker") \(Version ?? "of unknown version")"
    }
}

struct EngineInfo: Decodable {
    // "name=seccomp,profile=default", "name=rootless" …
    var SecurityOptions: [String]?
    /// Podman says it so, and not among its options.
    var Rootless: Bool?
    /// The low-level runtimes that it has, by their names.
    var Runtimes: [String: EmptyObject]?
    var DefaultRuntime: String?

    /// Whether its containers have a user namespace, in which some users are missing.
    var hasUserNamespaces: Bool {
        Rootless == true
            || (SecurityOptions ?? []).contains { $0.hasPrefix("name=rootless") || $0.hasPrefix("name=userns") }
    }
}

struct EngineFault: Decodable { var message: String }

struct ImageDetails: Decodable {
    struct Config: Decodable { var Volumes: [String: EmptyObject]? }
    var Id: String?
    var Architecture: String?
    var RepoDigests: [String]?
    var Config: Config?
}

/// A registry's answer about a reference, through the engine.
struct DistributionReply: Decodable {
    struct Descriptor: Decodable { var digest: String? }
    var Descriptor: Descriptor?
}

struct ContainerDetails: Decodable {
    struct Condition: Decodable {
        /// "created", "running", "exited", …
        var Status: String?
        var Running: Bool?
        var ExitCode: Int?
        var Error: String?
    }
    var State: Condition?
}

struct EmptyObject: Codable {}

struct PullProgress: Decodable {
    struct Detail: Decodable { var message: String? }
    var status: String?
    var id: String?
    var error: String?
    var errorDetail: Detail?
}

struct CreateReply: Decodable {
    var Id: String
    var Warnings: [String]?
}

struct WaitReply: Decodable {
    struct Fault: Decodable { var Message: String? }
    var StatusCode: Int
    var Error: Fault?
}

struct ContainerSummary: Decodable { var Labels: [String: String]? }

struct ContainerRequest: Encodable {
    struct Healthcheck: Encodable { var Test = ["NONE"] }
    var Hostname: String
    var User = "0:0"
    var WorkingDir = "/"
    var Image: String
    var Entrypoint: [String]
    var Labels: [String: String]
    // The engine would run it in the container, again and again.
    var Healthcheck = ContainerRequest.Healthcheck()
    // With the stream through the engine: attached to, and at its end the agent's input ends, and so does the agent.
    var AttachStdin = false
    var AttachStdout = false
    var AttachStderr = false
    var OpenStdin = false
    var StdinOnce = false
    var HostConfig: HostSettings
}

package struct HostSettings: Encodable {
    struct Mount: Encodable {
        var `Type` = "bind"
        var Source: String
        var Target: String
        var ReadOnly = true
        var VolumeOptions: Volume?

        /// A file system that the engine mounts for this container only, and removes with it.
        struct Volume: Encodable {
            struct Driver: Encodable {
                var Name = "local"
                var Options: [String: String]
            }
            var NoCopy = true
            var DriverConfig: Driver?
        }
    }
    struct Ulimit: Encodable {
        var Name: String
        var Soft: Int64
        var Hard: Int64
    }
    struct Logging: Encodable { var `Type` = "none" }

    var NetworkMode: String
    var ExtraHosts: [String] = []
    var AutoRemove = true
    var Init = false
    var ReadonlyRootfs = true
    // Some engines' default lets others join.
    var IpcMode = "private"
    var CapDrop = ["ALL"]
    var CapAdd: [String]
    var SecurityOpt: [String]
    var MaskedPaths: [String]
    var ReadonlyPaths: [String]
    var Sysctls: [String: String]
    var ShmSize: Int64
    // The low-level runtime; nil is the engine's default.
    var Runtime: String?
    var Memory: Int64
    // The same as Memory: no swap.
    var MemorySwap: Int64
    var PidsLimit: Int64
    var NanoCpus: Int64
    var OomScoreAdj: Int?
    var Ulimits: [Ulimit]
    // json-file, the engine's default, copies all output to disk.
    var LogConfig = HostSettings.Logging()
    var Tmpfs: [String: String] = [:]
    var Mounts: [Mount] = []
}
