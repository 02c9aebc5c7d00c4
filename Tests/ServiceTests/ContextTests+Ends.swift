// SPDX-License-Identifier: Apache-2.0

import Berth
import BerthSchema
import Service
import Testing
import TestSupport

extension ContextTests {
    @Test("contexts are counted: one more than a lease may have is refused, and one that is closed makes room")
    func limit() async throws {
        var limits = ServiceLimits()
        limits.maxContexts = 2
        try await Self.with(limits: limits) { client, lease, context in
            let second = try await client.openContext("sh", in: lease, cwd: "/tmp")
            let error = await #expect(throws: BerthError.self) {
                try await client.openContext("sh", in: lease, cwd: "/tmp")
            }
            #expect(error?.reason == .contextLimit)
            try await client.closeContext(second)
            _ = try await client.openContext("bash", in: lease, cwd: "/tmp")
            #expect(try await client.contexts(in: lease).map(\.language) == ["python", "bash"])
            try await client.closeContext(context)
            let gone = await #expect(throws: BerthError.self) { try await client.run("1", in: context) }
            #expect(gone?.message.contains("it was closed") == true)
        }
    }

    @Test(
        "closing a context, or cancelling a piece that does not stop, ends it as cancelled, and says that the context is lost"
    )
    func cancelled() async throws {
        try await Self.with { client, lease, context in
            for closes in [true, false] {
                let context = closes ? context : try await client.openContext("python", in: lease, cwd: "/tmp")
                let code = """
                    import time
                    told = False
                    while True:
                        try:
                            if not told:
                                told = True
                                print(1, flush=True)
                            time.sleep(60)
                        except KeyboardInterrupt: pass
                    """
                let execution = client.execute(code, in: context)
                for try await event in execution {
                    if case .output = event {
                        if closes {
                            try await client.closeContext(context)
                        } else {
                            try await execution.cancel(grace: .milliseconds(200))
                        }
                    }
                    guard case .ended(let ended) = event else { continue }
                    #expect(ended.cause == .cancelled)
                    #expect(ended.isContextLost)
                    #expect(
                        ended.message.hasPrefix(
                            closes ? "its context was closed" : "it did not stop when it was interrupted"))
                }
            }
        }
    }

    @Test("an interpreter that can't be started says why")
    func noInterpreter() async throws {
        try await TestServer.with { server, client in
            let lease = try await client.acquire()
            let unknown = await #expect(throws: BerthError.self) { try await client.openContext("cobol", in: lease) }
            #expect(unknown?.code == .invalidArgument)
            let nowhere = await #expect(throws: BerthError.self) {
                try await client.openContext("python", in: lease, cwd: "/nowhere")
            }
            #expect(nowhere?.reason == .contextStartFailed)
            #expect(nowhere?.message.contains("/nowhere") == true)
            let broken = await #expect(throws: BerthError.self) {
                try await client.openContext("python", in: lease, env: ["PYTHONHOME": "/nowhere"], cwd: "/tmp")
            }
            #expect(broken?.reason == .contextStartFailed)
            #expect(broken?.message.contains("before it took any code") == true)
            try await client.release(lease)
        }
    }
}
