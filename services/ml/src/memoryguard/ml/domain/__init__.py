# SPDX-License-Identifier: Apache-2.0
"""Pure parts of the ml service: features and when a prediction is withheld."""
