// SPDX-License-Identifier: Apache-2.0

import CurlHTTP
import Digest
import Logging
import Pool
import Testing
import TestSupport

@testable import Kubernetes

@Suite("What a cluster's API may do to us", .serialized)
struct StubTests {
    private let template = MemberTemplate(image: "busybox:latest")

    func with(
        requestsPerSecond: Int = 200, _ body: (KubernetesRuntime, StubAPI) async throws -> Void
    ) async throws {
        let api = try await StubAPI.start()
        var settings = KubernetesSettings()
        settings.requestsPerSecond = requestsPerSecond
        let access = ClusterAccess(
            endpoint: .tcp(host: "127.0.0.1", port: api.port), basePath: "", credential: .token("t"), namespace: "n",
            files: [])
        let runtime = try KubernetesRuntime(
            access, settings, instance: "stub", host: "h", environment: { _ in nil }, logger: Logger(label: "test"))
        do {
            try await body(runtime, api)
        } catch {
            await runtime.shutdown()
            await api.stop()
            throw error
        }
        await runtime.shutdown()
        await api.stop()
    }

    /// Creates a member, and closes its stream.
    private func create(_ runtime: KubernetesRuntime, _ name: String) async throws {
        _ = try await runtime.create(MemberID(name), template)
    }

    private func failure(_ body: () async throws -> Void) async throws -> RuntimeError {
        do {
            try await body()
        } catch let error as RuntimeError {
            return error
        }
        throw NeverHappened(description: "it failed")
    }

