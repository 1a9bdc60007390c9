# SPDX-License-Identifier: Apache-2.0
"""The pure part of the audit log: Merkle tree, signed checkpoints, proofs. No I/O."""
