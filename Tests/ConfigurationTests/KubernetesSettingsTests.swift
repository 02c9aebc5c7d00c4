// SPDX-License-Identifier: Apache-2.0

import Configuration
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
              runtime_class: gvisor
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

    @Test("with another runtime they have no effect, and a warning says so")
    func others() throws {
        for runtime in ["auto", "docker", "native", "runc"] {
            let (_, warnings) = try read("runtime: \(runtime)\nkubernetes.namespace: x\n")
            #expect(warnings.map(\.key).contains("kubernetes.namespace"), "\(runtime)")
        }
    }
}
