"""The envelope, generated from proto/ttrpc/ttrpc.proto by clients/python/generate."""
