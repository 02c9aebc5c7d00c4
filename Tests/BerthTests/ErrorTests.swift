// SPDX-License-Identifier: Apache-2.0

import Berth
import BerthRPC
import BerthSchema
import Testing
import TestSupport

@Suite("Errors, as callers see them", .timeLimit(.minutes(1)))
struct ErrorTests {
    @Test("a code that has no name here keeps its number; those that have one are spelled as here and as gRPC does")
    func codes() {
        let code = BerthError.Code(rawValue: 99)
        #expect(code != .unknown && "\(code)" == "code 99")
        #expect("\(BerthError.Code.failedPrecondition)" == "failedPrecondition")
        #expect(BerthError.Code.failedPrecondition.name == "FAILED_PRECONDITION")
        for code in RPCError.Code.allCases {
            #expect("\(BerthError.Code(rawValue: code.rawValue))" == "\(code)")
        }
    }

    @Test("the reason of a failure and what goes with it come with the error")
    func reasons() async throws {
        try await ScriptedServer.with { server, client in
            let execution = client.execute(Command(["x"]))
            try await server.stream().fail(
                RPCError(.unavailable, "no container", .breakerOpen, metadata: ["retry_after_ms": "250"]))
            let error = await #expect(throws: BerthError.self) { for try await _ in execution {} }
            #expect(error?.code == .unavailable && error?.reason == .breakerOpen)
            #expect(error?.metadata == ["retry_after_ms": "250"])
        }
    }

    @Test("a reason that is not known here keeps its name, and what goes with it")
    func unknownReason() async throws {
        try await ScriptedServer.with { server, client in
            let execution = client.execute(Command(["x"]))
            var failure = RPCError(.resourceExhausted, "no more", metadata: ["limit": "7"])
            failure.otherReason = "OF_TOMORROW"
            try await server.stream().fail(failure)
            let error = await #expect(throws: BerthError.self) { for try await _ in execution {} }
            #expect(error?.reason == BerthError.Reason(name: "OF_TOMORROW") && error?.metadata == ["limit": "7"])
        }
    }

    @Test("every reason of the contract has a name here")
    func known() {
        let here: [BerthError.Reason] = [
            .noSuchFile, .isADirectory, .notADirectory, .alreadyExists, .directoryNotEmpty, .notAFile, .readOnly,
            .outside, .notPermitted, .noSpace, .tooManyLinks, .nameTooLong, .badArchive, .noSuchLease,
            .noSuchExecution, .noSuchPool, .executionLimit, .backgroundLimit, .waiterLimit, .clientLimit, .memoryLimit,
            .messageTooLarge, .inputEnded, .inputGap, .noTerminal, .breakerOpen, .shuttingDown, .drainingPool,
            .noSuchContext, .contextLimit, .contextBusy, .contextStartFailed, .connectionRefused,
            .notASocket, .connectionLimit, .unknownCaller, .operatorOnly, .tenantLimit,
        ]
        #expect(Set(here.map(\.name)) == Set(ErrorReason.allCases.map(\.protoName)))
    }
}
