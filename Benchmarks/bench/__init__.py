"""The benchmarks of Berth: what `make bench` runs. Benchmarks/run is its command line."""
