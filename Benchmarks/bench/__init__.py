# SPDX-License-Identifier: Apache-2.0
"""The benchmarks of Berth: what `make bench` runs. Benchmarks/run is its command line."""
