// SPDX-License-Identifier: Apache-2.0

package import AgentLink
package import AgentSchema
internal import BerthSchema
package import Pool

/// How interpreters are started that fork programs (`interpreters` of a pool).
package enum ZygoteStart {
    /// Languages that have such an interpreter.
    package static let languages: Set<String> = ["python"]

    /// Runs what comes on descriptor 3: `Interpreters/zygote.py`, with its size in 8 digits before it.
    private static let pythonStart = """
        def start(read=__import__("os").read, main=__import__("sys").modules["__main__"].__dict__):
            size, source = int(read(3, 8)), b""
            while len(source) < size:
                source += read(3, size - len(source))
            module = type(__import__("sys"))("berth_zygote")
            module.__builtins__ = dict(__import__("builtins").__dict__)
            del main["start"]
            exec(compile(source.decode(), "<berth>", "exec", dont_inherit=True), module.__dict__)
            return module.serve
        start()()
        """

    /// The longest time until one is ready. The time-out of the create is usually less.
    private static let limit: UInt64 = 600_000

    /// What the agent is asked for. Its environment is that of programs, without what a request adds.
    package static func request(
        _ interpreter: WarmInterpreter, home: String, image: ImageEnvironment, user: MemberUser?
    ) -> Agent.WarmRequest {
        let defaults = ProgramDefaults(env: interpreter.env, cwd: home, home: home)
        let argv: [SystemString] = [SystemString(interpreter.path), "-c", SystemString(pythonStart)]
        let program = try? ProgramRequest(ExecuteRequest(argv: ["python"]), ServiceLimits())
        let env = program?.request(argv: argv, defaults, image: image, user: user).env ?? []
        var texts: [UInt8] = []
        for text in [Array(PackageResources.context_py), Array(interpreter.warmup.utf8)]
            + interpreter.preload.map({ Array($0.utf8) })
        {
            texts += text + [0]
        }
        let size = "\(PackageResources.zygote_py.count)"
        var source = Array((String(repeating: "0", count: 8 - size.utf8.count) + size).utf8)
        source += PackageResources.zygote_py + Array("\(texts.count)\n".utf8) + texts
        return Agent.WarmRequest(
            language: interpreter.language, argv: argv, env: env, cwd: "/", source: source,
            timeoutMilliseconds: limit)
    }
}
