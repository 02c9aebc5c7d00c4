// SPDX-License-Identifier: Apache-2.0

import Berth

try await BerthClient.withClient { client in
    print(try await client.run(Command(["echo", "hello"])).text, terminator: "")

    try await client.withLease { lease in
        try await client.writeFile("/workspace/in.txt", Array("3\n1\n2\n".utf8), in: lease)
        let sort = client.execute(Command(shell: "sort in.txt; echo done >&2"), in: lease)
        for try await case .output(let output) in sort {
            print(output.stream, output.data)
        }

        let text = client.execute(Command(["printf", "%s\n", "5 €"]), in: lease).text
        for try await piece in text {
            print(piece.text, terminator: "")
        }
    }
}
