// SPDX-License-Identifier: Apache-2.0
// Sends a series to POST /api/v1/imaging/upload. XMLHttpRequest, since fetch tells no progress.
import { bearer, Problem, problemFrom } from "../http";
import type { Source } from "./source";

export interface Told {
  state: string;
  code?: string;
  message?: string;
  hint?: string;
}

export interface SentScan {
  imaging_id: string;
  user_id: string | null;
  created_at: string | null;
}

export interface UploadAnswer {
  scans: SentScan[];
  series: (Told & { images?: number; imaging_id?: string; notes?: Told[] })[];
  counts: Record<string, number>;
  files: (Told & { name: string })[];
}

export interface Parcel {
  id: string;
  userId: string | null;
  sources: Source[];
}

const PATH = "/api/v1/imaging/upload";

/** Send it; tells how many bytes of how many are on their way. */
export async function send(
  parcel: Parcel,
  told: (sent: number, total: number) => void,
  signal: AbortSignal,
): Promise<UploadAnswer> {
  const form = new FormData();
  // Fields come before files: the receiver reads the body as a stream.
  if (parcel.userId) form.append("user_id", parcel.userId);
  for (const source of parcel.sources) {
    form.append("file", await source.content(), source.name);
    signal.throwIfAborted();
  }
  return posted(form, parcel.id, told, signal);
}

function posted(
  form: FormData,
  key: string,
  told: (sent: number, total: number) => void,
  signal: AbortSignal,
): Promise<UploadAnswer> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", PATH);
    const token = bearer();
    if (token) request.setRequestHeader("Authorization", `Bearer ${token}`);
    request.setRequestHeader("Idempotency-Key", key);
    request.upload.onprogress = ({ loaded, total }) => told(loaded, total);
    request.onload = () => {
      const said = parsed(request.responseText);
      if (request.status < 300) resolve(said as unknown as UploadAnswer);
      else reject(problemFrom(request.status, said));
    };
    request.onerror = () =>
      reject(new Problem(0, "unreachable", "the platform cannot be reached", null));
    request.onabort = () => reject(signal.reason);
    signal.addEventListener("abort", () => request.abort(), { once: true });
    request.send(form);
  });
}

function parsed(text: string): Record<string, unknown> {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}
