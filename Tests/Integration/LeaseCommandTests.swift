// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing
import TestSupport

@Suite("Leases and programs on the command line", .serialized)
struct LeaseCommandTests {
    @Test("C19: every command takes its lease from a file or the environment, and none from nowhere")
    func leases() async throws {
        try await ServerProcess.with(.runc, ["--size", "2", "--max", "4"]) { server in
            let result = try await server.shell(
                """
                touch f; chmod 644 f
                berth acquire --lease-file f; stat -c %a f
                berth run --lease-file f --shell 'echo one > here'
                berth run --lease @f -- cat here
                id=$(BERTH_LEASE=$(cat f) berth run --detach --shell 'read x; echo never')
                berth run --lease-file - -- echo two < f
                berth executions --lease-file f --json | grep -c never
                BERTH_LEASE=$(cat f) berth ps --json | grep -c never
                berth cp --lease-file f :/workspace/here there; cat there
                export BERTH_LEASE=$(cat f)
                berth run -- cat here
                berth run --pool default -- cat here 2>&1 | grep -c 'No such file'
                berth signal $id; berth attach $id; test $? = 125 || exit 1
                """)
            #expect(result.out == "600\none\ntwo\n1\n1\none\none\n1\n", "\(result)")
            let rest = try await server.shell(
                """
                set +e
                berth acquire --lease-file f; berth release --lease @f; echo $?
                berth run --lease-file f -- true; echo $?
                for command in executions ps release; do berth $command; echo $?; done
                echo a b > bad; berth ps --lease-file bad; echo $?; berth ps --lease-file none; echo $?
                """)
            #expect(rest.out == "0\n125\n2\n2\n2\n2\n2\n", "\(rest)")
            #expect(rest.err.contains("--lease-file FILE or the variable BERTH_LEASE"), "\(rest)")
        }
    }

    @Test("C19: control characters in a program's words, or in ours, never reach the terminal")
    func controlCharacters() async throws {
        try await ServerProcess.with(.runc) { server in
            let result = try await server.shell(
                """
                export BERTH_LEASE=$(berth acquire)
                berth run --detach -- sh -c 'read x' $'\\e]0;title\\a' $'\\u009b2J' $'\\u202eabc' >/dev/null
                berth ps; berth executions --json; berth stats; berth admin members
                berth run --cwd $'/no\\e[2J' -- true || true
                berth run -- $'no\\e[2J' || true
                berth cp $'none\\e[2J' :/tmp || true
                berth run --pool $'p\\e[2J' -- true || true
                berth signal $'e\\e[2J' || true
                berth $'x\\e[2J' || true
                """)
            #expect(result.status == 0, "\(result)")
            for scalar in (result.out + result.err).unicodeScalars where scalar != "\n" {
                #expect(scalar.value >= 0x20 && !(0x7f..<0xa0).contains(scalar.value) && scalar.value != 0x202e)
            }
            #expect(result.out.contains("\\x1b]0;title\\x07 \\u{9b}2J \\u{202e}abc"), "\(result.out)")
            #expect(result.err.split(separator: "\n").count == 6, "\(result.err)")
        }
    }

    @Test("I42: ps is executions, and --grace is the time between the first signal and the last")
    func grace() async throws {
        try await ServerProcess.with(.runc, ["--size", "2"]) { server in
            // Longer than the server's own grace.
            let script = "trap 'sleep 3; echo late; exit 0' TERM; echo on; while :; do sleep 0.1; done"
            let long = try await server.run(["--timeout", "1s", "--grace", "60s", "--", "sh", "-c", script])
            #expect(long.out == "on\nlate\n" && long.status == 124, "\(long)")
            let short = try await server.run(["--timeout", "1s", "--", "sh", "-c", script])
            #expect(short.out == "on\n" && short.status == 124, "\(short)")
            let ended = try await server.shell(
                """
                export BERTH_LEASE=$(berth acquire)
                id=$(berth run --detach -- sh -c "\(script)")
                berth attach --from-start $id > words & watcher=$!
                until grep -q on words; do :; done
                berth signal --grace 60s $id; wait $watcher || true
                cat words
                """)
            #expect(ended.out == "on\nlate\n", "\(ended)")
        }
    }

    @Test("E27: arguments, variables and directories that are no UTF-8 reach the program, and are listed")
    func bytes() async throws {
        try await ServerProcess.with(.runc, ["--size", "2"]) { server in
            let result = try await server.shell(
                """
                export BERTH_LEASE=$(berth acquire)
                n=$'a\\351'
                berth run -- mkdir "/workspace/$n"
                berth run -e V=text -e "V=$n" --cwd "/workspace/$n" -- sh -c 'printf %s "$1|$V|"; pwd' sh "$n" | od -An -tx1
                berth run --shell "printf %s '$n'" | od -An -tx1
                berth run --detach -- sh -c 'read x' sh "$n" >/dev/null
                berth ps | grep -cF 'sh a\\xe9'
                berth ps --json | grep -c '"argv_raw":\\["c2g=","LWM=","cmVhZCB4","c2g=","Yek="\\]'
                berth run --language sh --code "echo $n" || echo $?
                """)
            #expect(
                result.out == """
                     61 e9 7c 61 e9 7c 2f 77 6f 72 6b 73 70 61 63 65
                     2f 61 e9 0a
                     61 e9
                    1
                    1
                    125

                    """, "\(result)")
            #expect(result.err == "berth: --code is not valid UTF-8\n", "\(result)")
        }
    }

    @Test("I45: what speaks to a server loads neither libcurl nor what that brings")
    func libraries() async throws {
        try await ServerProcess.with(.runc) { server in
            let program = try Program(
                BuildProducts.program("berth"),
                ["run", "--server", server.address, "--", "sh", "-c", "echo ready; exec sleep 1000"])
            try await eventually("it runs") { program.out.contains("ready") }
            let maps = try kernelFile("/proc/\(program.pid)/maps")
            let libraries = Set(maps.split(separator: "\n").compactMap { $0.split(separator: "/").last }).filter {
                $0.contains(".so")
            }
            for name in ["curl", "ssl", "crypto", "ldap", "nghttp2", "z.so"] {
                #expect(!libraries.contains { $0.hasPrefix("lib\(name)") }, "\(libraries)")
            }
            program.signal(SIGINT)
            #expect(try await program.end(within: .seconds(10)) == 130)
        }
    }
}
