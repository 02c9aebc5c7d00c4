# SPDX-License-Identifier: Apache-2.0
"""Talks with a program: a line goes in, its answer comes out."""

import berth

PROGRAM = """
for line in iter(input, "quit"):
    print(eval(line), flush=True)
"""

with berth.Client() as client, client.acquire() as lease:
    with lease.execute(["python3", "-c", PROGRAM], keep_stdin_open=True) as session:
        answers = iter(session)
        for question in ("6 * 7", "2 ** 64", "'berth'.upper()"):
            session.write(question.encode() + b"\n")
            answer = next(answers)
            if isinstance(answer, berth.Output):
                print(f"{question} = {answer.data.decode().strip()}")
        session.close_stdin(b"quit\n")
        print(session.wait())