    @Test("a whole life: one POST, the secret at the pod's address, whose hash the pod has; one DELETE, by its uid")
    func life() async throws {
        try await with { runtime, api in
            try await create(runtime, "one")
            let pod = try #require(api.now.pods["berth-stub-h-one"])
            try await eventually("the secret arrives") { api.now.secrets[pod.name]?.count == 32 }
            #expect(SHA256.hex(api.now.secrets[pod.name] ?? []) == pod.annotations["dev.berth/proof"])
            #expect(try await runtime.members() == [MemberID("one")])
            api.set { $0.pods[pod.name]?.status = #"{"phase": "Succeeded"}"# }
            try await runtime.remove(MemberID("one"))
            #expect(api.now.pods.isEmpty && api.count("POST") == 1 && api.count("DELETE") == 1)
            try await runtime.remove(MemberID("unknown"))
        }
    }

    @Test("a create whose answer is lost is looked for before it is sent again: there is one pod, and it is used")
    func halfAnsweredPost() async throws {
        try await with { runtime, api in
            api.set { $0.fault = { call, before in call.method == "POST" && before == 0 ? .carryOutAndClose : nil } }
            try await create(runtime, "one")
            #expect(api.now.created == 1 && api.count("POST") == 1 && api.now.most == 1)
            try await runtime.remove(MemberID("one"))
            #expect(api.now.pods.isEmpty)
        }
    }

    @Test("a create that fails in the API and was carried out all the same is the same pod, also if the look fails")
    func doubtfulPost() async throws {
        try await with { runtime, api in
            let (code, text) = StubAPI.status(500, "InternalError", "etcd is slow")
            api.set {
                $0.fault = { call, before in
                    switch call.method {
                    case "POST" where before == 0: .carryOutAndClose
                    // The look after that: then the create is sent again, and the API has one of that name.
                    case "GET" where call.path.hasSuffix("-one") && before < 2: .answer(code, text)
                    default: nil
                    }
                }
            }
            try await create(runtime, "one")
            #expect(api.now.created == 1 && api.now.most == 1)
        }
    }

    @Test("a pod that appears after its create was given up is removed before the member counts as gone")
    func latePod() async throws {
        try await with { runtime, api in
            api.set { $0.fault = { call, _ in call.method == "POST" ? .never : nil } }
            let create = Task { try await self.create(runtime, "one") }
            try await eventually("it is asked for") { api.count("POST") == 1 }
            create.cancel()
            let error = try await failure { try await create.value }
            #expect(error.cause == .notReadyInTime)
            async let removed: Void = runtime.remove(MemberID("one"))
            try await eventually("it is looked for") { api.now.calls.contains { $0.path.hasSuffix("-one") } }
            // Only now the API carries the POST out.
            let labels = #"{"dev.berth.instance": "stub", "dev.berth.host": "h", "dev.berth.member": "one"}"#
            let pod = StubAPI.Pod(
                name: "berth-stub-h-one", uid: "late", metadata: #""name": "berth-stub-h-one", "labels": \#(labels)"#,
                annotations: [:], status: #"{"phase": "Pending"}"#, version: 1)
            api.set { $0.pods[pod.name] = pod }
            try await removed
            #expect(api.now.pods.isEmpty && api.count("DELETE") == 1)
        }
    }

    @Test("429 is waited out as long as the API asks, and then answered: nothing has failed, and nothing is made twice")
    func tooManyRequests() async throws {
        try await with { runtime, api in
            let (code, text) = StubAPI.status(429, "TooManyRequests")
            api.set {
                $0.fault = { call, before in
                    call.method == "POST" && before < 2 ? .answer(code, text, headers: [("Retry-After", "1")]) : nil
                }
            }
            let began = ContinuousClock.now
            try await create(runtime, "one")
            #expect(ContinuousClock.now - began >= .seconds(2))
            #expect(api.count("POST") == 3 && api.now.created == 1)
        }
    }

    @Test("410 within a watch that was answered with 200: everything is looked at anew, and the next pod is seen")
    func goneInStream() async throws {
        try await with { runtime, api in
            let gone = #"{"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired"}}"#
            api.set { $0.fault = { call, before in call.isWatch && before < 2 ? .lines([gone]) : nil } }
            try await create(runtime, "one")
            try await eventually("a third watch") { api.now.calls.count { $0.isWatch } >= 3 }
            let lists = api.now.calls.count { $0.method == "GET" && $0.path.hasSuffix("/pods") && !$0.isWatch }
            #expect(lists >= 3)
            try await create(runtime, "two")
            #expect(api.now.created == 2)
        }
    }

    @Test("a watch that hangs, or has gaps, or is nonsense, keeps no create from its end")
    func hangingWatch() async throws {
        for fault in [StubAPI.Fault.never, .lines(["nonsense"]), .answer(500, "")] {
            try await with { runtime, api in
                api.set { $0.fault = { call, _ in call.isWatch ? fault : nil } }
                let began = ContinuousClock.now
                try await create(runtime, "one")
                #expect(ContinuousClock.now - began < .seconds(10))
                api.set { $0.pods["berth-stub-h-one"]?.status = #"{"phase": "Failed"}"# }
                try await runtime.remove(MemberID("one"))
                #expect(api.now.pods.isEmpty)
            }
        }
    }

    @Test(
        "a pod that will never start is a failed create at once, with its cause, and leaves nothing after its removal",
        arguments: [
            (
                #"{"phase": "Pending", "containerStatuses": [{"name": "m", "image": "i", "state": {"waiting": {"reason": "ImagePullBackOff"}}}]}"#,
                RuntimeError.Cause.imageMissing
            ),
            (
                #"{"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes are available: 1 Insufficient memory."}]}"#,
                .outOfMemory
            ),
        ])
    func hopeless(status: String, cause: RuntimeError.Cause) async throws {
        try await with { runtime, api in
            api.set { $0.status = status }
            let began = ContinuousClock.now
            let error = try await failure { try await create(runtime, "one") }
            #expect(error.cause == cause)
            #expect(ContinuousClock.now - began < .seconds(5))
            try await runtime.remove(MemberID("one"))
            #expect(api.now.pods.isEmpty)
        }
    }

    @Test(
        "what the API refuses is a line with its words, and a class",
        arguments: [
            (401, "Unauthorized", "no", RuntimeError.Cause.invalidConfiguration, "does not accept this server's"),
            (403, "Forbidden", "pods is forbidden", .invalidConfiguration, "does not allow it: pods is forbidden"),
            (403, "Forbidden", "exceeded quota: q, requested: memory=1", .outOfMemory, "quota is used up"),
            (422, "Invalid", "no such field", .invalidConfiguration, "refuses it: no such field"),
        ])
    func refusals(code: Int, reason: String, words: String, cause: RuntimeError.Cause, said: String) async throws {
        try await with { runtime, api in
            let (code, text) = StubAPI.status(code, reason, words)
            api.set { $0.fault = { call, _ in call.method == "POST" ? .answer(code, text) : nil } }
            let error = try await failure { try await create(runtime, "one") }
            #expect(error.cause == cause && error.message.contains(said), "\(error)")
            #expect(api.count("POST") == 1)
        }
    }

    @Test("a pod of that name with other labels is left alone, by a create and by a removal")
    func foreignPod() async throws {
        try await with { runtime, api in
            let pod = StubAPI.Pod(
                name: "berth-stub-h-one", uid: "foreign", metadata: #""name": "berth-stub-h-one""#, annotations: [:],
                status: "{}", version: 1)
            api.set { $0.pods[pod.name] = pod }
            let created = try await failure { try await create(runtime, "one") }
            #expect(created.message.contains("another pod"))
            let removed = try await failure { try await runtime.remove(MemberID("one")) }
            #expect(removed.message.contains("other labels"))
            #expect(api.now.pods.count == 1 && api.count("DELETE") == 0)
        }
    }

    @Test("a pool's RuntimeClass is its pods', and one that the cluster lacks is refused before the first create")
    func runtimeClass() async throws {
        try await with { runtime, api in
            api.set {
                $0.fault = { call, _ in
                    guard call.path.hasPrefix("/apis/node.k8s.io/v1/runtimeclasses/") else { return nil }
                    let (code, text) =
                        switch call.path.split(separator: "/").last {
                        case "there": (200, "{}")
                        case "hidden": StubAPI.status(403, "Forbidden", "runtimeclasses is forbidden")
                        default: StubAPI.status(404, "NotFound", "not found")
                        }
                    return .answer(code, text)
                }
            }
            var template = template
            for name in ["there", "hidden"] {
                template.runtimeName = name
                #expect(try await runtime.prepare(template) == template)
            }
            _ = try await runtime.create(MemberID("one"), template)
            #expect(api.now.bodies.last?.contains(#""runtimeClassName":"hidden""#) == true)
            template.runtimeName = "missing"
            let error = try await failure { [template] in _ = try await runtime.prepare(template) }
            #expect(
                error.cause == .invalidConfiguration && error.message.hasPrefix("runtime_name missing: "), "\(error)")
            try await runtime.remove(MemberID("one"))
        }
    }

    @Test("requests keep to their rate")
    func rate() async throws {
        try await with(requestsPerSecond: 5) { runtime, api in
            let began = ContinuousClock.now
            for _ in 0..<15 { _ = try await runtime.members() }
            #expect(ContinuousClock.now - began >= .milliseconds(900))
            #expect(api.count("GET") == 15)
        }
    }
}
