"""The version of this package."""

PACKAGE_VERSION = "0.2.0"
