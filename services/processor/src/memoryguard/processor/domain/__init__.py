# SPDX-License-Identifier: Apache-2.0
"""Pure image analysis of the processor: arrays in, measurements out."""
