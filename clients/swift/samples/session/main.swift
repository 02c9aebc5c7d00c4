// SPDX-License-Identifier: Apache-2.0

// Talks with a program: a line goes in, its answer comes out.
import Berth

let program = """
    for line in iter(input, "quit"):
        print(eval(line), flush=True)
    """

try await BerthClient.withClient { client in
    try await client.withLease { lease in
        var command = Command(["python3", "-c", program])
        command.keepsStdinOpen = true
        let session = client.execute(command, in: lease)
        var answers = session.text.makeAsyncIterator()
        for question in ["6 * 7", "2 ** 64", "'berth'.upper()"] {
            try await session.write(Array("\(question)\n".utf8))
            guard let answer = try await answers.next() else { break }
            print(question, "=", answer.text, terminator: "")
        }
        try await session.write(Array("quit\n".utf8))
        while try await answers.next() != nil {}
        print(answers.ended?.cause ?? .unspecified)
    }
}
