# SPDX-License-Identifier: Apache-2.0
"""The envelope, generated from proto/ttrpc/ttrpc.proto by clients/python/generate."""
