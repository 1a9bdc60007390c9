# SPDX-License-Identifier: Apache-2.0
"""Ask another risk model about everything that is kept, before it is put in the old one's place."""
