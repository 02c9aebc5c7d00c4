# SPDX-License-Identifier: Apache-2.0
"""Messages of the contract, generated from proto/berth/v1/pool.proto by clients/python/generate."""
