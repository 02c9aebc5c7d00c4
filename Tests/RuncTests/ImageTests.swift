// SPDX-License-Identifier: Apache-2.0

import Glibc
import Logging
import Pool
import Testing
import TestSupport

@testable import Embedded
@testable import Housekeeping
@testable import Runc

@Suite("images", .serialized)
struct ImageTests {
    @Test(
        "an image is pulled once from a registry on this machine, and runs with its environment",
        arguments: Bench.Kind.allCases)
    func pull(_ kind: Bench.Kind) async throws {
        let busybox = try #require(Subprocess.find("busybox"), "busybox-static is not installed")
        let registry = try #require(Subprocess.find("docker-registry"), "docker-registry is not installed")
        let umoci = try #require(Subprocess.find("umoci"), "umoci is not installed")
        let skopeo = try #require(Subprocess.find("skopeo"), "skopeo is not installed")
        try await Bench.with("image", kind) { bench in
            let address = "127.0.0.1:\(try LoopbackRegistry.freePort())"
            let data = "\(bench.base)/registry"
            let configuration = """
                version: 0.1
                log: {level: error}
                storage: {filesystem: {rootdirectory: \(data)}}
                http: {addr: "\(address)"}

                """
            try Files.write("\(bench.base)/registry.yml", configuration.utf8)
            let pid = try Subprocess.spawn(
                [registry, "serve", "\(bench.base)/registry.yml"], stdin: -1, stdout: -1, stderr: -1)
            defer {
                kill(pid, SIGKILL)
                var status: Int32 = 0
                waitpid(pid, &status, 0)
            }

            let oci = "\(bench.base)/oci"
            try Files.makeDirectory("\(bench.base)/tree")
            try Files.makeDirectories("\(bench.base)/tree", "bin")
            let program = try #require(Files.read(busybox, limit: 1 << 24))
            for name in ["busybox", "sh"] { try Files.write("\(bench.base)/tree/bin/\(name)", program, mode: 0o755) }
            for argv in [
                [umoci, "init", "--layout", oci], [umoci, "new", "--image", "\(oci):a"],
                [umoci, "insert", "--image", "\(oci):a", "\(bench.base)/tree/bin", "/bin"],
                [umoci, "config", "--image", "\(oci):a", "--config.env", "FROM_IMAGE=yes"],
            ] {
                let outcome = try Subprocess.run(argv, seconds: 60, Cancellation())
                #expect(outcome.status == 0, "\(argv): \(outcome.output)")
            }
            let reference = "\(address)/test/tiny:1.0"
            #expect(
                eventually(within: 20) {
                    let argv = [
                        skopeo, "copy", "--dest-tls-verify=false", "oci:\(oci):a", "docker://\(reference)",
                    ]
                    return (try? Subprocess.run(argv, seconds: 20, Cancellation()))?.status == 0
                })

            let container = try await bench.container("one", MemberTemplate(image: reference))
            #expect(
                try container.run("echo $FROM_IMAGE; busybox ls /")
                    == "yes\nbin\ndev\netc\nproc\nsys\ntmp\nvar\nworkspace")
            kill(pid, SIGKILL)
            let second = try await bench.container("two", MemberTemplate(image: "docker://\(reference)"))
            #expect(try second.run("echo ok") == "ok")
            let error = await #expect(throws: RuntimeError.self) {
                try await bench.container("three", MemberTemplate(image: "\(address)/test/other:1"))
            }
            #expect(error?.cause == .imageMissing)
            #expect(error?.message.contains("connection refused") == true)
        }
    }

    @Test("only registries on this machine are spoken to without TLS")
    func loopback() {
        for reference in ["127.0.0.1:5000/a", "docker://localhost:5000/a", "[::1]:5000/a:b", "docker://127.1.2.3:1/a"] {
            #expect(ImageStore.isLoopback(reference))
        }
        for reference in [
            "python:3.9-slim", "127.0.0.1.example.org:5000/a", "127.example:80/a", "localhost/a", "10.0.0.1:5/a",
        ] {
            #expect(!ImageStore.isLoopback(reference))
        }
        #expect(ImageStore.fileName("docker://a/b:1") == "a_2fb_3a1")
        #expect(ImageStore.fileName("a_2fb") == "a_5f2fb")
    }
}
