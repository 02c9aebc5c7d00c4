// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import CurlHTTP
import Docker
import Logging
import Pool

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// The command that the janitor of an ended server runs to remove containers from an engine.
struct Sweep: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Remove an ended server's containers from an engine.", shouldDisplay: false)

    @Option var dockerHost: String
    @Option var instance: String
    @Option var stateDir: String
    @Option var agent: String
    @Option var tlsAuthorities: String?
    @Option var tlsCertificate: String?
    @Option var tlsKey: String?
    @Flag var tls = false
    @Flag var tlsUnverified = false

    /// The complete command, since the janitor does not have the environment of the server.
    static func command(_ endpoint: DockerEndpoint, _ instance: String, _ directory: String) -> [String] {
        let own = AgentBinary.realPath("/proc/self/exe") ?? "berth"
        var command = [
            own, "sweep", "--docker-host", endpoint.description, "--instance", instance, "--state-dir", directory,
            "--agent", own,
        ]
        switch endpoint.http {
        case .tcp(_, _, let tls?):
            command.append("--tls")
            if let path = tls.authorities { command += ["--tls-authorities", path] }
            if let path = tls.certificate { command += ["--tls-certificate", path] }
            if let path = tls.key { command += ["--tls-key", path] }
            if !tls.verifies { command.append("--tls-unverified") }
        case .command:
            let names: [String] = ["HOME", "PATH", "SSH_AUTH_SOCK"]
            let kept = names.compactMap { name in
                getenv(name).map { "\(name)=\(String(cString: $0))" }
            }
            command = ["/usr/bin/env"] + kept + command
        case .unixSocket, .tcp: break
        }
        return command
    }

    mutating func run() async throws {
        do throws(RuntimeError) {
            let settings = HTTPTLS(
                authorities: tlsAuthorities, certificate: tlsCertificate, key: tlsKey, verifies: !tlsUnverified)
            let runtime = try DockerRuntime(
                endpoint: try DockerEndpoint(dockerHost, tls: tls ? settings : nil), instance: instance,
                agentPath: agent, stateDirectory: stateDir,
                logger: Logger(label: "berth") { _ in SwiftLogNoOpLogHandler() })
            // A server that ended by itself has left nothing. When one was killed, the engine carries a create that was under way
            // out all the same, a little later.
            for pause in [0, 500, 1500, 2000] {
                do { try await Task.sleep(for: .milliseconds(pause)) } catch { break }
                let members = try await runtime.members()
                for member in members { try await runtime.remove(member) }
                if pause == 0, members.isEmpty { break }
            }
            await runtime.removeLeftovers()
            await runtime.shutdown()
        } catch {
            throw Failure(error.message)
        }
    }
}
