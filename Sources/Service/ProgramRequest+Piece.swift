// SPDX-License-Identifier: Apache-2.0

internal import BerthRPC
internal import BerthSchema

extension ProgramRequest {
    /// A checked piece of code for a context: settings of the context must not be set.
    init(piece request: ExecuteRequest, _ limits: ServiceLimits) throws(RPCError) {
        for (field, isGiven) in [
            ("argv", !request.argv.isEmpty), ("shell", !request.shell.isEmpty), ("language", !request.language.isEmpty),
            ("env", !request.env.isEmpty), ("env_raw", !request.envBytes.isEmpty), ("cwd", !request.cwd.isEmpty),
            ("uid", request.uid != 0), ("terminal", request.terminal != nil), ("pool", !request.pool.isEmpty),
            ("keep_background", request.keepsBackground), ("merge_output", request.mergesOutput),
        ] where isGiven {
            throw RPCError(.invalidArgument, "\(field) is given with context, to which it belongs")
        }
        guard !request.lease.isEmpty else {
            throw RPCError(.invalidArgument, "context is given without lease, which it is in")
        }
        guard !request.code.isEmpty else {
            throw RPCError(.invalidArgument, "context is given without code, which it runs")
        }
        guard !request.code.utf8.contains(0) else { throw RPCError(.invalidArgument, "code has a NUL byte") }
        try ProgramSource.checkPiece(request.code)
        var plain = request
        (plain.context, plain.code, plain.argv) = ("", "", ["piece"])
        try self.init(plain, limits)
    }
}
