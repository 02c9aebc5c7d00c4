# SPDX-License-Identifier: Apache-2.0
from .argv import main

main()
