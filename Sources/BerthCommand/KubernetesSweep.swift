// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Kubernetes
import Logging
import Pool

/// The command that the janitor of an ended server runs to delete its pods.
struct KubernetesSweep: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sweep-pods", abstract: "Delete an ended server's pods.", shouldDisplay: false)

    @Option var config: String?
    @Option var namespace: String
    @Option var instance: String

    /// The complete command, since the janitor does not have the environment of the server.
    static func command(_ access: ClusterAccess, _ namespace: String, _ instance: String) -> [String] {
        let own = AgentBinary.realPath("/proc/self/exe") ?? "berth"
        var command = [own, "sweep-pods", "--namespace", namespace, "--instance", instance]
        if let path = access.path {
            command += ["--config", AgentBinary.realPath(path) ?? path]
        } else {
            let names = ["KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"]
            let kept = names.compactMap { name in ClusterAccess.variable(name).map { "\(name)=\($0)" } }
            command = ["/usr/bin/env"] + kept + command
        }
        return command
    }

    mutating func run() async throws {
        do throws(RuntimeError) {
            var settings = KubernetesSettings()
            settings.namespace = namespace
            let runtime = try KubernetesRuntime(
                try ClusterAccess.find(file: config), settings, instance: instance,
                logger: Logger(label: "berth") { _ in SwiftLogNoOpLogHandler() })
            let failures = await Self.removeAll(try await runtime.members(), runtime)
            await runtime.shutdown()
            if let failure = failures.first { throw failure }
        } catch {
            throw Failure(error.message)
        }
    }

    /// All at once: the runtime itself keeps to a rate of requests.
    private static func removeAll(_ members: [MemberID], _ runtime: KubernetesRuntime) async -> [RuntimeError] {
        await withTaskGroup(of: RuntimeError?.self) { group in
            for member in members {
                group.addTask {
                    do throws(RuntimeError) {
                        try await runtime.remove(member)
                        return nil
                    } catch {
                        return error
                    }
                }
            }
            return await group.reduce(into: []) { failures, failure in
                if let failure { failures.append(failure) }
            }
        }
    }
}
