// SPDX-License-Identifier: Apache-2.0

import Foundation
import Synchronization
import TestSupport

/// A dockerd for one test, which may stop, kill and restart it. The one of the test run, from which it gets its image,
/// goes on.
final class OwnDockerd: Sendable {
    let directory: String
    /// Whether it sees another /tmp and /run than this process, like one in a container or a virtual machine.
    private let isElsewhere: Bool
    /// A port of its network's loopback that it listens on, besides its socket; nil: none, and the network is everybody's.
    private let place: (network: OwnNetwork, port: Int)?
    private let running = Mutex<pid_t?>(nil)

    var endpoint: String { "unix://\(directory)/docker.sock" }

    private init(isElsewhere: Bool, place: (network: OwnNetwork, port: Int)?) throws {
        self.isElsewhere = isElsewhere
        self.place = place
        // A socket's path is short, so this is too.
        directory = "\(isElsewhere ? "/var" : "")/tmp/berth-dockerd-\(UUID().uuidString.prefix(8).lowercased())"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    }

    /// Runs `body` with a dockerd that has `image`. Nothing of it is left, whatever happens.
    static func with(
        image: String, isElsewhere: Bool = false, place: (network: OwnNetwork, port: Int)? = nil,
        _ body: (OwnDockerd) async throws -> Void
    ) async throws {
        let dockerd = try OwnDockerd(isElsewhere: isElsewhere, place: place)
        var failure: (any Error)?
        do {
            try await dockerd.start()
            let docker = try tool("docker")
            let copy =
                "'\(docker)' -H \(try Runtime.docker()) save \(image) | DOCKER_TLS_VERIFY= '\(docker)' -H \(dockerd.endpoint) load"
            let program = try Program(try tool("sh"), ["-c", copy])
            guard try await program.end() == 0 else { throw NeverHappened(description: "\(image): \(program.err)") }
            try await body(dockerd)
        } catch {
            failure = error
        }
        try await dockerd.clean()
        if let failure { throw failure }
    }

    func start() async throws {
        // What one that was killed has left would be taken for a running one, or for a running containerd.
        for name in ["docker.pid", "docker.sock", "exec/containerd/containerd.pid"] {
            try? FileManager.default.removeItem(atPath: "\(directory)/\(name)")
        }
        // Foundation's Process takes one for running as long as what it started is, and containerd outlives it.
        let log = "\(directory)/log"
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, log, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        posix_spawn_file_actions_adddup2(&actions, 1, 2)
        let elsewhere = [
            try tool("unshare"), "--mount", "--propagation", "private", try tool("sh"), "-c",
            "mount -t tmpfs tmpfs /tmp && mount -t tmpfs tmpfs /run && exec \"$@\"", "sh",
        ]
        let listening = place.map { ["--host", "tcp://127.0.0.1:\($0.port)", "--tls=false"] } ?? []
        let arguments =
            try (place?.network.entering() ?? []) + (isElsewhere ? elsewhere : []) + [
                try tool("dockerd"), "--data-root", "\(directory)/data", "--exec-root", "\(directory)/exec", "--host",
                endpoint,
                "--pidfile", "\(directory)/docker.pid", "--iptables=false", "--bridge=none", "--shutdown-timeout", "2",
            ] + listening
        var argv = arguments.map { strdup($0) } + [nil]
        defer { for pointer in argv { free(pointer) } }
        var pid: pid_t = 0
        let result = posix_spawn(&pid, arguments[0], &actions, nil, &argv, environ)
        guard result == 0 else { throw MissingPart("\(arguments[0]): \(String(cString: strerror(result)))") }
        running.withLock { $0 = pid }
        try await eventually("a dockerd of the test's own answers", within: .seconds(60)) {
            guard !hasEnded(pid) else {
                throw NeverHappened(
                    description: "dockerd ended: \((try? String(contentsOfFile: log, encoding: .utf8)) ?? "")")
            }
            let ask = try Program(
                try tool("docker"), ["-H", self.endpoint, "version"], environment: ["DOCKER_TLS_VERIFY": ""])
            return try await ask.end() == 0
        }
    }

    /// Ends it with a signal, and waits for its end.
    func stop(by signal: Int32) async throws {
        guard let pid = running.withLock({ $0 }) else { return }
        kill(pid, signal)
        try await eventually("dockerd ends", within: .seconds(60)) { hasEnded(pid) }
    }

    private func hasEnded(_ pid: pid_t) -> Bool {
        running.withLock { running in
            if running == pid, waitpid(pid, nil, WNOHANG) == pid { running = nil }
            return running != pid
        }
    }

    private func clean() async throws {
        try await stop(by: SIGTERM)
        // What one that was killed has left: containerd and its shims, by their command lines, which name the
        // directory.
        for pid in try FileManager.default.contentsOfDirectory(atPath: "/proc").compactMap({ Int32($0) }) {
            let line = (try? Data(contentsOf: URL(fileURLWithPath: "/proc/\(pid)/cmdline"))) ?? Data()
            let words = line.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
            guard let path = words.first, URL(fileURLWithPath: path).lastPathComponent.hasPrefix("containerd"),
                words.contains(where: { $0.contains(directory) })
            else { continue }
            kill(pid, SIGKILL)
        }
        // Those that were killed may be mounting and unmounting still.
        try await eventually("nothing of a test's own dockerd is left", within: .seconds(30)) {
            try self.unmount()
            try? FileManager.default.removeItem(atPath: self.directory)
            return !FileManager.default.fileExists(atPath: self.directory)
        }
    }

    private func unmount() throws {
        let mounts = try kernelFile("/proc/self/mountinfo").split(separator: "\n")
            .map { String($0.split(separator: " ")[4]) }
        for mount in mounts.filter({ $0.hasPrefix("\(directory)/") }).sorted(by: >) {
            umount2(mount, Int32(MNT_DETACH))
        }
    }
}
