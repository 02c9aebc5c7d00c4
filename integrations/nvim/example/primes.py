# SPDX-License-Identifier: Apache-2.0
# Primes, and how far it has come: :BerthRun runs it all.
import time

limit, found = 100, []

for number in range(2, limit):
    if all(number % prime for prime in found):
        found.append(number)
    if number % 20 == 0:
        print(f"\033[32m{number:>4}\033[0m {len(found)} primes", flush=True)
        time.sleep(0.3)

print("average:", sum(found) / len(missing))
