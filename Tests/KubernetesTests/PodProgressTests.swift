// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Pool
import Testing

@testable import Kubernetes

@Suite("How far a pod is")
struct PodProgressTests {
    private func progress(_ status: String, _ metadata: String = "") throws -> PodProgress {
        let text = #"{"metadata": {"name": "x", "uid": "u"\#(metadata)}, "status": \#(status)}"#
        return PodProgress(try JSONDecoder().decode(PodObject.self, from: Data(text.utf8)))
    }

    @Test("a pod without an address is waited for, one with an address is dialled")
    func ordinary() throws {
        #expect(try progress(#"{"phase": "Pending"}"#) == .waiting)
        let scheduled = #"{"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "True"}]}"#
        #expect(try progress(scheduled) == .waiting)
        let creating = #"""
            {"phase": "Pending", "containerStatuses":
                [{"name": "member", "state": {"waiting": {"reason": "ContainerCreating"}}}]}
            """#
        #expect(try progress(creating) == .waiting)
        #expect(try progress(#"{"phase": "Running", "podIP": "10.0.0.7"}"#) == .reachable("10.0.0.7"))
    }

    @Test(
        "states in which Kubernetes tries for ever are failures at once, with their cause",
        arguments: [
            (
                #"{"containerStatuses": [{"name": "m", "image": "a/b:1", "state": {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off\npulling"}}}]}"#,
                RuntimeError.Cause.imageMissing,
                "the node does not get the image a/b:1: ImagePullBackOff: Back-off pulling"
            ),
            (
                #"{"initContainerStatuses": [{"name": "agent", "image": "i", "state": {"waiting": {"reason": "ErrImagePull"}}}]}"#,
                .imageMissing, "the node does not get the image i: ErrImagePull"
            ),
            (
                #"{"containerStatuses": [{"name": "m", "state": {"waiting": {"reason": "InvalidImageName", "message": "no"}}}]}"#,
                .invalidConfiguration, "the kubelet refuses the pod: InvalidImageName: no"
            ),
            (
                #"{"containerStatuses": [{"name": "m", "state": {"waiting": {"reason": "CreateContainerError", "message": "no"}}}]}"#,
                .failed, "the kubelet can't start the pod: CreateContainerError: no"
            ),
            (
                #"{"conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/2 nodes are available: 2 Insufficient memory."}]}"#,
                .outOfMemory, "no node takes the pod: Unschedulable: 0/2 nodes are available: 2 Insufficient memory."
            ),
            (
                #"{"conditions": [{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}]}"#,
                .failed, "no node takes the pod: SchedulingGated"
            ),
            (
                #"{"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory."}"#,
                .failed,
                "the pod ended before its agent was reached: Evicted: The node was low on resource: memory."
            ),
            (
                #"{"phase": "Failed", "reason": "OutOfmemory"}"#,
                .outOfMemory, "the pod ended before its agent was reached: OutOfmemory"
            ),
            (
                #"{"podIP": "10.0.0.7", "containerStatuses": [{"name": "m", "state": {"terminated": {"exitCode": 128, "reason": "StartError", "message": "no such file"}}}]}"#,
                .failed,
                "the pod's container ended with code 128 before its agent was reached: StartError: no such file"
            ),
            (
                #"{"initContainerStatuses": [{"name": "agent", "state": {"terminated": {"exitCode": 2}}}]}"#,
                .failed,
                "the init container agent ended with code 2 before its agent was reached: for no reason that is known"
            ),
        ])
    func hopeless(status: String, cause: RuntimeError.Cause, message: String) throws {
        #expect(try progress(status) == .failed(RuntimeError(cause, message)))
    }

    @Test("a new pod that somebody deletes has failed, even if it has an address")
    func deleted() throws {
        #expect(
            try progress(#"{"podIP": "10.0.0.7"}"#, #", "deletionTimestamp": "2030-01-01T00:00:00Z""#)
                == .failed(RuntimeError(.failed, "somebody has deleted the pod")))
    }
}
