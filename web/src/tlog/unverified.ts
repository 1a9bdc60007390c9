// SPDX-License-Identifier: Apache-2.0

/** What does not verify, with the same codes as the platform's own verifier. */
export class Unverified extends Error {
  constructor(
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}
