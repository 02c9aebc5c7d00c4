// SPDX-License-Identifier: Apache-2.0

import CurlHTTP
import Foundation
import Pool
import Testing

@testable import Kubernetes

@Suite("How a cluster is found")
struct AccessTests {
    private func withDirectory(_ body: (String) throws -> Void) throws {
        let path = "/tmp/berth-kubernetes-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: path) }
        try body(path)
    }

    private func config(_ user: String, cluster: String = "server: https://h:6443") -> String {
        """
        apiVersion: v1
        kind: Config
        current-context: c
        clusters: [{name: k, cluster: {\(cluster)}}]
        users: [{name: u, user: {\(user)}}]
        contexts: [{name: other, context: {cluster: x}}, {name: c, context: {cluster: k, user: u, namespace: n}}]
        """
    }

    private func read(_ text: String, in directory: String) throws -> ClusterAccess {
        let path = "\(directory)/config"
        try text.write(toFile: path, atomically: true, encoding: .utf8)
        return try ClusterAccess.find(file: path)
    }

    @Test("a kubeconfig's certificates are files beside it, or in it, and then in no file that others can read")
    func certificates() throws {
        try withDirectory { directory in
            let files = try read(
                config(
                    "client-certificate: /a.crt, client-key: sub/a.key",
                    cluster: "server: \"https://[::1]:6443/k8s/c/\", certificate-authority: ca.crt"), in: directory)
            let tls = HTTPTLS(
                authorities: "\(directory)/ca.crt", certificate: "/a.crt", key: "\(directory)/sub/a.key")
            #expect(files.endpoint == .tcp(host: "::1", port: 6443, tls: tls))
            #expect(files.basePath == "/k8s/c" && files.namespace == "n" && files.credential == .none)
            let data = Data("a key".utf8).base64EncodedString()
            let inline = try read(
                config("client-certificate-data: \(data), client-key-data: \(data)"), in: directory)
            guard case .tcp(_, _, let held?) = inline.endpoint, let key = held.key else {
                Issue.record("no key")
                return
            }
            #expect(key.hasPrefix("/proc/self/fd/") && held.authorities == nil)
            #expect(try String(contentsOfFile: key, encoding: .utf8) == "a key")
        }
    }

    @Test("a token's file is read again for every request, since tokens are renewed")
    func tokens() throws {
        try withDirectory { directory in
            let access = try read(config("token: old, tokenFile: token"), in: directory)
            for token in ["first", "second"] {
                try "\(token)\n".write(toFile: "\(directory)/token", atomically: true, encoding: .utf8)
                #expect(try access.authorization() == "Bearer \(token)")
            }
            try FileManager.default.removeItem(atPath: "\(directory)/token")
            #expect(throws: RuntimeError.self) { try access.authorization() }
            #expect(try read(config("token: plain"), in: directory).authorization() == "Bearer plain")
        }
    }

    @Test(
        "what would change who is asked or how, and is not understood, is refused by name",
        arguments: [
            ("exec: {command: aws-iam-authenticator}", "aws-iam-authenticator (exec)"),
            ("auth-provider: {name: gcp}", "auth-provider gcp"), ("username: a, password: b", "has a password"),
            ("as: root, token: x", "acts as another one"),
        ])
    func foreign(user: String, words: String) throws {
        try withDirectory { directory in
            let error = #expect(throws: RuntimeError.self) { try read(config(user), in: directory) }
            #expect(error?.cause == .invalidConfiguration && error?.message.contains(words) == true, "\(error as Any)")
        }
    }

    @Test(
        "a kubeconfig that is not whole is a line with its path",
        arguments: [
            ("{", "is not a kubeconfig"), ("current-context: x", "current-context is not one"),
            ("current-context: a\ncontexts: [{name: a, context: {cluster: k}}]", "there is no cluster k"),
            (
                "current-context: a\ncontexts: [{name: a, context: {cluster: k}}]\nclusters: [{name: k, cluster: {server: \"http://h:1\"}}]",
                "over plain HTTP"
            ),
            (
                "current-context: a\ncontexts: [{name: a, context: {cluster: k}}]\nclusters: [{name: k, cluster: {server: \"https://h\", proxy-url: \"http://p\"}}]",
                "proxy-url is not supported"
            ),
        ])
    func mistakes(text: String, words: String) throws {
        try withDirectory { directory in
            let error = #expect(throws: RuntimeError.self) { try read(text, in: directory) }
            #expect(
                error?.message.contains(words) == true && error?.message.hasPrefix("\(directory)/config") == true,
                "\(error as Any)")
        }
    }

    @Test("a pod finds its service account; without one, KUBECONFIG and the home directory are looked at")
    func search() throws {
        try withDirectory { directory in
            for (name, text) in [("token", "t\n"), ("namespace", "here")] {
                try text.write(toFile: "\(directory)/\(name)", atomically: true, encoding: .utf8)
            }
            let environment = ["KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "6443"]
            let inside = try ClusterAccess.find(file: nil, serviceAccount: directory) { environment[$0] }
            #expect(
                inside.endpoint == .tcp(host: "10.0.0.1", port: 6443, tls: HTTPTLS(authorities: "\(directory)/ca.crt")))
            #expect(try inside.namespace == "here" && inside.authorization() == "Bearer t" && inside.path == nil)
            let nowhere = #expect(throws: RuntimeError.self) {
                try ClusterAccess.find(file: nil, serviceAccount: directory) { ["HOME": "/nowhere"][$0] }
            }
            #expect(nowhere?.message.contains("no cluster is known") == true)
        }
    }
}

@Suite("The rate of requests")
struct RequestPaceTests {
    @Test("as many as in two seconds go at once, then one after the other; unused places are not saved up")
    func pace() {
        let pace = RequestPace(perSecond: 10)
        let now = ContinuousClock.now + .seconds(60)
        let places = (0..<25).map { _ in pace.place(now) }
        #expect(places.prefix(20).allSatisfy { $0 == now })
        for (number, place) in places.dropFirst(20).enumerated() {
            #expect(place == now + .milliseconds(100) * (number + 1))
        }
        let later = now + .seconds(3600)
        #expect((0..<20).allSatisfy { _ in pace.place(later) == later })
        #expect(pace.place(later) > later)
    }
}
