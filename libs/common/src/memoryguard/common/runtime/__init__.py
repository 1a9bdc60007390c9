# SPDX-License-Identifier: Apache-2.0
"""Exactly-once effects over at-least-once delivery: inbox, worker, outbox, relay, bus."""
