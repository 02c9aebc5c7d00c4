// SPDX-License-Identifier: Apache-2.0

import AgentSchema
import BerthSchema
import BerthWire
import NIOCore
import ServerSimulation

extension AgentStory.Execution {
    /// What is asked of an agent. The model goes by the last argument alone.
    var request: Agent.ExecuteRequest {
        let end =
            switch script.end {
            case .exit(let code): "x\(code)"
            case .signal(let signal): "k\(signal)"
            case .outOfMemory, .never: "n"
            }
        let own = (reading == "r" ? ["r"] : []) + AgentStory.words(script.steps) + [end]
        let helper = script.helper.map { AgentStory.words($0) + [script.helperStays ? "n" : "x0"] } ?? []
        let flags = (script.ignoresTerm ? "i" : "") + (reading == "c" ? "c" : "")
        let argv = [
            "perl", "-e", AgentStory.program, own.joined(separator: ","), helper.joined(separator: ","), "f\(flags)",
            "\(key)",
        ]
        return Agent.ExecuteRequest(
            execution: fault == .number ? 0 : UInt64(key),
            argv: fault == .argv ? [] : argv.map { SystemString($0) }, env: ["PATH=/usr/bin:/bin"],
            cwd: fault == .directory ? "tmp" : "/", uid: 61234, gid: 61234, stdin: [UInt8](repeating: 7, count: input),
            timeoutMilliseconds: timeout, graceMilliseconds: grace,
            windowBytes: fault == .window ? 0 : UInt64(window), maxOutputBytes: maxOutput,
            killsAtMaxOutput: killsAtMaxOutput, keepsBackground: keepsBackground, outputGraceMilliseconds: outputGrace,
            outputGraceMaxMilliseconds: outputGrace * 4)
    }
}

extension AgentStory {
    fileprivate static func words(_ steps: [Script.Step]) -> [String] {
        steps.map { step in
            switch step {
            case .write(.stdout, let count): "o\(count)"
            case .write(_, let count): "e\(count)"
            case .sleep(let time): "s\(time.nanoseconds / 1_000_000)"
            }
        }
    }

    /// The bytes that the real program takes its output from: those of a model's.
    static var table: [UInt8] {
        Array(Script.bytes(0, .stdout, at: 0, count: Script.period).readableBytesView)
    }

    /// Does what a script says: as the model's programs, of which one line of words is the program's and one its helper's.
    static let program = #"""
        my ($own, $helper, $flags, $key) = @ARGV;
        open(my $file, '<:raw', '/table') or exit 98;
        my $table = do { local $/; <$file> };
        $table .= $table;
        my @offset = (0, 0);
        $SIG{TERM} = 'IGNORE' if $flags =~ /i/;
        close(STDIN) if $flags =~ /c/;
        sub put {
            my ($stream, $left) = @_;
            while ($left > 0) {
                my $most = $left < \#(Script.period) ? $left : \#(Script.period);
                my $start = ($offset[$stream] + $key * 31 + $stream * 7919) % \#(Script.period);
                my $count = syswrite($stream ? STDERR : STDOUT, $table, $most, $start) or exit 99;
                $offset[$stream] += $count;
                $left -= $count;
            }
        }
        sub live {
            for (split(/,/, $_[0])) {
                my ($word, $number) = /^(.)(.*)$/;
                if ($word eq 'o') { put(0, $number) }
                elsif ($word eq 'e') { put(1, $number) }
                elsif ($word eq 's') { select(undef, undef, undef, $number / 1000) }
                elsif ($word eq 'r') { while (sysread(STDIN, my $bytes, 1000)) {} }
                elsif ($word eq 'x') { exit $number }
                elsif ($word eq 'k') { kill $number, $$; sleep 1 while 1 }
                else { sleep 1 while 1 }
            }
        }
        if ($helper ne '' && !fork) { live($helper) }
        live($own);
        """#
}

/// A real agent in namespaces and on files of its own, as in a container: it can be reset.
final class ContainedAgent: ToldAgent {
    private let agent: AgentProcess

    /// - Parameter table: the path of a file that programs find as `/table`.
    init(_ stream: AgentProcess.Stream, table: String) throws {
        // Nothing of the machine's is left that could be written to before the agent runs.
        let script = """
            set -e
            mount -t tmpfs -o mode=755 berth /mnt
            cd /mnt
            mkdir usr proc dev tmp old
            : > agent
            cp '\(table)' table
            mount --bind /usr usr
            mount -o remount,bind,ro usr
            for name in bin sbin lib lib64; do if test -L /$name; then ln -s usr/$name $name; fi; done
            mount --bind "$1" agent
            mount -o remount,bind,ro agent
            mount -t proc proc proc
            mount -t tmpfs -o mode=755 berth dev
            mknod -m 666 dev/null c 1 3
            mkdir dev/mqueue
            mount -t mqueue mqueue dev/mqueue
            mount -o remount,ro dev
            mount -t tmpfs -o mode=1777 berth tmp
            /usr/sbin/pivot_root . old
            cd /
            umount -l /old
            mount -o remount,ro /
            exec /agent --stdio
            """
        agent = try AgentProcess(
            stream,
            wrapper: [
                "unshare", "--pid", "--fork", "--kill-child", "--mount", "--ipc", "--net", "sh", "-c", script, "sh",
            ])
    }

    func execute(_ request: Agent.ExecuteRequest) throws -> UInt32 {
        try agent.open("Execute", request.encoded(), flags: .remoteClosed)
    }

    func next(_ handle: UInt32) throws -> LoneAgent.Event {
        do {
            guard let event = try agent.event(handle, within: 60) else { return .end(status: 0, message: "") }
            return .message(event)
        } catch let refused as AgentProcess.Refused {
            return .end(status: refused.status?.code ?? -1, message: refused.status?.message ?? "")
        }
    }

    func acknowledge(_ request: Agent.AcknowledgeRequest) throws -> (code: Int32, message: String) {
        status(try agent.call("Acknowledge", request))
    }

    func signal(_ request: Agent.SignalRequest) throws -> (code: Int32, message: String) {
        status(try agent.call("Signal", request))
    }

    func reset(_ request: Agent.ResetRequest) throws -> (code: Int32, message: String) {
        status(try agent.call("Reset", request))
    }

    private func status(_ response: Response) -> (code: Int32, message: String) {
        (response.status?.code ?? 0, response.status?.message ?? "")
    }
}
