// SPDX-License-Identifier: Apache-2.0

import Configuration
import Pool
import Testing

@Suite("Settings of the runtime kubernetes")
struct KubernetesSettingsTests {
    @Test("all of them, in a map, read back as they are printed")
    func roundTrip() throws {
        let (configuration, warnings) = try read(
            """
            runtime: kubernetes
            kubernetes:
              config: /etc/kube config
              namespace: here
              agent: init:reg.example:5000/agent@sha256:01
              node_selector: ["pool=berth", "a.b/c="]
              image_pull_secrets: [one, two]
              requests_per_second: 5
            """)
        #expect(warnings.isEmpty)
        #expect(
            configuration.runtime == .kubernetes && configuration.kubernetesNodeSelector == ["pool=berth", "a.b/c="])
        let (again, _) = try read(configuration.yaml)
        #expect(again == configuration)
    }

    @Test(
        "what can't be is a mistake, on its line",
        arguments: [
            ("agent: /berth-agent", "agent"), ("agent: \"init:\"", "agent"), ("node_selector: berth", "node_selector"),
            ("requests_per_second: 0", "requests_per_second"),
        ])
    func mistaken(line: String, key: String) {
        let lines = mistakes("runtime: kubernetes\nkubernetes:\n  \(line)\n")
        #expect(lines.count == 1 && lines[0].hasPrefix("berth.yaml:3: kubernetes.\(key): "), "\(lines)")
    }

    @Test("pods have neither the host's own files nor a network by its name")
    func pods() {
        let lines = mistakes("runtime: kubernetes\npools:\n  a:\n    image: host\n    network: bridge\n")
        #expect(lines.count == 2 && lines[0].contains("pods can't use") && lines[1].contains("none"), "\(lines)")
    }

    @Test("a pool's runtime_name is read, must be a name, and is for engines that have several")
    func runtimeName() throws {
        let (configuration, warnings) = try read(
            "runtime: docker\npools:\n  a:\n    runtime_name: io.containerd.runsc.v1\n  b: {}\n")
        #expect(warnings.isEmpty)
        #expect(configuration.pools.map(\.pool.template.runtimeName) == ["io.containerd.runsc.v1", nil])
        #expect(try read(configuration.yaml).0 == configuration)
        #expect(try read("pools:\n  a:\n    runtime_name: auto\n").0.pools[0].pool.template.runtimeName == nil)
        for wrong in ["a/b", "ä", "\"a b\"", "\"\""] {
            let lines = mistakes("pools:\n  a:\n    runtime_name: \(wrong)\n")
            #expect(lines.count == 1 && lines[0].hasPrefix("berth.yaml:3: pools.a.runtime_name: "), "\(lines)")
        }
        for runtime in ["native", "runc"] {
            let lines = mistakes("runtime: \(runtime)\npools:\n  a:\n    runtime_name: runsc\n")
            #expect(
                lines.count == 1 && lines[0].contains("for docker and kubernetes: the runtime is \(runtime)"),
                "\(lines)")
        }
    }

    @Test("with another runtime they have no effect, and a warning says so")
    func others() throws {
        for runtime in ["auto", "docker", "native", "runc"] {
            let (_, warnings) = try read("runtime: \(runtime)\nkubernetes.namespace: x\n")
            #expect(warnings.map(\.key).contains("kubernetes.namespace"), "\(runtime)")
        }
    }
}
