// SPDX-License-Identifier: Apache-2.0

internal import Embedded
internal import FoundationEssentials
internal import Glibc
internal import Hardening
internal import Housekeeping
internal import Pool

extension RuncRuntime {
    /// runc is written in Go, and too short-lived for garbage collection below 16 MB to be worthwhile.
    private static let collectsLate = ["GOGC=400"]

    /// - Returns: the stream to the agent, which is a socket, with the user that programs run as.
    func start(
        _ member: MemberID, _ template: MemberTemplate, _ cancellation: Cancellation
    ) throws(RuntimeError) -> (descriptor: Int32, user: MemberUser) {
        try ground.validate(member)
        try ground.validate(template)
        let root = try ground.root(template, cancellation)
        let bundle = bundle(member)
        try Files.makeDirectory(bundle, mode: 0o700)
        let own = ground.own(member, template, root)
        let files = "\(bundle)/files"
        try Files.makeDirectory(files)
        try Files.makeDirectory("\(files)/etc")
        for (name, content) in own.files { try Files.write("\(files)/etc/\(name)", content) }
        var rootPath = root.path
        if root.isOverlaid {
            rootPath = "\(bundle)/root"
            try Files.makeDirectory(rootPath)
            try Overlay.mount([files] + root.layers, at: rootPath)
        }
        // From its start on, the container has the mount in its own namespace.
        defer { if root.isOverlaid { Overlay.unmount(rootPath) } }
        let configuration = OCIConfiguration(
            member: member, template: template,
            hardening: HardeningProfile(template, user: own.user.uid, sharesFiles: !root.isOverlaid),
            root: root, rootPath: rootPath, files: files, empty: ground.empty, agentPath: ground.agentPath,
            cgroups: cgroups)
        let json: Data
        do {
            json = try JSONEncoder().encode(configuration)
        } catch {
            throw RuntimeError(.failed, "the container's configuration can't be written: \(error)")
        }
        try Files.write("\(bundle)/config.json", json, mode: 0o600)

        let stream = try run(member, bundle, cancellation)
        return (stream, own.user)
    }

    /// Runs a container from its bundle.
    /// - Returns: the stream to the agent.
    private func run(_ member: MemberID, _ bundle: String, _ cancellation: Cancellation) throws(RuntimeError) -> Int32 {
        // Of runc and the agent together.
        let diagnostic = try ground.diagnostics.open(member)

        // A socket instead of two pipes: it is faster, and nothing in the container can reopen it through /proc.
        var ends: [Int32] = [-1, -1]
        guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &ends) == 0 else {
            throw lastFailure("socketpair")
        }
        // The agent's standard input and output.
        defer { close(ends[1]) }
        do throws(RuntimeError) {
            let outcome = try Subprocess.run(
                [
                    executable, "--root", "\(stateDirectory)/runc", "run", "--detach", "--bundle", bundle,
                    "--pid-file", "\(bundle)/pid", member.description,
                ], stdin: ends[1], stdout: ends[1], stderr: diagnostic, environment: Self.collectsLate, seconds: 300,
                cancellation)
            guard outcome.status == 0 else {
                throw Self.error(Subprocess.tail(of: diagnostic))
            }
            let process = Int32(String(decoding: Files.read("\(bundle)/pid") ?? [], as: UTF8.self)) ?? 0
            guard !cgroups.held.contains("memory") || SocketMemory.limit(process) else {
                throw lastFailure("what the container's sockets hold can't be limited")
            }
        } catch {
            close(ends[0])
            ground.diagnostics.drop(member)
            throw error
        }
        return ends[0]
    }

    private static func error(_ output: String) -> RuntimeError {
        let message = ToolMessage.parse(output)
        let isMemory = ["cannot allocate memory", "no space left on device", "container init was OOM-killed"].contains {
            message.contains($0)
        }
        return RuntimeError(isMemory ? .outOfMemory : .failed, message)
    }
}
