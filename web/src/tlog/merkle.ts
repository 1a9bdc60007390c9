// SPDX-License-Identifier: Apache-2.0
// The Merkle tree of an append-only log (RFC 9162, section 2.1; the same tree as RFC 6962).
//
// Sizes are numbers, so a log has up to 2^53 entries here. No bit operator is used: JavaScript's
// know 32 bits.
import { type Bytes, same, sha256 } from "./bytes";
import { Unverified } from "./unverified";

const HASH_BYTES = 32;
const LEAF = Uint8Array.of(0);
const NODE = Uint8Array.of(1);

/** One step from a leaf towards the root: the hash it is joined with, on which side, and what comes of it. */
export interface Step {
  sibling: Bytes;
  side: "left" | "right";
  result: Bytes;
}

export const leafHash = (entry: Bytes): Promise<Bytes> => sha256(LEAF, entry);

export const nodeHash = (left: Bytes, right: Bytes): Promise<Bytes> => sha256(NODE, left, right);

/**
 * Climb from a leaf's hash to the root that an inclusion proof leads to (RFC 9162, 2.1.3.2).
 *
 * Throws `index_out_of_range`, `malformed_hash`, `proof_length`.
 */
export async function climb(
  index: number,
  size: number,
  leaf: Bytes,
  proof: readonly Bytes[],
): Promise<Step[]> {
  if (!isCount(index) || !isCount(size) || index >= size)
    throw new Unverified("index_out_of_range", "the log of that size has no such entry");
  checkLengths(leaf, ...proof);
  const steps: Step[] = [];
  let [here, last, computed] = [index, size - 1, leaf];
  for (const sibling of proof) {
    if (last === 0) throw tooLong();
    const left = isOdd(here) || here === last;
    computed = await (left ? nodeHash(sibling, computed) : nodeHash(computed, sibling));
    steps.push({ sibling, side: left ? "left" : "right", result: computed });
    if (left) [here, last] = skipLonely(here, last);
    [here, last] = [half(here), half(last)];
  }
  if (last !== 0) throw tooShort();
  return steps;
}

/** Check an inclusion proof; throws what `climb` throws, and `root_mismatch`. */
export async function verifyInclusion(
  index: number,
  size: number,
  leaf: Bytes,
  proof: readonly Bytes[],
  root: Bytes,
): Promise<Step[]> {
  checkLengths(root);
  const steps = await climb(index, size, leaf, proof);
  if (!same(steps.at(-1)?.result ?? leaf, root))
    throw new Unverified("root_mismatch", "the hashes lead to another root");
  return steps;
}

/**
 * Check that the log of `size1` entries is the beginning of that of `size2` (RFC 9162, 2.1.4.2).
 *
 * A proof from the empty log proves nothing and is refused. Throws `size_out_of_range`,
 * `malformed_hash`, `proof_length`, `root_mismatch`.
 */
export async function verifyConsistency(
  size1: number,
  size2: number,
  proof: readonly Bytes[],
  root1: Bytes,
  root2: Bytes,
): Promise<void> {
  if (!isCount(size1) || !isCount(size2) || size1 === 0 || size1 > size2)
    throw new Unverified("size_out_of_range", "nothing is proved between these sizes");
  if (size1 === size2) {
    if (proof.length > 0) throw tooLong();
    if (!same(root1, root2)) throw new Unverified("root_mismatch", "equal sizes, different roots");
    return;
  }
  checkLengths(root1, root2, ...proof);
  if (proof.length === 0) throw tooShort();
  const path = isPowerOfTwo(size1) ? [root1, ...proof] : proof;
  const [older, newer] = await bothRoots(size1, size2, path);
  if (!same(older, root1) || !same(newer, root2))
    throw new Unverified("root_mismatch", "the older log is not the beginning of the newer one");
}

async function bothRoots(
  size1: number,
  size2: number,
  [first, ...rest]: readonly Bytes[],
): Promise<[Bytes, Bytes]> {
  if (!first) throw tooShort();
  let [here, last] = [size1 - 1, size2 - 1];
  while (isOdd(here)) [here, last] = [half(here), half(last)];
  let [older, newer] = [first, first];
  for (const sibling of rest) {
    if (last === 0) throw tooLong();
    if (isOdd(here) || here === last) {
      [older, newer] = [await nodeHash(sibling, older), await nodeHash(sibling, newer)];
      [here, last] = skipLonely(here, last);
    } else {
      newer = await nodeHash(newer, sibling);
    }
    [here, last] = [half(here), half(last)];
  }
  if (last !== 0) throw tooShort();
  return [older, newer];
}

/** Climb past the levels where a last subtree has no sibling to be hashed with. */
function skipLonely(here: number, last: number): [number, number] {
  while (here !== 0 && !isOdd(here)) [here, last] = [half(here), half(last)];
  return [here, last];
}

const isCount = (n: number) => Number.isSafeInteger(n) && n >= 0;
const isOdd = (n: number) => n % 2 === 1;
const half = (n: number) => Math.floor(n / 2);
const tooLong = () => new Unverified("proof_length", "the proof has too many hashes");
const tooShort = () => new Unverified("proof_length", "the proof has too few hashes");

function isPowerOfTwo(n: number): boolean {
  while (n > 1 && !isOdd(n)) n = half(n);
  return n === 1;
}

function checkLengths(...hashes: readonly Bytes[]): void {
  if (hashes.some((hash) => hash.length !== HASH_BYTES))
    throw new Unverified("malformed_hash", "a hash is not 32 bytes long");
}
